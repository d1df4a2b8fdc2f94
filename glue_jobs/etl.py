"""The Glue job: every pending manifest into Parquet and PostgreSQL, by Spark.

Spark's part is distribution. A task fetches and maps a group of raw objects; a shuffle brings the rows of one
range of ids together, as Arrow streams in opaque cells; a task stores each range. A manifest is moved to done
only when all of its ranges are stored: a run that fails leaves it pending, and the next does it again, onto the
same rows and the same file names.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from time import perf_counter
from typing import Any

import boto3
from pyspark import SparkContext
from pyspark.accumulators import Accumulator, AccumulatorParam
from pyspark.sql import SparkSession

from glue_jobs.batch import Batch, Outcome, Piece, Plan, map_group, store_bucket
from shared.errors import Malformed, Misconfigured
from shared.pipeline.manifest import Manifest
from shared.settings import EnvironmentModel, read
from shared.storage.integrations import Integrations
from shared.storage.manifests import Manifests
from shared.storage.postgres import Database, conninfo_from_secret
from shared.storage.unified_store import UnifiedStore

logger = logging.getLogger("pousada.etl")

ROUND_MANIFESTS = 256
ROUND_BYTES = 2 * 1024**3
TASKS_PER_CORE = 32
"""Enough that no core waits long for the last one, few enough that starting tasks costs little."""


class Settings(EnvironmentModel):
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
    failures: list[Exception] = []
    for one_round in _rounds(_readable(job.manifests.pending(), failures)):
        try:
            outcomes.append(job.take(one_round))
        except Exception as error:
            logger.error(json.dumps({"message": "round failed", "manifests": len(one_round), "error": type(error).__name__}))
            failures += job.take_singly(one_round) if len(one_round) > 1 else [error]
    if failures:
        raise failures[0]
    return outcomes


def _readable(pending: Iterable[Manifest | Malformed], failures: list[Exception]) -> Iterator[Manifest]:
    """What is no manifest holds no batch back, and fails the run in the end, so that a person looks."""
    for found in pending:
        if isinstance(found, Malformed):
            logger.error(json.dumps({"message": "not a manifest", "error": found.message}))
            failures.append(found)
        else:
            yield found


def _rounds(manifests: Iterable[Manifest]) -> Iterator[list[Manifest]]:
    """Manifests that are taken together: a quiet hotel's are small, and each pass over the cluster has its price."""
    together: list[Manifest] = []
    for manifest in manifests:
        if together and (len(together) == ROUND_MANIFESTS or sum(m.size for m in together) + manifest.size > ROUND_BYTES):
            yield together
            together = []
        together.append(manifest)
    if together:
        yield together


class _Job:
    def __init__(self, spark: SparkSession, settings: Settings, upsert: bool) -> None:
        secrets = boto3.client("secretsmanager")
        self._spark = spark
        self.manifests = Manifests(settings.work_bucket, boto3.client("s3"))
        self._store = UnifiedStore(
            Database(lambda: conninfo_from_secret(secrets, settings.database_secret, "pousada-etl-driver"))
        )
        self._plan = Plan(
            raw_bucket=settings.raw_bucket,
            processed_bucket=settings.processed_bucket,
            database_secret=settings.database_secret,
            time_zones=_time_zones(settings.integrations_table),
            upsert=upsert,
        )

    def take(self, manifests: Sequence[Manifest]) -> Outcome:
        """Stores all of ``manifests``, and only then moves them to done."""
        began = perf_counter()
        refused_since = self._store.clock() if self._plan.upsert else None
        outcome = distribute(self._spark.sparkContext, manifests, self._plan)
        if refused_since is not None:
            self._store.resolve([a.key for manifest in manifests for a in manifest.objects], refused_since)
        for manifest in manifests:
            self.manifests.finish(manifest)
        outcome.seconds["total"] = perf_counter() - began
        facts = {"message": "stored", "manifests": [m.batch_id for m in manifests], **vars(outcome)}
        logger.info(json.dumps(facts))
        return outcome

    def take_singly(self, manifests: Sequence[Manifest]) -> list[Exception]:
        """One by one, so that one bad batch does not hold the others back; returns what failed."""
        failures: list[Exception] = []
        for manifest in manifests:
            try:
                self.take([manifest])
            except Exception as error:
                failed = {"message": "batch failed", "batch": manifest.batch_id, "error": type(error).__name__}
                logger.error(json.dumps(failed))
                failures.append(error)
        return failures


def distribute(context: SparkContext, manifests: Sequence[Manifest], plan: Plan) -> Outcome:
    """Maps and stores the manifests' objects on the cluster; returns what all tasks did."""
    mapping: Accumulator[Outcome] = context.accumulator(Outcome(), _Adding())
    batches = [Batch(m.batch_id, m.created_at, m.buckets) for m in manifests]
    groups = [(number, group) for number, manifest in enumerate(manifests) for group in manifest.groups()]
    # Every bucket of every batch is one partition, and so one task.
    partitions = [(number, bucket) for number, batch in enumerate(batches) for bucket in range(batch.buckets)]
    partition_of = {address: partition for partition, address in enumerate(partitions)}

    def map_groups(some: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Piece]]:
        for number, group in some:
            for bucket, piece in map_group(group, batches[number], plan, mapping.add):
                yield partition_of[number, bucket], piece

    def store_partition(partition: int, pieces: Iterator[tuple[int, Piece]]) -> Iterator[Outcome]:
        number, bucket = partitions[partition]
        yield store_bucket(bucket, batches[number], (piece for _, piece in pieces), plan)

    stored = (
        context.parallelize(groups, min(max(len(groups), 1), TASKS_PER_CORE * context.defaultParallelism))
        .mapPartitions(map_groups)
        .partitionBy(len(partitions), _itself)
        .mapPartitionsWithIndex(store_partition)
        .collect()
    )
    total = Outcome().add(mapping.value)
    for outcome in stored:
        total.add(outcome)
    return total


def _itself(partition: int) -> int:
    return partition


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
    builder = SparkSession.builder.appName("pousada-etl").config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
    if "GLUE_PYTHON_VERSION" not in os.environ and "SPARK_MASTER" not in os.environ:
        cores = os.environ.get("POUSADA_SPARK_CORES", "*")
        builder = builder.master(f"local[{cores},4]").config("spark.driver.bindAddress", "127.0.0.1")
        builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.memory", "1g")
    return builder.getOrCreate()


def arguments(argv: list[str]) -> dict[str, str]:
    """``--NAME value`` pairs, as Glue passes them."""
    return {name[2:]: value for name, value in pairwise(argv) if name.startswith("--") and not value.startswith("--")}


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    settings = read(Settings, {**os.environ, **arguments(sys.argv[1:])})
    spark = session()
    try:
        run(spark, settings, upsert="--parquet-only" not in sys.argv)
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
