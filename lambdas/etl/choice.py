"""Who does the batches that are pending: this process, or the Glue job on Spark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from glue_jobs.etl import Job, take_all

SECONDS_FOR_A_BATCH = 300.0
"""With less than this left no batch is begun here."""


class JobRuns(Protocol):
    """The Glue job's runs (``lambdas.etl.job_runs``)."""

    def at_work(self) -> str | None: ...
    def start(self) -> str | None: ...


class Taken(msgspec.Struct, frozen=True):
    """What became of the pending batches."""

    stored: int = 0
    """Batches that were done here."""
    records: int = 0
    """Raw records in them."""
    started: str | None = None
    """The Glue run that was started, for all of them or for those that there was no time for."""
    at_work: str | None = None
    """The Glue run that was found at work: all was left as it is."""


def take_pending(job: Job, runs: JobRuns, small: int, seconds_left: Callable[[], float]) -> Taken:
    """Does what is pending, if it is ``small`` bytes of raw objects at most; otherwise the Glue job does.

    Beside a Glue run nothing is done. Both would store the same rows under the same guard; but each merges what it
    finds pending, so that one raw object could come to lie in two batches, and in the Parquet files of both. What
    that run does not take is pending the next time.

    Raises the first failure of a batch, after trying them all.
    """
    if at_work := runs.at_work():
        return Taken(at_work=at_work)
    gathered = job.manifests.gather()
    if sum(batch.size for batch in gathered.batches) > small:
        return Taken(started=runs.start())
    outcomes = take_all(job, gathered, lambda: seconds_left() >= SECONDS_FOR_A_BATCH)
    left = len(gathered.batches) - len(outcomes)
    return Taken(len(outcomes), sum(outcome.records for outcome in outcomes), runs.start() if left else None)
