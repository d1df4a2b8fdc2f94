"""The batch job's work distributed by Spark.

A task maps a group of raw objects and writes their Parquet files; a shuffle brings the rows of one range of ids
together, as Arrow streams in opaque cells; a task upserts each range.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any
from zipimport import zipimporter

from pyspark import SparkContext
from pyspark.accumulators import Accumulator, AccumulatorParam
from pyspark.sql import SparkSession

from glue_jobs.batch import Batch, Piece, Plan, map_group
from glue_jobs.outcome import Outcome
from glue_jobs.upsert import upsert_bucket
from shared.pipeline.manifest import Manifest

TASKS_PER_CORE = 16
"""Enough that no core waits long for the last one."""


class Cluster:
    """Spark, for as long as it is entered."""

    def __init__(self) -> None:
        self._spark = session()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._spark.stop()

    @property
    def cores(self) -> int:
        """Tasks that run at once."""
        return self._spark.sparkContext.defaultParallelism

    def distribute(self, manifest: Manifest, plan: Plan) -> Outcome:
        return distribute(self._spark.sparkContext, manifest, plan)


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


class _Adding(AccumulatorParam[Outcome]):
    def zero(self, value: Outcome) -> Outcome:
        return Outcome()

    def addInPlace(self, value1: Outcome, value2: Outcome) -> Outcome:  # noqa: N802 - pyspark's name
        return value1.add(value2)


def distribute(context: SparkContext, manifest: Manifest, plan: Plan) -> Outcome:
    """Maps and stores the manifest's objects on the cluster; returns what all tasks did."""
    mapping: Accumulator[Outcome] = context.accumulator(Outcome(), _Adding())
    batch = Batch.of(manifest)
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
