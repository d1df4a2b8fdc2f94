"""What queues are made of: a station with servers, and a door that lets so many in a second.

simpy's time is in seconds here. Chance comes from one generator, so that a seed repeats a run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

Process = Generator[simpy.Event, Any, None]
Draw = Callable[[], float]
"""A time in seconds."""


def lognormal(random: np.random.Generator, median: float, sigma: float) -> Draw:
    """Times of which half are below ``median``. Drawn in thousands: one at a time is what a run would wait for."""
    drawn: deque[float] = deque()

    def draw() -> float:
        if not drawn:
            drawn.extend(random.lognormal(np.log(median), sigma, 1024).tolist())
        return drawn.popleft()

    return draw


def exponential(random: np.random.Generator, mean: float) -> Draw:
    return lambda: float(random.exponential(mean))


@dataclass
class Station:
    """First come, first served by ``servers`` alike; ``waits`` has each customer's, in seconds, as they are served."""

    env: simpy.Environment
    servers: int
    service: Draw
    waits: list[float] = field(default_factory=list)
    present: float = 0.0
    """Customers at the station, waiting or served, times seconds."""

    def __post_init__(self) -> None:
        self._resource = simpy.Resource(self.env, self.servers)

    def serve(self) -> Process:
        came = self.env.now
        with self._resource.request() as turn:
            yield turn
            self.waits.append(self.env.now - came)
            yield self.env.timeout(self.service())
        self.present += self.env.now - came


@dataclass
class Door:
    """API Gateway's throttle: a bucket of ``burst`` that fills with ``rate`` a second."""

    env: simpy.Environment
    rate: float
    burst: float

    def __post_init__(self) -> None:
        self._tokens, self._at = self.burst, self.env.now

    def lets_in(self) -> bool:
        now = self.env.now
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass
class Workers:
    """A function that is called and answers: a worker that is idle takes the call, or a new one is started for it.

    ``limit``: how many there may be; the call above it is turned away. ``init``: seconds that a new one takes.
    """

    env: simpy.Environment
    limit: int
    service: Draw
    init: float
    warm: int = 0
    most: int = 0
    cold: int = 0

    def __post_init__(self) -> None:
        self._idle, self._there = self.warm, self.warm

    @property
    def has_room(self) -> bool:
        return self._idle > 0 or self._there < self.limit

    def call(self) -> Process:
        """Of a function that has room."""
        starting = 0.0
        if self._idle:
            self._idle -= 1
        else:
            self._there += 1
            self.cold += 1
            starting = self.init
        self.most = max(self.most, self._there - self._idle)
        yield self.env.timeout(starting + self.service())
        self._idle += 1
