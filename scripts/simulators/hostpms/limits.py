"""The request limit: so many a minute for each property and endpoint, over a sliding window."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable

_WINDOW = 60.0


class SlidingWindow:
    """Only admitted requests count: a client that hammers is not locked out for ever."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._admitted: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def wait(self, key: tuple[str, str], limit: int) -> float:
        """0.0 and the request counts; or the seconds until it would be admitted."""
        now, admitted = self._clock(), self._admitted[key]
        while admitted and admitted[0] <= now - _WINDOW:
            admitted.popleft()
        if len(admitted) >= limit:
            return admitted[-limit] + _WINDOW - now if limit else _WINDOW
        admitted.append(now)
        return 0.0
