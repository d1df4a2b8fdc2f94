"""The simulator's parts, wired: a world, the doors to it, and what is sent out of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from random import Random

import httpx

from scripts.simulators.hostpms.agenda import Event
from scripts.simulators.hostpms.deliveries import Courier, Deliveries
from scripts.simulators.hostpms.faults import Faults
from scripts.simulators.hostpms.limits import SlidingWindow
from scripts.simulators.hostpms.planner import Planner
from scripts.simulators.hostpms.subscriptions import Subscriptions
from scripts.simulators.hostpms.tokens import Tokens
from scripts.simulators.hostpms.world import World


class Simulator:
    def __init__(self, world: World, courier: Courier | None = None) -> None:
        self.world = world
        self.subscriptions = Subscriptions()
        self.planner = Planner(world.seed, lambda: world.faults)
        self.deliveries = Deliveries(self.subscriptions, courier or Courier(), time.time)
        credentials = {name: world.credentials(name) for name in world.hotels}
        self.tokens = Tokens(credentials, time.monotonic)
        self.window = SlidingWindow(time.monotonic)
        self.dice = Random(f"API of {world.seed}")  # nosec B311 # an invented world
        self.requests: Counter[tuple[str, int]] = Counter()
        """Requests to the vendor's API by (endpoint, status)."""
        self.loop: asyncio.AbstractEventLoop
        """Where it is served; set when the server starts."""
        self._living = asyncio.Lock()

    @property
    def faults(self) -> Faults:
        return self.world.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.world.faults = faults

    async def advance(self, days: int, *, flush: bool = True, announce: bool = True) -> int:
        """Lives ``days`` and delivers what they bring; returns how many deliveries were answered.

        ``flush``: also what is held back at the end, so that nothing is under way any more. ``announce``:
        False for days whose events nobody hears of.
        """
        before = len(self.deliveries.log)
        async with self._living, httpx.AsyncClient(limits=_UNLIMITED) as client:
            for _ in range(days):
                events = [event for event in self.world.live() if announce and self._is_wanted(event)]
                await self.deliveries.send(self.planner.plan(events, self.world.now), client)
            if flush:
                await self.deliveries.send(self.planner.flush(), client)
        return len(self.deliveries.log) - before

    def _is_wanted(self, event: Event) -> bool:
        return bool(self.subscriptions.wanting(event.property_id, event.name))


_UNLIMITED = httpx.Limits(max_connections=None, max_keepalive_connections=None)
