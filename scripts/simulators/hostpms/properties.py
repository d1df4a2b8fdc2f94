"""The hotels there can be: where they lie, what they charge, how their year runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from scripts.simulators.hostpms.words import Language

KINDS = ("single", "double", "twin", "triple", "family", "suite", "apartment")
_MIX = {"double": 0.36, "twin": 0.22, "single": 0.12, "suite": 0.10, "triple": 0.08, "family": 0.08, "apartment": 0.04}
BEDS = {"single": 1, "double": 3, "twin": 2, "triple": 3, "family": 4, "suite": 3, "apartment": 5}
"""How many people a room takes at most, extra bed included."""

ROOMS_PER_FLOOR = 8


@dataclass(frozen=True, slots=True)
class City:
    name: str
    price_level: Decimal
    """Against Lisbon's."""
    city_tax: Decimal
    """Euro per adult and night, for at most seven nights."""
    season: tuple[float, ...]
    """Demand by month, January first; 1.0 is an ordinary month."""
    weekend: float
    """How much more is asked for on Friday and Saturday nights."""


_COAST = (0.55, 0.65, 0.80, 0.95, 1.05, 1.20, 1.35, 1.40, 1.20, 0.95, 0.60, 0.60)
_CAPITAL = (0.72, 0.76, 0.88, 1.00, 1.10, 1.14, 1.14, 1.16, 1.15, 1.06, 0.84, 0.88)
_INLAND = (0.86, 0.92, 1.00, 1.06, 1.14, 1.10, 0.88, 0.78, 1.10, 1.12, 1.02, 0.98)

CITIES: Mapping[str, City] = {
    "LIS": City("Lisboa", Decimal("1.00"), Decimal("4.00"), _CAPITAL, 1.14),
    "OPO": City("Porto", Decimal("0.85"), Decimal("3.00"), _CAPITAL, 1.18),
    "FAO": City("Faro", Decimal("0.90"), Decimal("2.00"), _COAST, 1.10),
    "MAD": City("Madrid", Decimal("1.12"), Decimal("0.00"), _INLAND, 1.08),
    "BCN": City("Barcelona", Decimal("1.20"), Decimal("4.00"), _CAPITAL, 1.12),
    "SVQ": City("Sevilla", Decimal("0.88"), Decimal("0.00"), _INLAND, 1.20),
}


@dataclass(frozen=True, slots=True)
class Country:
    code: str
    language: Language
    zone: ZoneInfo
    vat_percent: Decimal
    """Reduced rate on accommodation, contained in the price."""
    capital: str


COUNTRIES: Mapping[str, Country] = {
    "PT": Country("PT", "pt", ZoneInfo("Europe/Lisbon"), Decimal(6), "LIS"),
    "ES": Country("ES", "es", ZoneInfo("Europe/Madrid"), Decimal(10), "MAD"),
}


@dataclass(frozen=True, slots=True)
class Property:
    """One hotel as the PMS knows it."""

    id: str
    country: Country
    city: City
    rooms: int
    currency: str = "EUR"

    @property
    def language(self) -> Language:
        return self.country.language

    @property
    def zone(self) -> ZoneInfo:
        return self.country.zone


def property_named(property_id: str, rooms: int = 25) -> Property:
    """``PT-LIS-001``: a hotel of that country and city; an unknown city is taken for the capital.

    Raises ValueError where the country is none of those the PMS serves.
    """
    code, _, rest = property_id.partition("-")
    if code not in COUNTRIES:
        raise ValueError(f"{property_id}: a property's id begins with its country, one of {', '.join(COUNTRIES)}")
    if rooms < 1:
        raise ValueError(f"{property_id}: a hotel has at least one room")
    country = COUNTRIES[code]
    city = CITIES.get(rest.partition("-")[0]) or CITIES[country.capital]
    return Property(property_id, country, city, rooms)


def kinds_of(rooms: int) -> list[str]:
    """What each of a hotel's rooms is: the usual mix, spread over the floors."""
    kinds = list(_MIX)
    owed = dict.fromkeys(kinds, 0.0)
    chosen = []
    for _ in range(rooms):
        for kind in kinds:
            owed[kind] += _MIX[kind]
        kind = max(kinds, key=owed.__getitem__)
        owed[kind] -= 1
        chosen.append(kind)
    return chosen
