"""What a poll walks: one entity of one property at one vendor."""

from __future__ import annotations

from typing import NamedTuple


class Stream(NamedTuple):
    """The unit of a cursor, a lease, a rate budget, a sync run and a poll message."""

    vendor: str
    property_id: str
    entity: str
