"""What the guarded upsert costs, beside a plain COPY of the same rows: bookings and their guests, mapped beforehand.

Each pass takes the rows as the batch job's tasks do, one range of ids after another, on an embedded PostgreSQL with
the tables and indexes as they are migrated:

    copy        COPY straight into the indexed tables, of each id's newest row, without any guard, as their owner: the
                limit, for row-level security would forbid it
    insert      the upsert, into empty tables, as the login of functions and job
    unchanged   the same rows again: nothing may be written
    updated     every row changed, and of a later moment
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import psycopg
import pyarrow as pa
from psycopg.conninfo import make_conninfo

from glue_jobs.batch import CHUNK_LINES, divided
from glue_jobs.upsert import upsert_tables
from scripts.benchmarks.pages import PROPERTY, pages
from scripts.local.embedded_postgres import EmbeddedPostgres
from shared.model import arrow
from shared.model.columns import TABLES
from shared.model.mapping import MappingContext
from shared.names import WRITER_LOGIN
from shared.pipeline.by_column import map_chunks
from shared.pipeline.envelope import lines
from shared.pipeline.raw_keys import page_key
from shared.storage import migrations
from shared.storage.logins import put_logins
from shared.storage.postgres import Database
from shared.storage.unified_store import UnifiedStore
from shared.storage.upsert import staged_columns

ENTITIES = ("booking", "guest")
BUCKET_ROWS = 50_000
"""About what the job has in one bucket (``shared.pipeline.manifest.BUCKET_BYTES``)."""

Rows = dict[str, pa.Table]
Say = Callable[[str], None]


def run(records: int = 200_000, rounds: int = 3, say: Say = lambda text: None) -> dict[str, float]:
    """Rows per second of each pass, medians of ``rounds``, and the ratios the bars are set on."""
    before = _buckets(_mapped(records, updated_every=0))
    after = _buckets(_mapped(records, updated_every=1))
    with TemporaryDirectory(prefix="pousada-bench-") as folder, _Server(Path(folder)) as server:
        taken = []
        for number in range(rounds):
            taken.append(server.round(before, after))
            say(f"round {number + 1}: " + ", ".join(f"{name} {rate:,.0f}/s" for name, rate in taken[-1].items()))
    rates = {name: round(median(one[name] for one in taken)) for name in taken[0]}
    return {
        "rows": sum(table.num_rows for bucket in before for table in bucket.values()),
        **{f"{name}_per_s": rate for name, rate in rates.items()},
        "insert_to_copy": round(median(one["insert"] / one["copy"] for one in taken), 3),
        "unchanged_to_updated": round(median(one["unchanged"] / one["updated"] for one in taken), 2),
    }


def _mapped(records: int, updated_every: int) -> Rows:
    context = MappingContext.of(PROPERTY, "Europe/Lisbon")
    started = datetime.now(UTC)
    made: dict[str, list[pa.Table]] = {entity: [] for entity in ENTITIES}
    for number, page in enumerate(pages(records, started, updated_every), start=1):
        key = page_key("hostpms", PROPERTY, "booking", started, "benchmark", number)
        for chunk in map_chunks(key, lines(key, page), lambda vendor, property_id: context, CHUNK_LINES):
            for entity, table in chunk.tables.items():
                made[entity].append(table)
    return {entity: pa.concat_tables(tables) for entity, tables in made.items()}


def _buckets(rows: Rows) -> list[Rows]:
    """Ranges of ids; of each id the newest row, in the order of the ids."""
    count = 1 + rows["booking"].num_rows // BUCKET_ROWS
    buckets: list[Rows] = [{} for _ in range(count)]
    for entity, table in rows.items():
        for number, part in divided(table, count):
            buckets[number][entity] = arrow.newest(entity, part)
    return buckets


class _Server:
    """Two databases of one PostgreSQL: one for COPY, one for the upsert."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder)
        self._databases = 0

    def __enter__(self) -> _Server:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def round(self, before: list[Rows], after: list[Rows]) -> dict[str, float]:
        """Each pass once, on empty tables; rows per second."""
        with psycopg.connect(self._fresh()) as connection:
            rates = {"copy": _rate(before, partial(_copy, connection))}
        dsn = self._as_writer(self._fresh())
        store = UnifiedStore(Database(lambda: dsn))
        upsert = partial(upsert_tables, store=store)
        for name, buckets in (("insert", before), ("unchanged", before), ("updated", after)):
            rates[name] = _rate(buckets, upsert)
        return rates

    def _fresh(self) -> str:
        """A database with migrated, empty tables."""
        self._databases += 1
        name = f"round_{self._databases}"
        with psycopg.connect(self._server.dsn_of("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        migrations.upgrade(self._server.dsn_of(name))
        return self._server.dsn_of(name)

    def _as_writer(self, dsn: str) -> str:
        put_logins(dsn)
        return make_conninfo(dsn, user=WRITER_LOGIN, password=self._server.secret_of(WRITER_LOGIN)["password"])


def _copy(connection: psycopg.Connection, rows: Rows) -> None:
    for entity, table in rows.items():
        columns = ", ".join(staged_columns(entity))
        command = f"COPY hotel.{TABLES[entity]} ({columns}) FROM STDIN (FORMAT csv)"
        with connection.transaction(), connection.cursor().copy(command) as copy:
            copy.write(arrow.csv(table))


def _rate(buckets: list[Rows], take: Callable[[Rows], object]) -> float:
    """Rows per second."""
    began = perf_counter()
    for rows in buckets:
        take(rows)
    seconds = perf_counter() - began
    return float(sum(table.num_rows for rows in buckets for table in rows.values())) / seconds
