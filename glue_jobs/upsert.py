"""What the workers of a batch do last: upsert the pieces of a bucket. Nothing here knows Spark."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

import boto3
import psycopg
import pyarrow as pa

from glue_jobs.batch import Piece, Plan
from glue_jobs.outcome import Outcome
from shared.errors import Page
from shared.model import arrow
from shared.model.columns import ENTITIES
from shared.model.mapping import Refusal
from shared.storage.database_address import open_database
from shared.storage.unified_store import UnifiedStore


def upsert_bucket(pieces: Iterable[Piece], plan: Plan) -> Outcome:
    """Upserts a bucket's rows. Run twice, it changes nothing."""
    outcome = Outcome()
    blobs: dict[str, list[bytes]] = defaultdict(list)
    for piece in pieces:
        blobs[piece.entity].append(piece.rows)
    with outcome.timing("upsert"):
        tables = {entity: arrow.from_ipc(parts) for entity, parts in blobs.items()}
        for entity, count in upsert_tables(tables, _store(plan.database)).items():
            outcome.written[entity] += count
    outcome.measure_memory()
    return outcome


def upsert_tables(tables: Mapping[str, pa.Table], store: UnifiedStore) -> dict[str, int]:
    """Upserts rows of a bucket by entity; returns how many of each were written."""
    rows = {entity: arrow.NewestRows(entity, table) for entity, table in tables.items() if entity in ENTITIES}
    try:
        written = store.upsert(rows)
    except psycopg.Error as error:
        # Spark logs whatever a worker raises, and PostgreSQL's own words quote the row.
        fix = "compare the migrations with the model"
        raise Page(f"PostgreSQL does not take rows of the batch ({type(error).__name__})", fix=fix) from None
    if "quarantine" in tables:
        store.quarantine([_refusal(row) for row in tables["quarantine"].to_pylist()])
    return written


def _refusal(row: dict[str, object]) -> Refusal:
    names = {"source": "vendor", "hotel_id": "property_id", "record_entity": "entity", "raw_received_at": "received_at"}
    wanted = Refusal.__dataclass_fields__
    named = {names.get(name, name): value for name, value in row.items()}
    return Refusal(**{name: value for name, value in named.items() if name in wanted})  # type: ignore[arg-type]


@cache
def _store(database: str) -> UnifiedStore:
    """One for each worker process."""
    return UnifiedStore(open_database(database, "pousada-etl", boto3.client))
