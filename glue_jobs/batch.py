"""What the workers of a batch do first: map raw objects into Parquet and pieces.

Nothing here knows Spark. A task maps a group of raw objects and writes what they came to as one file for each
entity and source. For PostgreSQL there follows a shuffle: a *piece* is an Arrow stream of rows of one entity, all
in one bucket (a range of ids). Spark carries it as one opaque cell, so that no row ever passes through the JVM; a
bucket then holds every version of its ids, and is upserted in the order of the primary key (``upsert``).
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import NamedTuple

import boto3
import pyarrow as pa
from botocore.config import Config

from glue_jobs.outcome import Outcome
from shared.errors import NotFound, Refuse, Retry
from shared.model import arrow
from shared.model.mapping import MappingContext, Row
from shared.pipeline.by_column import FEWEST, Chunk, map_chunks, map_small
from shared.pipeline.envelope import lines
from shared.pipeline.manifest import Manifest, ObjectAddress
from shared.pipeline.transform import refuse_object
from shared.storage.processed_lake import ProcessedLake, parquet_key
from shared.storage.quarantine import quarantined_rows
from shared.storage.raw_lake import RawLake

CHUNK_LINES = 2_000
"""Records that are mapped at once: few enough to stay in the processor's cache."""
CHUNK_BYTES = 16 * 1024 * 1024
"""Of small objects that are mapped at once: bounds the memory where they are not so small after all."""
FLUSH_ROWS = 100_000
"""Rows after which a task writes a row group and hands its pieces on: what bounds its memory."""


@dataclass(frozen=True)
class Plan:
    """Where the workers read and write; it travels to them by pickle."""

    raw_bucket: str
    processed_bucket: str
    database: str
    time_zones: dict[tuple[str, str], str]
    """(vendor, property) → IANA name, for each property that is onboarded."""
    upsert: bool = True
    """False leaves PostgreSQL out: a benchmark of mapping and Parquet alone."""


class Batch(NamedTuple):
    """What of a manifest decides where its rows go."""

    batch_id: str
    created_at: datetime
    buckets: int
    """Into how many ranges of ids its rows are divided."""

    @classmethod
    def of(cls, manifest: Manifest) -> Batch:
        return cls(manifest.batch_id, manifest.created_at, manifest.buckets)


class Piece(NamedTuple):
    entity: str
    rows: bytes
    """An Arrow stream of ``arrow.schema(entity)``."""


# -- Map ---------------------------------------------------------------------------------------------


def map_group(
    number: int, group: Sequence[ObjectAddress], batch: Batch, plan: Plan, report: Callable[[Outcome], object]
) -> Iterator[tuple[int, Piece]]:
    """Writes the group's Parquet files; its rows for PostgreSQL as ``(bucket, piece)``. ``report`` is told what was
    done. Run twice, it writes the same files again."""
    outcome, tables, files = Outcome(), _Tables(), _Files(number, batch)
    with _no_garbage_collection():
        for chunk in _map(_fetch(group, plan, outcome), plan, outcome):
            tables.add(_counted(chunk, outcome), batch)
            if tables.rows >= FLUSH_ROWS:
                yield from _flush(tables, files, batch, plan, outcome)
        yield from _flush(tables, files, batch, plan, outcome)
    with outcome.timing("parquet"):
        files.put(_processed_lake(plan.processed_bucket), outcome)
    outcome.measure_memory()
    report(outcome)


def _flush(tables: _Tables, files: _Files, batch: Batch, plan: Plan, outcome: Outcome) -> Iterator[tuple[int, Piece]]:
    for (entity, source), table in tables.take():
        with outcome.timing("parquet"):
            files.write(entity, source, table)
        if plan.upsert:
            with outcome.timing("pieces"):
                pieces = [(bucket, Piece(entity, arrow.ipc(part))) for bucket, part in divided(table, batch.buckets)]
            yield from pieces


def _fetch(group: Sequence[ObjectAddress], plan: Plan, outcome: Outcome) -> Iterator[tuple[str, bytes | Refuse]]:
    """Each object's bytes, or why it cannot be had: one bad object does not keep its batch from the rest."""
    many = _raw_lake(plan.raw_bucket).many(address.key for address in group)
    for key, body in outcome.timed("fetch", many):
        if isinstance(body, Retry):
            raise body
        yield key, body


def _map(objects: Iterable[tuple[str, bytes | Refuse]], plan: Plan, outcome: Outcome) -> Iterator[Chunk]:
    """Large objects one by one; small ones, as webhooks are, some thousand lines at a time."""
    context_of, small = partial(_context, plan), _Small()
    for key, body in objects:
        if isinstance(body, Refuse):
            yield Chunk(refuse_object(key, body))
            continue
        texts = lines(key, body)
        if len(texts) >= FEWEST:
            yield from outcome.timed("map", map_chunks(key, texts, context_of, CHUNK_LINES))
            continue
        small.add(key, texts, len(body))
        if small.enough:
            yield from outcome.timed("map", map_small(small.take(), context_of))
    yield from outcome.timed("map", map_small(small.take(), context_of))


