"""The messages of the rotate queue: the day's order, and one for each hotel, which may be given again for later."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from shared.decoding import UNREADABLE, fault
from shared.errors import Malformed
from shared.model.calendar import Instant
from shared.segments import Segment


class EveryHotel(msgspec.Struct, frozen=True, tag_field="rotate", tag="every_hotel"):
    """JSON ``{"rotate": "every_hotel"}``: what the schedule sends. An order for each hotel comes of it."""


class HotelRotation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="rotate", tag="hotel"):
    """JSON ``{"rotate": "hotel", "vendor", "property_id", "older_than"}``."""

    vendor: Segment
    property_id: Segment
    older_than: Instant
    """A secret in use since before then is rotated. An instant and not an age, so that an order which is delivered
    twice does not rotate twice."""
    forget_previous: bool = False
    """The secret before is to verify no more, without an overlap: it may be in wrong hands."""
    ages_only: bool = False
    """Its secrets' ages are taken, and nothing is rotated: Secrets Manager does that."""


Order: TypeAlias = EveryHotel | HotelRotation

_decoder: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)


def decode(body: str | bytes) -> Order:
    """Raises Malformed, naming the field."""
    try:
        return _decoder.decode(body)
    except UNREADABLE as error:
        raise Malformed(f"not an order to rotate: {fault(error)}", reason="not_a_rotation_order") from None
