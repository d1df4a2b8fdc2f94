"""What a stay costs: by kind of room, season, day of the week, plan and channel; exact to the cent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from scripts.simulators.hostpms.properties import Property

CENT = Decimal("0.01")
_BASE = {
    "single": Decimal(74),
    "double": Decimal(102),
    "twin": Decimal(100),
    "triple": Decimal(131),
    "family": Decimal(156),
    "suite": Decimal(208),
    "apartment": Decimal(182),
}
_PLAN = {"flexible": Decimal("1.00"), "prepaid": Decimal("0.88"), "breakfast": Decimal("1.12")}
_CITY_TAX_NIGHTS = 7
_FRIDAY, _SATURDAY = 4, 5


@dataclass(frozen=True, slots=True)
class Price:
    """``vat`` is part of ``total``; ``city_tax`` is not."""

    total: Decimal
    vat: Decimal
    city_tax: Decimal


def base_rate(hotel: Property, kind: str) -> Decimal:
    """Per night, before season and plan."""
    return (_BASE[kind] * hotel.city.price_level).quantize(CENT, ROUND_HALF_UP)


def nightly(hotel: Property, kind: str, night: date) -> Decimal:
    """Half of the season's swing in demand goes into the price."""
    season = 1 + (hotel.city.season[night.month - 1] - 1) / 2
    weekend = hotel.city.weekend if night.weekday() in (_FRIDAY, _SATURDAY) else 1.0
    factor = Decimal(str(round(season * weekend, 4)))
    return (base_rate(hotel, kind) * factor).quantize(CENT, ROUND_HALF_UP)


def price(
    hotel: Property, kind: str, check_in: date, check_out: date, plan: str, adults: int, factor: Decimal = Decimal(1)
) -> Price:
    """``factor``: the channel's and the moment's own; 1 is the public rate."""
    nights = [check_in + timedelta(days=n) for n in range((check_out - check_in).days)]
    public = sum((nightly(hotel, kind, night) for night in nights), Decimal(0))
    return priced(hotel, public * _PLAN[plan] * factor, adults, len(nights))


def priced(hotel: Property, total: Decimal, adults: int, nights: int) -> Price:
    total = total.quantize(CENT, ROUND_HALF_UP)
    percent = hotel.country.vat_percent
    vat = (total * percent / (100 + percent)).quantize(CENT, ROUND_HALF_UP)
    city_tax = (hotel.city.city_tax * adults * min(nights, _CITY_TAX_NIGHTS)).quantize(CENT)
    return Price(total, vat, city_tax)
