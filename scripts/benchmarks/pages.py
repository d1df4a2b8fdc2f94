"""Polled pages of raw reservations, as every benchmark of the batch path takes them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

import msgspec

from scripts.simulators.hostpms.bulk import reservations
from shared.pipeline.envelope import Envelope, encode_page

PROPERTY = "PT-LIS-001"
PAGE_RECORDS = 10_000
_SEED = 7


def pages(records: int, received_at: datetime, updated_every: int = 0) -> Iterator[bytes]:
    """``records`` envelopes of distinct ids as NDJSON, ``PAGE_RECORDS`` to a page; the same each time.

    ``updated_every``: of so many, one is a later version (``bulk.reservations``).
    """
    stream = reservations(records, _SEED, property_id=PROPERTY, updated_every=updated_every)
    while page := list(islice(stream, PAGE_RECORDS)):
        yield encode_page(
            Envelope(
                vendor="hostpms",
                property_id=PROPERTY,
                channel="poll",
                received_at=received_at,
                entity="booking",
                payload=msgspec.Raw(record),
            )
            for record in page
        )
