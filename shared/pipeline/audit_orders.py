"""The messages of the audit queue: the day's order, and one for each hotel, which may go on where a leg ended."""

from __future__ import annotations

from datetime import date
from typing import TypeAlias

import msgspec

from shared.decoding import UNREADABLE, fault
from shared.errors import Malformed
from shared.model.calendar import Instant
from shared.segments import Segment


class EveryHotel(msgspec.Struct, frozen=True, tag_field="audit", tag="every_hotel"):
    """JSON ``{"audit": "every_hotel"}``: what the schedule sends. An order for each hotel comes of it."""


class HotelAudit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="audit", tag="hotel"):
    """JSON ``{"audit": "hotel", "vendor", "property_id", "since", "settled_before"}``; ``after`` if it is continued."""

    vendor: Segment
    property_id: Segment
    since: date
    """UTC; raw objects of this day and later are looked at."""
    settled_before: Instant
    """Objects stored later are only counted. In the order, so that every leg and every try judges alike."""
    after: str = ""
    """A raw key: what comes up to it has been looked at."""

    @property
    def prefix(self) -> str:
        """What the hotel's raw keys begin with."""
        return f"{self.vendor}/{self.property_id}/"


Order: TypeAlias = EveryHotel | HotelAudit

_decoder: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)


def decode(body: str | bytes) -> Order:
    """Raises Malformed, naming the field."""
    try:
        return _decoder.decode(body)
    except UNREADABLE as error:
        raise Malformed(f"not an order to audit: {fault(error)}", reason="not_an_audit_order") from None