class _Small:
    """Small raw objects that wait to be mapped together."""

    def __init__(self) -> None:
        self._objects: list[tuple[str, Sequence[bytes]]] = []
        self._lines = 0
        self._bytes = 0

    def add(self, key: str, texts: Sequence[bytes], size: int) -> None:
        self._objects.append((key, texts))
        self._lines += len(texts)
        self._bytes += size

    @property
    def enough(self) -> bool:
        return self._lines >= CHUNK_LINES or self._bytes >= CHUNK_BYTES

    def take(self) -> list[tuple[str, Sequence[bytes]]]:
        """All that wait; then begins anew."""
        taken, self._objects = self._objects, []
        self._lines = self._bytes = 0
        return taken


def _counted(chunk: Chunk, outcome: Outcome) -> Chunk:
    outcome.records += chunk.mapped.records
    for refusal in chunk.mapped.refusals:
        outcome.refused[refusal.reason] += 1
    for (entity, rule, field_name), count in chunk.mapped.warned.items():
        outcome.warned[f"{entity}.{field_name}: {rule}"] += count
    return chunk


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Rows refer to nothing that refers back; looking for cycles among a million of them costs a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _context(plan: Plan, vendor: str, property_id: str) -> MappingContext:
    try:
        return MappingContext.of(property_id, plan.time_zones[vendor, property_id])
    except KeyError:
        raise NotFound("no integration of the property", reason="unknown_property") from None


class _Tables:
    """Rows as tables of each entity and source, until they are enough to be worth a row group."""

    def __init__(self) -> None:
        self.rows = 0
        self._tables: dict[tuple[str, str], list[pa.Table]] = defaultdict(list)
        self._alone: dict[tuple[str, str], list[Row]] = defaultdict(list)
        """Rows that were mapped record by record: a table for each small object would cost more than all else."""

    def add(self, chunk: Chunk, batch: Batch) -> None:
        for entity, table in chunk.tables.items():
            self._add(entity, chunk.source, table)
        for entity, rows in chunk.mapped.rows.items():
            if rows:  # rows and refusals of one chunk are of one vendor
                self._add_alone(entity, rows[0].source, rows)
        refusals = chunk.mapped.refusals
        if refusals:
            self._add_alone("quarantine", refusals[0].vendor, quarantined_rows(refusals, batch.created_at))

    def _add(self, entity: str, source: str, table: pa.Table) -> None:
        if table.num_rows:
            self._tables[entity, source].append(table)
            self.rows += table.num_rows

    def _add_alone(self, entity: str, source: str, rows: list[Row]) -> None:
        alone = self._alone[entity, source]
        alone += rows
        self.rows += len(rows)
        if len(alone) >= CHUNK_LINES:
            self._gather(entity, source)

    def _gather(self, entity: str, source: str) -> None:
        self._tables[entity, source].append(arrow.table(entity, self._alone.pop((entity, source))))

    def take(self) -> Iterator[tuple[tuple[str, str], pa.Table]]:
        """Everything added so far, by entity and source; then begins anew."""
        for entity, source in list(self._alone):
            self._gather(entity, source)
        for of_what, tables in self._tables.items():
            yield of_what, pa.concat_tables(tables)
        self._tables.clear()
        self.rows = 0


class _Files:
    """The Parquet files of a group, one for each entity and source."""

    def __init__(self, number: int, batch: Batch) -> None:
        self._number = number
        self._batch = batch
        self._files: dict[tuple[str, str], arrow.ParquetFile] = {}

    def write(self, entity: str, source: str, table: pa.Table) -> None:
        if (entity, source) not in self._files:
            self._files[entity, source] = arrow.ParquetFile(entity, self._batch.created_at)
        self._files[entity, source].write(table)

    def put(self, lake: ProcessedLake, outcome: Outcome) -> None:
        for (entity, source), file in self._files.items():
            content = file.close()
            lake.put(parquet_key(entity, source, self._batch.batch_id, self._batch.created_at, self._number), content)
            outcome.rows[entity] += file.rows
            outcome.files += 1
            outcome.file_bytes += len(content)


def divided(table: pa.Table, buckets: int) -> Iterator[tuple[int, pa.Table]]:
    if buckets == 1:
        yield 0, table
        return
    numbers = arrow.buckets_of(table, buckets)
    table = table.take(pa.compute.sort_indices(numbers))
    start = 0
    for bucket, count in sorted((e["values"], e["counts"]) for e in numbers.value_counts().to_pylist()):
        yield bucket, table.slice(start, count)
        start += count


# -- Clients, one for each worker process --------------------------------------------------------------


@cache
def _raw_lake(bucket: str) -> RawLake:
    return RawLake(bucket, _s3())


@cache
def _processed_lake(bucket: str) -> ProcessedLake:
    return ProcessedLake(bucket, _s3())


@cache
def _s3() -> object:
    return boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=16))
