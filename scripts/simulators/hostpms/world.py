"""The world the PMS keeps the books of: hotels that live, day by day, from one seed.

The same seed, properties, start and record knobs give the same world to the last byte, however it is
asked and whatever goes wrong on the way out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from heapq import merge
from operator import attrgetter
from random import Random

from scripts.simulators.hostpms import demand
from scripts.simulators.hostpms.agenda import Event
from scripts.simulators.hostpms.cashier import Cashier
from scripts.simulators.hostpms.faults import Faults
from scripts.simulators.hostpms.front_desk import FrontDesk
from scripts.simulators.hostpms.guest_book import GuestBook
from scripts.simulators.hostpms.housekeeping import Housekeeping
from scripts.simulators.hostpms.premises import Premises
from scripts.simulators.hostpms.properties import property_named

_DAY = timedelta(days=1)
_DESK_OPENS, _DESK_CLOSES = time(7), time(23, 40)
_NOBODYS_PROPERTY = "PT-XXX-999"


@dataclass(frozen=True, slots=True)
class Credentials:
    client_id: str
    client_secret: str


class Hotel:
    """One hotel: its departments, wired."""

    def __init__(self, premises: Premises) -> None:
        self.premises = premises
        self.property = premises.property
        self.ledger = premises.ledger
        self.housekeeping = Housekeeping(premises)
        guests = GuestBook(premises)
        self._desk = FrontDesk(premises, guests, Cashier(premises), self.housekeeping)

    def open(self, now: datetime) -> None:
        self.housekeeping.open(now)

    def live(self, day: date) -> Iterator[Event]:
        """What happens on ``day`` (UTC), in order."""
        premises = self.premises
        self.housekeeping.plan_repairs(day)
        for _ in range(demand.askers(premises.property, day, premises.rng)):
            premises.agenda.enter(premises.moment(day, _DESK_OPENS, _DESK_CLOSES), self._desk.asked)
        yield from premises.agenda.until(midnight(day + _DAY))


class World:
    """``properties``: ids such as ``PT-LIS-001``. ``start``: the first lived day.

    ``history_days`` have passed before it: what they left is in the books and was never announced.
    """

    def __init__(
        self,
        seed: int,
        properties: Sequence[str],
        start: date,
        *,
        rooms: int = 25,
        history_days: int = 60,
        faults: Faults | None = None,
    ) -> None:
        self.seed = seed
        self.faults = faults or Faults()
        self.today = start - timedelta(days=history_days)
        self.hotels = {name: self._hotel(name, properties, rooms) for name in properties}
        for hotel in self.hotels.values():
            hotel.open(midnight(self.today))
        for _ in self.live(history_days):
            pass
        for hotel in self.hotels.values():
            hotel.premises.announces = True

    @property
    def now(self) -> datetime:
        """The virtual clock: the beginning of the day that is lived next (UTC)."""
        return midnight(self.today)

    def live(self, days: int = 1) -> Iterator[Event]:
        """Lives ``days`` and yields what is announced, in the order of its time. To be consumed whole."""
        for _ in range(days):
            yield from merge(*(hotel.live(self.today) for hotel in self.hotels.values()), key=attrgetter("at"))
            self.today += _DAY

    def hotel(self, property_id: str) -> Hotel:
        """Raises KeyError for a property that is not in this world."""
        return self.hotels[property_id]

    def credentials(self, property_id: str) -> Credentials:
        """OAuth client of the property's account. Raises KeyError for an unknown property."""
        digest = sha256(f"{self.seed}/{self.hotels[property_id].property.id}".encode()).hexdigest()
        return Credentials(client_id=f"client-{digest[:12]}", client_secret=f"simulated-{digest[12:44]}")

    def _hotel(self, property_id: str, properties: Sequence[str], rooms: int) -> Hotel:
        other = next((name for name in properties if name != property_id), _NOBODYS_PROPERTY)
        return Hotel(
            Premises(
                property=property_named(property_id, rooms),
                rng=Random(f"{self.seed}/{property_id}"),  # nosec B311 # an invented world
                faults=lambda: self.faults,
                other_property_id=other,
            )
        )


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
