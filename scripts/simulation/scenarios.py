"""What is simulated at each number of hotels, with which settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.simulation.pipeline import run
from scripts.simulation.polls import an_hour
from scripts.simulation.settings import Settings
from scripts.simulation.traffic import BURSTS

SEED = 20251121
AS_IT_COMES = Settings()
TURNED = {
    1_000: AS_IT_COMES,
    10_000: Settings(requests_per_second=1_000, burst=2_000, live_concurrency=20, polling_concurrency=15),
    100_000: Settings(
        requests_per_second=8_000, burst=5_000, functions=5_000, live_concurrency=100, polling_concurrency=150
    ),
}
"""The settings that docs/scale.md advises."""
ADVISED: tuple[tuple[str, str, float], ...] = (
    ("`webhooks.requests_per_address`", "deliveries in five minutes from one address", 500_000),
    ("`webhooks.requests_per_second`", "deliveries let in", 1_000),
    ("`polling.concurrency`", "polls' workers", 15),
    ("`live.concurrency`", "the live path's workers", 20),
    ("`audit.concurrency`", "audits' workers", 6),
    ("`watch.every_minutes`: 10, here the seconds of a pass", "the watch's time", 540),
    ("`database.instance_class`: `db.t4g.small`, here its vCPU", "PostgreSQL's processors, sustained", 0.4),
    ("`database.storage_limit_gib`", "PostgreSQL's storage after a year", 500),
)
"""At 10,000 hotels: the switch, its limit, and what to turn it to."""
PARTS = {1_000: 1, 10_000: 5, 100_000: 50}
"""One hotel in so many is simulated, with the limits divided alike. Fewer servers share less, so that waits come out
too long rather than too short."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one burst. Times in seconds; counts of all hotels."""

    deliveries: int
    answer_median: float
    answer_p99: float
    lag_median: float
    lag_p99: float
    lag_most: float
    turned_away: int
    """Calls."""
    given_up: int
    """Deliveries that were turned away as often as the vendor tries: polls fetch what they told of."""
    most_waiting: int
    ended: float


def burst(name: str, hotels: int, settings: Settings, seed: int = SEED, part: int | None = None) -> Outcome:
    """``part``: see ``PARTS``; the largest number there that is not above ``hotels`` says it, if it is not given."""
    part = part or part_of(hotels)
    arrivals = BURSTS[name](np.random.default_rng(seed), hotels // part)
    seen = run(arrivals, settings.part(part), seed)
    answer_median, answer_p99 = np.percentile(seen.answers, [50, 99]).tolist()
    lag_median, lag_p99, lag_most = np.percentile(seen.lags, [50, 99, 100]).tolist()
    return Outcome(
        deliveries=len(arrivals) * part,
        answer_median=answer_median,
        answer_p99=answer_p99,
        lag_median=lag_median,
        lag_p99=lag_p99,
        lag_most=lag_most,
        turned_away=seen.turned_away * part,
        given_up=seen.given_up * part,
        most_waiting=seen.most_waiting * part,
        ended=seen.ended,
    )


def part_of(hotels: int) -> int:
    return max((part for least, part in PARTS.items() if least <= hotels), default=1)


def settings_of(hotels: int) -> Settings:
    """The advised ones, of the next number that is not below ``hotels``."""
    return next((settings for most, settings in TURNED.items() if hotels <= most), TURNED[100_000])


def polled(hotels: int, settings: Settings, seed: int = SEED, part: int | None = None) -> tuple[float, float]:
    """Seconds until an hour's polls are ordered, and until they are done."""
    found = an_hour(hotels, settings, seed, part or part_of(hotels))
    return found.dispatched, found.ended
