"""The Glue job: every pending manifest into Parquet and PostgreSQL, by Spark.

Spark's part is distribution. A task fetches and maps a group of raw objects and writes their Parquet files; a
shuffle brings the rows of one range of ids together, as Arrow streams in opaque cells; a task upserts each range.
A manifest is moved to done only when all of this is done: a run that fails leaves it pending, and the next does it
again, onto the same rows and the same file names.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from time import perf_counter
from typing import Any
from zipimport import zipimporter

import boto3
from pyspark import SparkContext
from pyspark.accumulators import Accumulator, AccumulatorParam
from pyspark.sql import SparkSession

from glue_jobs.batch import Batch, Outcome, Piece, Plan, map_group, upsert_bucket
from shared.errors import Misconfigured, PousadaError
from shared.pipeline.manifest import Manifest
from shared.settings import EnvironmentModel, read
from shared.storage.integrations import Integrations
from shared.storage.manifests import Manifests
from shared.storage.postgres import Database, conninfo_from_secret
from shared.storage.unified_store import UnifiedStore

logger = logging.getLogger("pousada.etl")

TASKS_PER_CORE = 16
"""Enough that no core waits long for the last one."""


class Settings(EnvironmentModel, frozen=True):
    """Glue gives these as arguments (``--RAW_BUCKET …``), the embedded AWS as environment variables."""

    raw_bucket: str
    processed_bucket: str
    work_bucket: str
    integrations_table: str
    database_secret: str


class _Adding(AccumulatorParam[Outcome]):
    def zero(self, value: Outcome) -> Outcome:
        return Outcome()

    def addInPlace(self, value1: Outcome, value2: Outcome) -> Outcome:  # noqa: N802 - pyspark's name
        return value1.add(value2)


def run(spark: SparkSession, settings: Settings, upsert: bool = True) -> list[Outcome]:
    """Takes every manifest that is pending. Raises the first failure, after trying them all."""
    job = _Job(spark, settings, upsert)
    outcomes: list[Outcome] = []
    gathered = job.manifests.gather()
    failures: list[Exception] = [*gathered.unreadable]
    for manifest in gathered.batches:
        try:
            outcomes.append(job.take(manifest))
        except Exception as error:
            logger.error(json.dumps({"message": "failed", "batch": manifest.batch_id, "error": type(error).__name__}))
            failures.append(error)
    if failures:
        raise failures[0]
    return outcomes


class _Job:
    def __init__(self, spark: SparkSession, settings: Settings, upsert: bool) -> None:
        secrets = boto3.client("secretsmanager")
        self._spark = spark
        self.manifests = Manifests(settings.work_bucket, boto3.client("s3"))
        self._store = UnifiedStore(
            Database(lambda: conninfo_from_secret(secrets, settings.database_secret, "pousada-etl-driver"))
        )
        self._plan = plan_of(settings, upsert)

    def take(self, manifest: Manifest) -> Outcome:
        """Stores the whole of ``manifest``, and only then moves it to done."""
        began = perf_counter()
        refused_since = self._store.clock() if self._plan.upsert else None
        outcome = distribute(self._spark.sparkContext, manifest, self._plan)
        if refused_since is not None:
            self._store.resolve([address.key for address in manifest.objects], refused_since)
        self.manifests.finish(manifest)
        outcome.seconds["total"] = perf_counter() - began
        logger.info(json.dumps({"message": "stored", "batch": manifest.batch_id, **vars(outcome)}))
        return outcome


def distribute(context: SparkContext, manifest: Manifest, plan: Plan) -> Outcome:
    """Maps and stores the manifest's objects on the cluster; returns what all tasks did."""
    mapping: Accumulator[Outcome] = context.accumulator(Outcome(), _Adding())
    batch = Batch(manifest.batch_id, manifest.created_at, manifest.buckets)
    groups = list(enumerate(manifest.groups()))

    def map_groups(some: Iterable[Any]) -> Iterator[tuple[int, Piece]]:
        _settle()
        for number, group in some:
            yield from map_group(number, group, batch, plan, mapping.add)

    def upsert_buckets(pieces: Iterable[tuple[int, Piece]]) -> Iterator[Outcome]:
        _settle()
        # A bucket is one partition, and so one task.
        yield upsert_bucket((piece for _, piece in pieces), plan)

    tasks = max(1, min(len(groups), TASKS_PER_CORE * context.defaultParallelism))
    mapped = context.parallelize(groups, tasks).mapPartitions(map_groups)
    total = Outcome()
    if plan.upsert:
        for outcome in mapped.partitionBy(batch.buckets, _itself).mapPartitions(upsert_buckets).collect():
            total.add(outcome)
    else:
        mapped.count()  # there are no pieces: the files are all there is
    return total.add(mapping.value)


def plan_of(settings: Settings, upsert: bool = True) -> Plan:
    """Reads the integrations: every property's time zone goes with the plan."""
    return Plan(
        raw_bucket=settings.raw_bucket,
        processed_bucket=settings.processed_bucket,
        database_secret=settings.database_secret,
        time_zones=_time_zones(settings.integrations_table),
        upsert=upsert,
    )


def _settle() -> None:
    """Spares a worker what PySpark has it do anew for each task, 50 to 150 ms.

    It forgets what it knows of the module path, and a zip file on it, as PySpark's own is, is read again; after
    the task it looks for garbage among all that was ever imported.
    """
    for finder in sys.path_importer_cache.values():
        if isinstance(finder, zipimporter):
            finder.invalidate_caches = _nothing  # type: ignore[method-assign]
    gc.freeze()


def _nothing() -> None:
    pass


def _itself(bucket: int) -> int:
    return bucket


def _time_zones(integrations_table: str) -> dict[tuple[str, str], str]:
    zones: dict[tuple[str, str], str] = {}
    try:
        for item in Integrations(boto3.resource("dynamodb").Table(integrations_table)).all():
            zones[item.vendor, item.property_id] = item.time_zone
    except Misconfigured as error:
        # Raised after the last item: one hotel's records wait in the quarantine, the others' go on.
        logger.error(json.dumps({"message": "integration unreadable", "error": error.message}))
    return zones


def session() -> SparkSession:
    """Glue's session; where there is none, Spark on this machine's cores, with a task's failure tried again."""
    builder = (
        SparkSession.builder.appName("pousada-etl")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        # Pieces are compressed already.
        .config("spark.shuffle.compress", "false")
    )
    if "GLUE_PYTHON_VERSION" not in os.environ and "SPARK_MASTER" not in os.environ:
        cores = os.environ.get("POUSADA_SPARK_CORES", "*")
        builder = builder.master(f"local[{cores},4]").config("spark.driver.bindAddress", "127.0.0.1")
        builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.memory", "1g")
        # The JVM only carries blobs: its optimising compiler and parallel collector would take the workers' cores.
        builder = builder.config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    return builder.getOrCreate()


def arguments(argv: list[str]) -> dict[str, str]:
    """``--NAME value`` pairs, as Glue passes them."""
    return {name[2:]: value for name, value in pairwise(argv) if name.startswith("--") and not value.startswith("--")}


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    settings = read(Settings, {**os.environ, **arguments(sys.argv[1:])})
    spark = session()
    try:
        run(spark, settings)
    except PousadaError as error:
        # One line, and not a traceback: it is what the job run's own error message shows.
        sys.exit(f"{type(error).__name__}: {error}")
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
