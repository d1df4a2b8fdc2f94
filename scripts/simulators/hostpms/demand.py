"""Who asks for a room, when, for when and for how long: the draws behind a hotel's figures.

Shares and medians are those of an ordinary city hotel: some 55 % by online travel agencies, booked two
to three weeks ahead; companies' agencies a month ahead; one in twenty guests walks in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import TypeVar

from scripts.simulators.hostpms.properties import BEDS, Property
from scripts.simulators.hostpms.words import OTAS

BOOKINGS_PER_ROOM_AND_DAY = 0.27
"""Asked for on an ordinary day; some ask in vain."""

T = TypeVar("T")
_CHANNELS: Mapping[str, float] = {
    "booking_com": 0.33,
    "expedia": 0.13,
    "airbnb": 0.07,
    "hotelbeds": 0.06,
    "site": 0.16,
    "direct": 0.10,
    "agent": 0.11,
    "walk_in": 0.04,
}
_LEAD_MEDIAN = {"site": 13.0, "direct": 9.0, "agent": 30.0, "hotelbeds": 34.0, "airbnb": 24.0}
_LEAD_MEDIAN_ELSE = 17.0
_LONGEST_LEAD = 210
_NIGHTS = {1: 16, 2: 27, 3: 24, 4: 14, 5: 8, 6: 4, 7: 5, 10: 1, 14: 1}
_PARTIES = {(1, 0): 30, (2, 0): 48, (2, 1): 8, (2, 2): 6, (3, 0): 6, (4, 0): 2}
_WISHES: Mapping[int, Mapping[str, int]] = {
    1: {"single": 55, "double": 40, "suite": 5},
    2: {"double": 50, "twin": 27, "suite": 15, "apartment": 4, "triple": 4},
    3: {"triple": 45, "family": 30, "suite": 15, "apartment": 10},
    4: {"family": 60, "apartment": 40},
}
_METHODS: Mapping[str, Mapping[str, int]] = {
    "PT": {"card": 52, "mobile": 18, "debit": 10, "transfer": 10, "cash": 8, "points": 2},
    "ES": {"card": 70, "transfer": 14, "cash": 14, "points": 2},
}
_OTA_METHODS = {"card": 90, "transfer": 4, "cash": 6}
_PLANS = {"flexible": 55, "prepaid": 27, "breakfast": 18}
_FACTORS = {"hotelbeds": Decimal("0.82"), "agent": Decimal("0.90"), "site": Decimal("0.97")}
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for: ``kinds`` in the order of liking."""

    check_in: date
    check_out: date
    kinds: tuple[str, ...]
    adults: int
    children: int
    channel: str
    rate_plan: str
    method: str
    factor: Decimal


def askers(hotel: Property, day: date, rng: Random) -> int:
    """How many ask on ``day``: Poisson, by the season the askers see coming."""
    ahead = day + timedelta(days=21)
    mean = hotel.rooms * BOOKINGS_PER_ROOM_AND_DAY * (1 + hotel.city.season[ahead.month - 1]) / 2
    return _poisson(mean * 1.35, rng)


def wish(hotel: Property, today: date, rng: Random) -> Wish | None:
    """None where the dates that came to mind are ones few people travel on."""
    channel = _pick(_CHANNELS, rng)
    check_in = today + timedelta(days=_lead(channel, rng))
    check_out = check_in + timedelta(days=1 if channel == "walk_in" else _pick(_NIGHTS, rng))
    adults, children = _pick(_PARTIES, rng)
    method = _method(hotel, channel, rng)
    plan = "flexible" if channel in ("walk_in", "agent") else _pick(_PLANS, rng)
    factor = _FACTORS.get(channel, Decimal(1)) * Decimal(str(round(rng.uniform(0.92, 1.10), 3)))
    kinds = _kinds(adults + children, rng)
    if channel != "walk_in" and rng.random() > _appeal(hotel, check_in):
        return None
    return Wish(check_in, check_out, kinds, adults, children, channel, plan, method, factor)


def is_ota(channel: str) -> bool:
    return channel in OTAS


def _method(hotel: Property, channel: str, rng: Random) -> str:
    if channel in ("agent", "hotelbeds"):
        return "invoice"
    return _pick(_OTA_METHODS if is_ota(channel) else _METHODS[hotel.country.code], rng)


def _lead(channel: str, rng: Random) -> int:
    """Days ahead: log-normal about the channel's median, and some on the day itself."""
    days = rng.lognormvariate(math.log(_LEAD_MEDIAN.get(channel, _LEAD_MEDIAN_ELSE)), 1.05)
    return 0 if channel == "walk_in" else min(int(days), _LONGEST_LEAD)


def _appeal(hotel: Property, arrival: date) -> float:
    """In [0, 1]: against the best day of the year."""
    weekday = {_FRIDAY: hotel.city.weekend, _SATURDAY: 1.0, _SUNDAY: 0.82}.get(arrival.weekday(), 0.93)
    best = max(hotel.city.season) * max(hotel.city.weekend, 1.0)
    return hotel.city.season[arrival.month - 1] * weekday / best


def _kinds(people: int, rng: Random) -> tuple[str, ...]:
    """The kinds that would do, liked ones first: each comes first as often as its weight says."""
    weights = _WISHES[min(people, 4)]
    order = sorted(weights, key=lambda kind: rng.random() ** (1 / weights[kind]), reverse=True)
    return tuple(kind for kind in order if BEDS[kind] >= people)


def _pick(weights: Mapping[T, float], rng: Random) -> T:
    return rng.choices(list(weights), list(weights.values()))[0]


def _poisson(mean: float, rng: Random) -> int:
    """Knuth's; means here are far below the few hundreds where it would underflow."""
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
