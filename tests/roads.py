"""What a page comes to by each of the two roads of the batch path, in a form that can be compared."""

from __future__ import annotations

from typing import Any

from shared.model import arrow
from shared.model.columns import ENTITIES
from shared.model.mapping import Refusal, Warned
from shared.pipeline.by_column import map_chunks
from shared.pipeline.envelope import lines
from shared.pipeline.transform import Mapped, map_object
from tests import factories

Rows = dict[str, list[dict[str, Any]]]
Found = tuple[Rows, set[Refusal], Warned, int]
"""Entity → rows; refusals, warnings, and the number of records."""


def rows_of(mapped: Mapped) -> dict[str, list[dict[str, Any]]]:
    return {entity: arrow.table(entity, mapped.rows.get(entity, [])).to_pylist() for entity in ENTITIES}


def by_record(key: str, body: bytes) -> Found:
    mapped = map_object(key, body, factories.context)
    return in_order(rows_of(mapped)), set(mapped.refusals), mapped.warned, mapped.records


def in_columns(key: str, body: bytes, length: int = 5_000) -> tuple[Found, int]:
    """The same by column; and how many rows had no place in the columns."""
    total, rows, alone = Mapped(), {entity: [] for entity in ENTITIES}, 0
    for chunk in map_chunks(key, lines(key, body), factories.context, length):
        total.add(chunk.mapped)
        for entity, found in rows_of(chunk.mapped).items():
            alone += len(found)
            rows[entity] += found
        for entity, table in chunk.tables.items():
            assert table.schema == arrow.schema(entity)
            assert chunk.source == "hostpms"
            rows[entity] += table.to_pylist()
    return (in_order(rows), set(total.refusals), total.warned, total.records), alone


def in_order(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {entity: sorted(found, key=lambda row: (row["raw_line"], row["id"])) for entity, found in rows.items()}
