"""The message of the poll queue: an order to poll one stream, or to go on with a run that was interrupted."""

from __future__ import annotations

from typing import Annotated

import msgspec

from shared.errors import Malformed
from shared.pipeline.list_walk import Instant, Place
from shared.streams import Stream


class PollOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """JSON ``{"vendor", "property_id", "entity"}``; the further fields make it a continuation."""

    vendor: str
    property_id: str
    entity: str
    run_id: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9]{1,32}$")] | None = None
    started_at: Instant | None = None
    """UTC; with ``run_id`` it names the run's record and its raw objects' day."""
    place: Place | None = None
    not_before: Instant | None = None
    """UTC: the vendor's Retry-After, which may be longer than a queue can delay."""
    idle_legs: int = 0
    """How many invocations in a row have landed nothing."""

    @property
    def stream(self) -> Stream:
        return Stream(self.vendor, self.property_id, self.entity)


_decoder = msgspec.json.Decoder(PollOrder)


def decode(body: str | bytes) -> PollOrder:
    """Raises Malformed, naming the field."""
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Malformed(f"not a poll order: {error}", reason="not_a_poll_order") from None
