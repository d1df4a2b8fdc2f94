"""The rooms: who is in, what is to be cleaned, what is out of order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from scripts.simulators.hostpms.agenda import Event
from scripts.simulators.hostpms.entities import Room
from scripts.simulators.hostpms.premises import Premises
from scripts.simulators.hostpms.properties import ROOMS_PER_FLOOR, kinds_of
from scripts.simulators.hostpms.rooms_calendar import RoomsCalendar
from scripts.simulators.hostpms.tariff import base_rate

_AMENITIES = ("balcony", "air", "minibar", "safe", "view")
_OUT_OF_ORDER = 1 / 70
"""Per room and day."""


class Housekeeping:
    def __init__(self, premises: Premises) -> None:
        self._premises = premises
        self.rooms = [self._room(index, kind) for index, kind in enumerate(kinds_of(premises.property.rooms))]
        self.calendar = RoomsCalendar(self.rooms)

    def open(self, now: datetime) -> None:
        for room in self.rooms:
            self._premises.record(room, now)

    def occupy(self, room: Room, now: datetime) -> Iterator[Event]:
        yield self._becomes(room, "occupied", now)

    def vacate(self, room: Room, now: datetime) -> Iterator[Event]:
        yield self._becomes(room, "dirty", now)
        # Before 15 h in any case: the next guest may stand at the desk by then.
        cleaned = now + timedelta(minutes=25) + self._premises.some(timedelta(minutes=150))
        self._premises.agenda.enter(cleaned, lambda at: iter([self._becomes(room, "clean", at)]))

    def plan_repairs(self, today: date) -> None:
        """Now and then a room is out of order for a night or two, where nobody has booked it."""
        for room in self.rooms:
            first = today + timedelta(days=1)
            last = first + timedelta(days=self._premises.rng.choice((1, 1, 2)))
            if self._premises.happens(_OUT_OF_ORDER) and self.calendar.is_free(room, first, last):
                self.calendar.take(room, f"out of order from {first}", first, last)
                self._plan_repair(room, first, last)

    def _plan_repair(self, room: Room, first: date, last: date) -> None:
        status = "maintenance" if self._premises.happens(0.7) else "blocked"
        start = self._premises.moment(first, time(15), time(17))
        end = self._premises.moment(last, time(9), time(14))
        self._premises.agenda.enter(start, lambda at: iter([self._becomes(room, status, at)]))
        self._premises.agenda.enter(end, lambda at: iter([self._becomes(room, "clean", at)]))

    def _becomes(self, room: Room, status: str, now: datetime) -> Event:
        room.status = status
        return self._premises.announce(room, "room.status_changed", now)

    def _room(self, index: int, kind: str) -> Room:
        floor = 1 + index // ROOMS_PER_FLOOR
        number = f"{floor}{1 + index % ROOMS_PER_FLOOR:02d}"
        rng = self._premises.rng
        return Room(
            id=f"R-{number}",
            number=number,
            floor=floor,
            kind=kind,
            quirks=self._premises.quirks("room"),
            base_rate=base_rate(self._premises.property, kind),
            amenities=("wifi", *sorted(rng.sample(_AMENITIES, rng.randint(0, 4)))),
        )
