"""A stage's month in USD."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scripts.cost.charges import Charge
from scripts.cost.schedules import (
    audited_days,
    batches_an_hour,
    polls_an_hour,
    vendors,
    watch_cycle_hours,
    watch_passes_an_hour,
)
from scripts.cost.standing import standing
from scripts.cost.templates import Resources
from scripts.cost.traffic import Traffic
from scripts.cost.usage import usage


@dataclass(frozen=True, slots=True)
class Estimate:
    traffic: Traffic
    charges: tuple[Charge, ...]

    @property
    def usd(self) -> float:
        return sum(charge.usd for charge in self.charges)

    @property
    def standing_usd(self) -> float:
        """Of that, what is owed however little there is to do."""
        return sum(charge.usd for charge in self.charges if charge.standing)

    @property
    def per_hotel(self) -> float:
        return self.usd / self.traffic.hotels

    @property
    def per_thousand_events(self) -> float:
        """An event is a raw object: a delivery, or a page polled."""
        return self.usd / self.traffic.objects * 1000

    def by_service(self) -> dict[str, float]:
        """The dearest first."""
        totals: dict[str, float] = {}
        for charge in self.charges:
            totals[charge.service] = totals.get(charge.service, 0.0) + charge.usd
        return dict(sorted(totals.items(), key=lambda item: -item[1]))


def traffic_of(resources: Resources, hotels: int, bookings_per_day: float, months: int = 12) -> Traffic:
    """With the schedules and vendors that the templates have."""
    return Traffic(
        hotels,
        bookings_per_day,
        months,
        vendors(resources),
        polls_an_hour=polls_an_hour(resources),
        audited_days=audited_days(resources),
        watch_passes_an_hour=watch_passes_an_hour(resources),
        watch_cycle_hours=watch_cycle_hours(resources),
        batches_an_hour=batches_an_hour(resources),
    )


def estimate(resources: Resources, traffic: Traffic) -> Estimate:
    """Raises Unpriced for what has no price."""
    return Estimate(traffic, tuple(_merged([*standing(resources, traffic.months), *usage(resources, traffic)])))


def _merged(charges: Iterable[Charge]) -> Iterable[Charge]:
    """Ten queues, one line."""
    together: dict[tuple[object, ...], Charge] = {}
    for charge in charges:
        key = (charge.service, charge.what, charge.price)
        had = together.get(key)
        together[key] = charge if had is None else charge._replace(quantity=had.quantity + charge.quantity)
    return (charge for charge in together.values() if charge.quantity)
