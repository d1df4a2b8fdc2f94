"""Waiting until something comes true, with a deadline. Takes its clock and its sleep, so that tests do not wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class Patience:
    """``seconds`` at most, looking every ``interval``."""

    seconds: float
    interval: float = 1.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Raises StoreUnavailable when ``seconds`` have gone by."""
        deadline = self.clock() + self.seconds
        while not done():
            if self.clock() >= deadline:
                waited = f"still waiting for {what} after {self.seconds:.0f} s"
                raise StoreUnavailable(waited, fix="look at `pousada status`")
            self.sleep(self.interval)
