"""Which room is promised for which nights: no night of a room is ever promised twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from scripts.simulators.hostpms.entities import Room


class RoomsCalendar:
    def __init__(self, rooms: Iterable[Room]) -> None:
        self._rooms = tuple(rooms)
        self._taken: dict[str, dict[str, tuple[date, date]]] = {room.id: {} for room in self._rooms}

    def find(self, kinds: Iterable[str], first: date, last: date) -> Room | None:
        """A free room of the first kind that has one, from the night of ``first`` to the morning of ``last``.

        Of several, the one whose former guest leaves latest: few gaps of a single night remain.
        """
        for kind in kinds:
            free = [room for room in self._rooms if room.kind == kind and self.is_free(room, first, last)]
            if free:
                return max(free, key=lambda room: self._last_departure(room, first))
        return None

    def is_free(self, room: Room, first: date, last: date, apart_from: str | None = None) -> bool:
        return not any(
            start < last and first < end
            for holder, (start, end) in self._taken[room.id].items()
            if holder != apart_from
        )

    def take(self, room: Room, holder: str, first: date, last: date) -> None:
        """Also moves what ``holder`` has already taken. Raises ValueError where it would be promised twice."""
        if not self.is_free(room, first, last, apart_from=holder):
            raise ValueError(f"room {room.id} is not free from {first} to {last}")
        self._taken[room.id][holder] = (first, last)

    def release(self, room: Room, holder: str) -> None:
        del self._taken[room.id][holder]

    def _last_departure(self, room: Room, before: date) -> date:
        return max((end for _, end in self._taken[room.id].values() if end <= before), default=date.min)
