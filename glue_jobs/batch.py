"""What the workers of a batch do: map raw objects into pieces, and store the pieces of a bucket.

Nothing here knows Spark. Between the two steps lies a shuffle: a *piece* is an Arrow stream of rows of one
entity and source, all in one bucket (a range of ids). Spark carries it as one opaque cell, so that no row
ever passes through the JVM; a bucket then holds every version of its ids, is written as one file for each
entity and source, and is upserted in the order of the primary key.
"""

from __future__ import annotations

import gc
import resource
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from time import perf_counter
from typing import NamedTuple

import boto3
import psycopg
import pyarrow as pa
from botocore.config import Config

from shared.errors import NotFound, Page, Refuse, Retry
from shared.model import arrow
from shared.model.columns import ENTITIES
from shared.model.mapping import MappingContext, Refusal, Row
from shared.pipeline.envelope import lines
from shared.pipeline.manifest import ObjectAddress
from shared.pipeline.transform import Mapped, map_lines, refuse_object
from shared.storage.postgres import Database, conninfo_from_secret
from shared.storage.processed_lake import ProcessedLake, parquet_key
from shared.storage.quarantine import quarantined_rows
from shared.storage.raw_lake import RawLake
from shared.storage.unified_store import UnifiedStore

CHUNK_LINES = 1_000
"""Records whose rows are made into tables at once: few enough to stay in the processor's cache."""
PIECE_ROWS = 20_000
"""Rows after which a task hands its tables on: what bounds its memory."""


@dataclass(frozen=True)
class Plan:
    """Where the workers read and write; it travels to them by pickle."""

    raw_bucket: str
    processed_bucket: str
    database_secret: str
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


class Piece(NamedTuple):
    entity: str
    source: str
    rows: bytes
    """An Arrow stream of ``arrow.schema(entity)``."""


@dataclass
class Outcome:
    """What some workers did; outcomes add up."""

    records: int = 0
    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Entity → rows in Parquet: all versions."""
    written: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Entity → rows that PostgreSQL took."""
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    warned: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    files: int = 0
    file_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Step → time spent in it, summed over the workers."""
    peak_rss_mb: float = 0.0

    def add(self, other: Outcome) -> Outcome:
        self.records += other.records
        self.files += other.files
        self.file_bytes += other.file_bytes
        for mine, others in (
            (self.rows, other.rows),
            (self.written, other.written),
            (self.refused, other.refused),
            (self.warned, other.warned),
        ):
            for name, count in others.items():
                mine[name] += count
        for step, seconds in other.seconds.items():
            self.seconds[step] += seconds
        self.peak_rss_mb = max(self.peak_rss_mb, other.peak_rss_mb)
        return self

    @contextmanager
    def timing(self, step: str) -> Iterator[None]:
        began = perf_counter()
        try:
            yield
        finally:
            self.seconds[step] += perf_counter() - began

    def measure_memory(self) -> None:
        self.peak_rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# -- Map ---------------------------------------------------------------------------------------------


def map_group(
    group: Sequence[ObjectAddress], batch: Batch, plan: Plan, report: Callable[[Outcome], None]
) -> Iterator[tuple[int, Piece]]:
    """The objects of ``group`` as ``(bucket, piece)``; ``report`` is told what was done."""
    outcome, tables = Outcome(), _Tables()
    for key, body in _fetch(group, plan, outcome):
        for mapped in _map(key, body, plan, outcome):
            with outcome.timing("arrow"):
                tables.add(mapped, batch)
                pieces = list(tables.pieces(batch)) if tables.rows >= PIECE_ROWS else ()
            yield from pieces
    yield from tables.pieces(batch)
    outcome.measure_memory()
    report(outcome)


def _fetch(group: Sequence[ObjectAddress], plan: Plan, outcome: Outcome) -> Iterator[tuple[str, bytes | Refuse]]:
    """Each object's bytes, or why it cannot be had: one bad object does not keep its batch from the rest."""
    many = _raw_lake(plan.raw_bucket).many(address.key for address in group)
    while True:
        with outcome.timing("fetch"):
            fetched = next(many, None)
        if fetched is None:
            return
        key, body = fetched
        if isinstance(body, Retry):
            raise body
        yield key, body


def _map(key: str, body: bytes | Refuse, plan: Plan, outcome: Outcome) -> Iterator[Mapped]:
    if isinstance(body, Refuse):
        yield _counted(refuse_object(key, body), outcome)
        return
    context_of = partial(_context, plan)
    parts = map_lines(key, lines(key, body), context_of, chunk=CHUNK_LINES)
    with _no_garbage_collection():
        while True:
            with outcome.timing("map"):
                mapped = next(parts, None)
            if mapped is None:
                return
            yield _counted(mapped, outcome)


