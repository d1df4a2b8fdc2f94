"""Which orders a dispatch comes to."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from shared.errors import Misconfigured
from shared.pipeline.poll_orders import PollOrder
from shared.storage.integrations import Integrations
from shared.streams import Stream


class Selection(msgspec.Struct, frozen=True):
    """What the event may narrow the dispatch to; the schedule's event names nothing and means all."""

    vendor: str | None = None
    property_id: str | None = None
    entity: str | None = None

    def takes(self, stream: Stream) -> bool:
        wanted = (self.vendor, self.property_id, self.entity)
        return all(want in (None, has) for want, has in zip(wanted, stream, strict=True))


def orders(integrations: Integrations, selection: Selection, broken: list[Misconfigured]) -> Iterator[PollOrder]:
    """One for each active stream that is selected; what could not be read is added to ``broken``."""
    try:
        for integration in integrations.active():
            yield from (PollOrder(**stream._asdict()) for stream in integration.streams if selection.takes(stream))
    except Misconfigured as error:
        broken.append(error)
