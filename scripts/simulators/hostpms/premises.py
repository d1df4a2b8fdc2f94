"""What every department of one hotel works with: its rules, its dice, its agenda and its books."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from scripts.simulators.hostpms.agenda import Agenda, Event
from scripts.simulators.hostpms.entities import Entity
from scripts.simulators.hostpms.faults import Faults
from scripts.simulators.hostpms.ledger import Ledger, Version
from scripts.simulators.hostpms.properties import Property
from scripts.simulators.hostpms.quirks import Quirks, draw
from scripts.simulators.hostpms.records import render

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(slots=True)
class Premises:
    property: Property
    rng: Random
    faults: Callable[[], Faults]
    """Asked anew for every record: knobs may be set while the hotel lives."""
    other_property_id: str
    """Some hotel that is not this one, for records that went astray."""
    agenda: Agenda = field(default_factory=Agenda)
    ledger: Ledger = field(default_factory=Ledger)
    announces: bool = False
    """False while history is made: nobody had subscribed yet."""

    def quirks(self, entity: str) -> Quirks:
        return draw(entity, self.rng, self.faults())

    def record(self, subject: Entity, now: datetime) -> Version:
        """Writes ``subject`` into the books; its ``updated_at`` rises by a millisecond at least."""
        subject.updated_at = max(now, subject.updated_at + _MILLISECOND)
        version = Version(subject.id, subject.updated_at, render(subject, self.property))
        self.ledger.put(subject.entity, version)
        return version

    def announce(self, subject: Entity, event: str, now: datetime) -> Event:
        """Writes ``subject`` into the books, and tells."""
        version = self.record(subject, now)
        return Event(now, self.property.id, event, subject.entity, version.id, version.updated_at, version.record)

    def today(self, now: datetime) -> date:
        return now.astimezone(self.property.zone).date()

    def moment(self, day: date, first: time, last: time) -> datetime:
        """Some millisecond of the hotel's own ``day`` between two times of its clock."""
        start = datetime.combine(day, first, self.property.zone)
        span = datetime.combine(day, last, self.property.zone) - start
        return start.astimezone(UTC) + self.some(span)

    def between(self, start: datetime, end: datetime) -> datetime:
        return start + self.some(max(end - start, _MILLISECOND))

    def some(self, longest: timedelta) -> timedelta:
        return self.rng.randrange(max(1, longest // _MILLISECOND)) * _MILLISECOND

    def happens(self, share: float) -> bool:
        return self.rng.random() < share
