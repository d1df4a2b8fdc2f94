"""One hotel and its raw reservations, polled or delivered: what the benchmarks are made on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from scripts.simulators.hostpms.bulk import reservations
from shared.pipeline.envelope import Envelope, encode_page
from shared.storage.integrations import Integration, Integrations

if TYPE_CHECKING:
    from scripts.local.stack import LocalStack

PROPERTY = "PT-LIS-001"
EVENT = "reservation.created"
PAGE_RECORDS = 10_000
_SEED = 7


def pages(records: int, received_at: datetime, updated_every: int = 0) -> Iterator[bytes]:
    """``records`` envelopes of distinct ids as NDJSON, ``PAGE_RECORDS`` to a page; the same each time.

    ``updated_every``: of so many, one is a later version (``bulk.reservations``).
    """
    stream = reservations(records, _SEED, property_id=PROPERTY, updated_every=updated_every)
    while page := list(islice(stream, PAGE_RECORDS)):
        yield encode_page(polled(record, received_at) for record in page)


def polled(record: bytes, received_at: datetime) -> Envelope[msgspec.Raw]:
    return _envelope(record, received_at, channel="poll", entity="booking")


def delivered(record: bytes, received_at: datetime) -> Envelope[msgspec.Raw]:
    """As the webhook function lands it."""
    return _envelope(record, received_at, channel="webhook", event=EVENT)


def _envelope(record: bytes, received_at: datetime, **how: Any) -> Envelope[msgspec.Raw]:
    return Envelope(vendor="hostpms", property_id=PROPERTY, received_at=received_at, payload=msgspec.Raw(record), **how)


def onboard(stack: LocalStack) -> None:
    """Registers the hotel; nobody answers at its vendor's address."""
    table = stack.session().resource("dynamodb", endpoint_url=stack.endpoint)
    Integrations(table.Table(stack.names.integrations_table)).put(
        Integration(
            property_id=PROPERTY,
            vendor="hostpms",
            time_zone="Europe/Lisbon",
            base_url="http://127.0.0.1:9",
            entities=("booking",),
        )
    )
