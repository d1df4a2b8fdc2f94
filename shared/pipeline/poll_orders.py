"""The message of the poll queue: an order to poll one stream, or to go on with a run that was interrupted."""

from __future__ import annotations

from typing import Annotated

import msgspec

from shared.decoding import UNREADABLE, fault
from shared.errors import Malformed
from shared.model.calendar import Instant, in_calendar
from shared.pipeline.list_walk import Place
from shared.segments import Segment
from shared.streams import Stream


class PollOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """JSON ``{"vendor", "property_id", "entity"}``; the further fields make it a continuation."""

    vendor: Segment
    property_id: Segment
    entity: Segment
    run_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]{1,32}\Z")] | None = None
    started_at: Instant | None = None
    """UTC; with ``run_id`` it names the run's record and its raw objects' day."""
    place: Place | None = None
    not_before: Instant | None = None
    """UTC: the vendor's Retry-After, which may be longer than a queue can delay."""
    idle_legs: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 0
    """How many invocations in a row have landed nothing."""

    def __post_init__(self) -> None:
        place = self.place or Place()
        for instant in (self.started_at, self.not_before, place.since, place.newest):
            if instant is not None:
                in_calendar(instant)

    @property
    def stream(self) -> Stream:
        return Stream(self.vendor, self.property_id, self.entity)


_decoder = msgspec.json.Decoder(PollOrder)


def decode(body: str | bytes) -> PollOrder:
    """Raises Malformed, naming the field."""
    try:
        return _decoder.decode(body)
    except UNREADABLE as error:
        raise Malformed(f"not a poll order: {fault(error)}", reason="not_a_poll_order") from None
