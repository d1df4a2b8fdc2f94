"""How polling stands, told from the records of its sync runs: what no single event can count.

A stream is as fresh as the start of its last run that succeeded: what had changed at the vendor before that has been
fetched. It lags by what its schedule does not explain: with a poll every hour, the hour after a run is no lag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from shared.pipeline.sync_runs import SyncRun

RUNS_LOOKED_AT = 100
"""Of one stream, the newest. One that failed as often in a row counts as having failed so often, and no oftener."""
DOWN_AFTER = timedelta(minutes=5)

HeardSince = Callable[[datetime], bool]
"""Whether a delivery of the hotel has landed since an instant (UTC)."""


class StreamHealth(NamedTuple):
    """One entity of one hotel."""

    lag: timedelta
    """Zero while the stream is on its schedule, and while its first run is under way."""
    failing: int
    """Runs that failed since the last one that succeeded."""
    silent_since: datetime | None
    """UTC; since when nothing has come of polling it: the start of the first of those runs, or, where it was never
    polled, when it should have been. None where nothing is amiss."""


def stream_health(newest: Iterable[SyncRun], onboarded_at: datetime, now: datetime, every: timedelta) -> StreamHealth:
    """``newest``: the stream's runs, the newest first; read as far as the last that succeeded.

    ``every``: how far apart its polls are.
    """
    failed: list[SyncRun] = []
    seen: SyncRun | None = None
    for run in islice(newest, RUNS_LOOKED_AT):
        if run.status == "succeeded":
            return _health(run.started_at, failed, now, every)
        if run.status == "failed":
            failed.append(run)
        seen = run
    if seen is None:
        return StreamHealth(*_never_polled(onboarded_at, now, every))
    # It never succeeded, as far as is known. Without a failure it is its first run, and that may take hours.
    return _health(seen.started_at if failed else now, failed, now, every)


def _health(covered: datetime, failed: Sequence[SyncRun], now: datetime, every: timedelta) -> StreamHealth:
    lag = max(now - covered - every, timedelta())
    return StreamHealth(lag, len(failed), failed[-1].started_at if failed else None)


def _never_polled(onboarded_at: datetime, now: datetime, every: timedelta) -> tuple[timedelta, int, datetime | None]:
    due = onboarded_at + every
    return max(now - due, timedelta()), 0, due if due < now else None


def is_down(streams: Sequence[StreamHealth], heard_since: HeardSince, now: datetime) -> bool:
    """Whether nothing at all has come of a hotel for ``DOWN_AFTER``: of none of its lists, and no delivery.

    A list that fails beside others that do not, ``failing`` tells. A hotel of which no list is polled is never down.
    """
    silences = [stream.silent_since for stream in streams]
    since = max((one for one in silences if one is not None), default=None)
    if since is None or None in silences or now - since <= DOWN_AFTER:
        return False
    return not heard_since(since)


@dataclass
class SyncGauges:
    """Of all hotels of a vendor, or of all vendors."""

    hotels: int = 0
    down: int = 0
    streams: int = 0
    failed: int = 0
    """Streams whose last run that came to an end has failed."""
    failing_in_a_row: int = 0
    """The most of any stream whose hotel is not down: one that is counts there, once, and hides no other."""
    lag: timedelta = timedelta()
    """The longest of any stream."""

    def add(self, streams: Sequence[StreamHealth], *, down: bool) -> None:
        self.hotels += 1
        self.down += down
        self.streams += len(streams)
        for stream in streams:
            self.failed += stream.failing > 0
            self.failing_in_a_row = max(self.failing_in_a_row, 0 if down else stream.failing)
            self.lag = max(self.lag, stream.lag)

    @property
    def failure_percent(self) -> float:
        return 100 * self.failed / self.streams if self.streams else 0.0

    @property
    def lag_minutes(self) -> float:
        return self.lag / timedelta(minutes=1)
