"""Where a raw object lies in the raw bucket, and what its key tells (DESIGN.md §3).

A key is made only of what the delivery or the run itself says, never of the moment it is written:
a retried delivery or page then overwrites itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256

from shared.errors import Malformed
from shared.segments import is_segment, joined

_DIGEST_LENGTH = 16


def webhook_key(
    vendor: str, property_id: str, event: str, signed_at: datetime, body: bytes, delivery_id: str | None = None
) -> str:
    """``{vendor}/{property}/webhooks/{event}/{yyyy}/{mm}/{dd}/{delivery}-{digest}.json``.

    ``signed_at`` (UTC) gives the day: the time of receipt would move a retry after midnight.
    A delivery id that is no safe segment is told apart by its digest instead.
    """
    if delivery_id is None:
        name = str(int(signed_at.timestamp() * 1000))
    elif is_segment(delivery_id):
        name = delivery_id
    else:
        name = digest(delivery_id.encode("utf-8", "surrogatepass"))
    return f"{joined(vendor, property_id, 'webhooks', event)}/{signed_at:%Y/%m/%d}/{name}-{digest(body)}.json"


def page_key(
    vendor: str, property_id: str, entity: str, started_at: datetime, run_id: str, page: int, channel: str = "polling"
) -> str:
    """``{vendor}/{property}/{polling|fetched|imports}/{entity}/{yyyy}/{mm}/{dd}/{run}-{page}.ndjson.gz``."""
    folder = joined(vendor, property_id, channel, entity)
    return f"{folder}/{started_at:%Y/%m/%d}/{joined(run_id)}-{page:05d}.ndjson.gz"


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:_DIGEST_LENGTH]


@dataclass(frozen=True, slots=True)
class RawAddress:
    """What a raw key tells without opening the object."""

    vendor: str
    property_id: str
    channel: str
    kind: str
    """The event of a webhook, the entity of everything else."""


def parse(key: str) -> RawAddress:
    """Raises Malformed where ``key`` is no raw key."""
    parts = key.split("/")
    known = len(parts) == 8 and parts[2] in ("webhooks", "polling", "fetched", "imports")
    # Whatever lies in the bucket: vendor and property become part of names and of Parquet's keys.
    if not known or not all(map(is_segment, parts[:4])):
        raise Malformed("not a key of the raw bucket", reason="not_a_raw_key", key=key)
    return RawAddress(*parts[:4])


def day_of(key: str) -> date | None:
    """The day (UTC) on which the object came, as its key names it; None where ``key`` is no raw key."""
    try:
        parse(key)
        return date(*map(int, key.split("/")[4:7]))
    except (Malformed, ValueError, OverflowError):
        return None


def before_day(key: str, day: date) -> str:
    """What every key of ``day`` and later in the folder of ``key``, a raw key, comes behind."""
    return "/".join([*key.split("/")[:4], f"{day:%Y/%m/%d}"])
