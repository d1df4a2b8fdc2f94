"""The Glue job: every pending manifest into Parquet and PostgreSQL.

A small batch is done in this process: before Spark has started, it is stored. A larger one is distributed by Spark
(``glue_jobs.cluster``). Both do the same by the same code (``batch``, then ``upsert``). A manifest is moved to done
only when all of it is stored: a run that fails leaves it pending, and the next does it again, onto the same rows and
the same file names.

The function ``lambdas/etl`` takes a quiet hour's batches by the same ``take_all``, and starts this job for the others.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache, cached_property
from itertools import pairwise
from time import perf_counter

import boto3

from glue_jobs.batch import Batch, Piece, Plan, map_group
from glue_jobs.outcome import Outcome
from glue_jobs.telemetry import Telemetry
from glue_jobs.upsert import upsert_bucket
from shared.errors import Misconfigured, PousadaError
from shared.pipeline.manifest import Manifest
from shared.settings import EnvironmentModel, read
from shared.storage.database_address import open_database
from shared.storage.integrations import Integrations
from shared.storage.manifests import Gathered, Manifests
from shared.storage.unified_store import UnifiedStore

logger = logging.getLogger("pousada.etl")

Distribute = Callable[[Manifest, Plan], Outcome]
"""Stores the whole of a manifest's objects; returns what was done."""


class Settings(EnvironmentModel, frozen=True):
    """Glue gives these as arguments (``--RAW_BUCKET …``), the embedded AWS as environment variables."""

    raw_bucket: str
    processed_bucket: str
    work_bucket: str
    integrations_table: str
    database: str
    small_batch_bytes: int = 8 * 1024 * 1024
    """Raw bytes, as stored, up to which a batch is done without Spark: 100,000 polled records, or 6,000 webhooks."""


class JobSettings(Settings, frozen=True, kw_only=True):
    """The job's own: to a function, Powertools tells it."""

    metrics_namespace: str


def run(
    settings: Settings,
    cluster: Callable[[], Distribute],
    upsert: bool = True,
    tell: Callable[[Sequence[Outcome]], None] = lambda stored: None,
) -> list[Outcome]:
    """Takes every manifest that is pending. Raises the first failure, after trying them all.

    ``cluster`` starts Spark, or gives the one that was started: it is asked for with the first large batch. ``tell`` is
    told what was stored, also where something failed.
    """
    job = Job(settings, cluster, upsert)
    try:
        return take_all(job, job.manifests.gather())
    finally:
        tell(job.stored)


def take_all(job: Job, gathered: Gathered, in_time: Callable[[], bool] = lambda: True) -> list[Outcome]:
    """Stores one batch after the other, as long as there is time to begin one: what each came to.

    Raises the first failure, after trying them all; what was gathered and is no manifest is one.
    """
    outcomes: list[Outcome] = []
    failures: list[Exception] = [*gathered.unreadable]
    for manifest in gathered.batches:
        if not in_time():
            break
        try:
            outcomes.append(job.take(manifest))
        except Exception as error:
            logger.error(json.dumps({"message": "failed", "batch": manifest.batch_id, "error": type(error).__name__}))
            failures.append(error)
    if failures:
        raise failures[0]
    return outcomes


class Job:
    """What a run works with: the manifests, and who does a batch."""

    def __init__(self, settings: Settings, cluster: Callable[[], Distribute], upsert: bool = True) -> None:
        self.stored: list[Outcome] = []
        """What each batch came to, those before a failure as well."""
        self._cluster = cluster
        self._settings = settings
        self._upsert = upsert
        self.manifests = Manifests(settings.work_bucket, boto3.client("s3"))
        self._database = open_database(settings.database, "pousada-etl-driver", boto3.client)
        self._store = UnifiedStore(self._database)

    @cached_property
    def _plan(self) -> Plan:
        """Read with the first batch: without one there is nothing to ask for."""
        return plan_of(self._settings, self._upsert)

    def take(self, manifest: Manifest) -> Outcome:
        """Stores the whole of ``manifest``, and only then moves it to done."""
        began = perf_counter()
        refused_since = self._store.clock() if self._plan.upsert else None
        small = manifest.size <= self._settings.small_batch_bytes
        distribute = in_this_process if small else self._cluster()
        outcome = distribute(manifest, self._plan)
        if refused_since is not None:
            self._store.resolve([address.key for address in manifest.objects], refused_since)
        self.manifests.finish(manifest)
        outcome.seconds["total"] = perf_counter() - began
        self.stored.append(outcome)
        logger.info(json.dumps({"message": "stored", "batch": manifest.batch_id, **vars(outcome)}))
        return outcome

    def close(self) -> None:
        """Ends its connection to PostgreSQL."""
        self._database.close()


def in_this_process(manifest: Manifest, plan: Plan) -> Outcome:
    """Maps and stores the manifest's objects, one group and one bucket after the other."""
    batch, total = Batch.of(manifest), Outcome()
    buckets: dict[int, list[Piece]] = defaultdict(list)
    for number, group in enumerate(manifest.groups()):
        for bucket, piece in map_group(number, group, batch, plan, total.add):
            buckets[bucket].append(piece)
    for _, pieces in sorted(buckets.items()):
        total.add(upsert_bucket(pieces, plan))
    return total


def plan_of(settings: Settings, upsert: bool = True) -> Plan:
    """Reads the integrations: every property's time zone goes with the plan."""
    return Plan(
        raw_bucket=settings.raw_bucket,
        processed_bucket=settings.processed_bucket,
        database=settings.database,
        time_zones=_time_zones(settings.integrations_table),
        upsert=upsert,
    )


def _time_zones(integrations_table: str) -> dict[tuple[str, str], str]:
    zones: dict[tuple[str, str], str] = {}
    try:
        for item in Integrations(boto3.resource("dynamodb").Table(integrations_table)).all():
            zones[item.vendor, item.property_id] = item.time_zone
    except Misconfigured as error:
        # Raised after the last item: one hotel's records wait in the quarantine, the others' go on.
        logger.error(json.dumps({"message": "integration unreadable", "error": error.message}))
    return zones


def arguments(argv: list[str]) -> dict[str, str]:
    """``--NAME value`` pairs, as Glue passes them."""
    return {name[2:]: value for name, value in pairwise(argv) if name.startswith("--") and not value.startswith("--")}


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    settings = read(JobSettings, {**os.environ, **arguments(sys.argv[1:])})
    with ExitStack() as stack:

        @cache
        def cluster() -> Distribute:
            from glue_jobs.cluster import Cluster

            return stack.enter_context(Cluster()).distribute

        telemetry = Telemetry(lambda: boto3.client("cloudwatch"), settings.metrics_namespace)
        try:
            run(settings, cluster, tell=telemetry.ended)
        except PousadaError as error:
            # One line, and not a traceback: it is what the job run's own error message shows.
            sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
