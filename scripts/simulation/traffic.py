"""When deliveries come: an ordinary morning, the night audit, and what has waited when a vendor is back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scripts.cost import figures as f
from scripts.simulation.settings import BOOKINGS_PER_DAY

PEAK = 2.53
"""The busiest hour beside the mean one, of the simulated hotel of 40 rooms over 60 days: ten in the morning."""
ROOMS_STAYED = 28
"""Deliveries of a hotel's night audit: each of 40 rooms that is slept in, seven of ten, changes."""
NIGHT_AUDIT_SECONDS = 300.0
SAME_TIME = 0.5
"""Of the hotels, those whose night audit falls into the same minutes: Lisbon and Madrid are an hour apart."""
OUTAGE_HOURS = 1.0
CATCH_UP_SECONDS = 300.0
"""In which a vendor sends what has waited. Assumed."""
MORNING_SECONDS = 600.0

Arrivals = Callable[[np.random.Generator, int], np.ndarray]
"""Of so many hotels; seconds, ascending."""


def deliveries_a_second(hotels: int) -> float:
    """The day's mean."""
    return hotels * BOOKINGS_PER_DAY * f.DELIVERIES_PER_BOOKING.value / 86_400


def morning(random: np.random.Generator, hotels: int) -> np.ndarray:
    """Ten minutes of the busiest hour."""
    return _within(random, PEAK * deliveries_a_second(hotels) * MORNING_SECONDS, MORNING_SECONDS)


def night_audit(random: np.random.Generator, hotels: int) -> np.ndarray:
    return _within(random, hotels * SAME_TIME * ROOMS_STAYED, NIGHT_AUDIT_SECONDS)


def after_an_outage(random: np.random.Generator, hotels: int) -> np.ndarray:
    """What came in an hour of the morning, while the vendor could not send."""
    waiting = PEAK * deliveries_a_second(hotels) * OUTAGE_HOURS * 3600
    return _within(random, waiting, CATCH_UP_SECONDS)


def _within(random: np.random.Generator, expected: float, seconds: float) -> np.ndarray:
    # Independent of one another, as many hotels' are: their number is Poisson's, their times are uniform.
    times: np.ndarray = np.sort(random.uniform(0, seconds, random.poisson(expected)))  # nosec B311 # a simulation
    return times


BURSTS: dict[str, Arrivals] = {
    "the busiest hour": morning,
    "the night audit": night_audit,
    "an hour's outage is over": after_an_outage,
}
