"""An hour's polls: the dispatcher orders them, the workers take them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import simpy

from scripts.cost import figures as f
from scripts.simulation.demands import dispatching
from scripts.simulation.settings import SIGMA, Settings, poll_seconds
from scripts.simulation.stations import Process, Station, lognormal


@dataclass(frozen=True, slots=True)
class Polled:
    """Seconds from the full hour."""

    dispatched: float
    """When the last order is in the queue."""
    ended: float
    """When the last list has been polled."""
    longest_wait: float


def poll(hotels: int, settings: Settings, seed: int, dispatched: float) -> Polled:
    """``dispatched``: in so many seconds the dispatcher orders them all, at an even pace."""
    env, random = simpy.Environment(), np.random.default_rng(seed)
    workers = Station(env, settings.polling_concurrency, lognormal(random, poll_seconds(), SIGMA))
    orders = int(hotels * f.ENTITIES_POLLED.value)

    def order() -> Process:
        for _ in range(orders):
            yield env.timeout(dispatched / orders)
            env.process(workers.serve())

    env.process(order())
    env.run()
    return Polled(dispatched, env.now, max(workers.waits))


def an_hour(hotels: int, settings: Settings, seed: int, part: int) -> Polled:
    """``part``: one in so many hotels is simulated, with the limits divided alike."""
    return poll(hotels // part, settings.part(part), seed, dispatching(hotels))
