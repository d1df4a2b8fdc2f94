"""The road of a delivery: the door, the function webhook, the announcement, the live queue, the function apply."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import simpy

from scripts.cost import figures as f
from scripts.simulation.settings import SIGMA, Settings, apply_seconds, webhook_seconds
from scripts.simulation.stations import Door, Process, Workers, lognormal

FIRST_RETRY, LONGEST_RETRY = 5.0, 300.0
"""Seconds until a vendor delivers again what was turned away: our Retry-After, doubled each time. Assumed."""
TRIES = 4
"""After which the vendor gives up, as the simulated one does; the next poll fetches what has changed."""
ANNOUNCED = 0.5
"""Seconds from the put to the message in the queue, by way of EventBridge; assumed."""


@dataclass
class Seen:
    """What came of a run."""

    answers: list[float] = field(default_factory=list)
    """Seconds from the call that was taken to its answer."""
    lags: list[float] = field(default_factory=list)
    """Seconds from the first call for a delivery to its row."""
    turned_away: int = 0
    """Calls: one delivery may be turned away several times."""
    given_up: int = 0
    """Deliveries."""
    most_waiting: int = 0
    """Messages in the live queue."""
    ended: float = 0.0
    """When the last row was there, in seconds from the beginning."""


class Pipeline:
    """``env`` in seconds; ``settings`` of the hotels that are simulated."""

    def __init__(self, env: simpy.Environment, random: np.random.Generator, settings: Settings) -> None:
        self.env, self.seen = env, Seen()
        self._settings, self._random = settings, random
        self._door = Door(env, settings.requests_per_second, settings.burst)
        service = lognormal(random, webhook_seconds(), SIGMA)
        init = f.COLD_START_MS.value / 1000
        # What the last minutes' calls left warm.
        self.webhook = Workers(env, settings.functions, service, init, warm=min(2, settings.functions))
        self._spread = lognormal(random, 1.0, SIGMA)
        self._queue: deque[float] = deque()
        self._idle: deque[simpy.Event] = deque()
        for _ in range(settings.live_concurrency):
            env.process(self._apply())

    def deliver(self) -> Process:
        """One delivery, called for again until it is taken, or has been turned away as often as the vendor tries."""
        came, wait, tries = self.env.now, FIRST_RETRY, 1
        while not (self._door.lets_in() and self.webhook.has_room):
            self.seen.turned_away += 1
            if tries == TRIES:
                self.seen.given_up += 1
                return
            yield self.env.timeout(wait * self._spread())
            wait, tries = min(2 * wait, LONGEST_RETRY), tries + 1
        called = self.env.now
        yield from self.webhook.call()
        self.seen.answers.append(self.env.now - called)
        yield self.env.timeout(ANNOUNCED * self._spread())
        self._announce(came)

    def _announce(self, came: float) -> None:
        self._queue.append(came)
        self.seen.most_waiting = max(self.seen.most_waiting, len(self._queue))
        if self._idle:
            self._idle.popleft().succeed()

    def _apply(self) -> Process:
        """One of the concurrent workers: takes what is there, up to a batch."""
        while True:
            if not self._queue:
                called = self.env.event()
                self._idle.append(called)
                yield called
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._settings.live_batch))]
            if batch:
                yield self.env.timeout(apply_seconds(len(batch)) * self._spread())
                self.seen.lags.extend(self.env.now - came for came in batch)
                self.seen.ended = self.env.now


def run(arrivals: np.ndarray, settings: Settings, seed: int) -> Seen:
    """``arrivals``: when each delivery is first called for, in seconds, ascending."""
    env = simpy.Environment()
    pipeline = Pipeline(env, np.random.default_rng(seed), settings)

    def arrive() -> Process:
        for at in arrivals.tolist():
            yield env.timeout(at - env.now)
            env.process(pipeline.deliver())

    env.process(arrive())
    env.run()
    return pipeline.seen
