"""Threads in a time of their own: one runs at a time, and the clock jumps to whoever wakes next.

What they do interleaves at every sleep, the same way each time for the same sleeps.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class VirtualTime:
    def __init__(self) -> None:
        self.seconds = 0.0
        self._order = itertools.count()
        self._asleep: list[tuple[float, int, threading.Event]] = []
        self._all_done = threading.Event()
        self._errors: list[BaseException] = []
        self._wakes = threading.local()

    def clock(self, skew: float = 0.0) -> Callable[[], datetime]:
        """A clock that is ``skew`` seconds ahead."""
        epoch = datetime(2024, 3, 1, tzinfo=UTC)
        return lambda: epoch + timedelta(seconds=self.seconds + skew)

    def sleep(self, seconds: float) -> None:
        wake = self._wakes.event
        heapq.heappush(self._asleep, (self.seconds + seconds, next(self._order), wake))
        self._hand_over()
        wake.wait()
        wake.clear()

    def run(self, *workers: Callable[[], None]) -> None:
        """Returns when all have ended; raises what the first of them raised."""
        threads = [self._begin(worker) for worker in workers]
        self._hand_over()
        self._all_done.wait(timeout=60)
        for thread in threads:
            thread.join(timeout=60)
        if self._errors:
            raise self._errors[0]

    def _begin(self, worker: Callable[[], None]) -> threading.Thread:
        wake = threading.Event()
        heapq.heappush(self._asleep, (0.0, next(self._order), wake))
        thread = threading.Thread(target=self._work, args=(worker, wake), daemon=True)
        thread.start()
        return thread

    def _work(self, worker: Callable[[], None], wake: threading.Event) -> None:
        self._wakes.event = wake
        wake.wait()
        wake.clear()
        try:
            worker()
        except BaseException as error:
            self._errors.append(error)
        self._hand_over()

    def _hand_over(self) -> None:
        if not self._asleep:
            self._all_done.set()
            return
        self.seconds, _, wake = heapq.heappop(self._asleep)
        wake.set()
