"""What is going to happen, by virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from scripts.simulators.hostpms.quirks import Record


@dataclass(frozen=True, slots=True)
class Event:
    """Something the PMS announces by webhook: the record as it was at that moment."""

    at: datetime
    property_id: str
    name: str
    """``reservation.created`` and so on."""
    entity: str
    record_id: str
    updated_at: datetime
    record: Record
    refused: bool = False
    """The record is invalid: accepted as a delivery, to be quarantined later."""
    only_announced: bool = False
    """No list has it: were its delivery lost, nobody could ever know of it."""


Action = Callable[[datetime], Iterable[Event]]


class Agenda:
    """Actions in the order of their time; those of one time in the order they were entered."""

    def __init__(self) -> None:
        self._entries: list[tuple[datetime, int, Action]] = []
        self._order = count()

    def enter(self, at: datetime, action: Action) -> None:
        heapq.heappush(self._entries, (at, next(self._order), action))

    def until(self, end: datetime) -> Iterator[Event]:
        """Does everything due before ``end``, also what is entered on the way."""
        while self._entries and self._entries[0][0] < end:
            at, _, action = heapq.heappop(self._entries)
            yield from action(at)