def _counted(mapped: Mapped, outcome: Outcome) -> Mapped:
    outcome.records += mapped.records
    for refusal in mapped.refusals:
        outcome.refused[refusal.reason] += 1
    for (entity, rule, field_name), count in mapped.warned.items():
        outcome.warned[f"{entity}.{field_name}: {rule}"] += count
    return mapped


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
    """Rows on their way into pieces. Each chunk becomes a table while its rows are still in the processor's cache;
    several tables make one piece for each bucket, so that pieces are not many and small."""

    def __init__(self) -> None:
        self.rows = 0
        self._tables: dict[tuple[str, str], list[pa.Table]] = defaultdict(list)

    def add(self, mapped: Mapped, batch: Batch) -> None:
        by_source: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for entity, rows in mapped.rows.items():
            if rows:  # the rows of one raw object are of one vendor
                by_source[entity, rows[0].source] = rows
        for refusal in mapped.refusals:
            by_source["quarantine", refusal.vendor] += quarantined_rows([refusal], batch.created_at)
        for (entity, source), rows in by_source.items():
            self._tables[entity, source].append(arrow.table(entity, rows))
            self.rows += len(rows)

    def pieces(self, batch: Batch) -> Iterator[tuple[int, Piece]]:
        """Everything added so far, by bucket; then begins anew."""
        for (entity, source), tables in self._tables.items():
            for bucket, piece in _divided(pa.concat_tables(tables), batch.buckets):
                yield bucket, Piece(entity, source, arrow.ipc(piece))
        self._tables.clear()
        self.rows = 0


def _divided(table: pa.Table, buckets: int) -> Iterator[tuple[int, pa.Table]]:
    if buckets == 1:
        yield 0, table
        return
    numbers = arrow.buckets_of(table, buckets)
    table = table.take(pa.compute.sort_indices(numbers))
    start = 0
    for bucket, count in sorted((e["values"], e["counts"]) for e in numbers.value_counts().to_pylist()):
        yield bucket, table.slice(start, count)
        start += count


# -- Store -------------------------------------------------------------------------------------------


def store_bucket(bucket: int, batch: Batch, pieces: Iterable[Piece], plan: Plan) -> Outcome:
    """Writes the bucket's Parquet files and upserts its rows. Run twice, it does the same again."""
    outcome = Outcome()
    tables = _tables(pieces)
    with outcome.timing("parquet"):
        for (entity, source), table in tables.items():
            key = parquet_key(entity, source, batch.batch_id, batch.created_at, bucket)
            content = arrow.parquet(entity, table, batch.created_at)
            _processed_lake(plan.processed_bucket).put(key, content)
            outcome.rows[entity] += table.num_rows
            outcome.files += 1
            outcome.file_bytes += len(content)
    if plan.upsert:
        with outcome.timing("upsert"):
            _upsert(tables, plan, outcome)
    outcome.measure_memory()
    return outcome


def _tables(pieces: Iterable[Piece]) -> dict[tuple[str, str], pa.Table]:
    blobs: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for piece in pieces:
        blobs[piece.entity, piece.source].append(piece.rows)
    return {key: arrow.from_ipc(parts) for key, parts in sorted(blobs.items())}


def _upsert(tables: dict[tuple[str, str], pa.Table], plan: Plan, outcome: Outcome) -> None:
    store = _store(plan.database_secret)
    rows: dict[str, list[memoryview]] = defaultdict(list)
    for (entity, _), table in tables.items():
        if entity in ENTITIES:
            rows[entity].append(arrow.csv(arrow.newest(entity, table)))
    try:
        written = store.upsert(rows)
    except psycopg.Error as error:
        # Spark logs whatever a worker raises, and PostgreSQL's own words quote the row.
        fix = "compare the migrations with the model"
        raise Page(f"PostgreSQL does not take rows of the batch ({type(error).__name__})", fix=fix) from None
    for entity, count in written.items():
        outcome.written[entity] += count
    refusals = [
        _refusal(row) for (kind, _), table in tables.items() if kind == "quarantine" for row in table.to_pylist()
    ]
    if refusals:
        store.quarantine(refusals)


def _refusal(row: dict[str, object]) -> Refusal:
    names = {"source": "vendor", "hotel_id": "property_id", "record_entity": "entity", "raw_received_at": "received_at"}
    wanted = Refusal.__dataclass_fields__
    named = {names.get(name, name): value for name, value in row.items()}
    return Refusal(**{name: value for name, value in named.items() if name in wanted})  # type: ignore[arg-type]


# -- Clients, one for each worker process --------------------------------------------------------------


@cache
def _raw_lake(bucket: str) -> RawLake:
    return RawLake(bucket, _s3())


@cache
def _processed_lake(bucket: str) -> ProcessedLake:
    return ProcessedLake(bucket, _s3())


@cache
def _store(secret: str) -> UnifiedStore:
    secrets = boto3.client("secretsmanager")
    return UnifiedStore(Database(lambda: conninfo_from_secret(secrets, secret, "pousada-etl")))


@cache
def _s3() -> object:
    return boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=16))
