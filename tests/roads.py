"""What a page comes to by each of the two roads of the batch path, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shared.model import arrow
from shared.model.columns import ENTITIES
from shared.model.mapping import Refusal, Warned
from shared.pipeline.by_column import Chunk, map_chunks, map_small
from shared.pipeline.envelope import lines
from shared.pipeline.transform import ContextOf, Mapped, map_object
from tests import factories

Rows = dict[str, list[dict[str, Any]]]
Found = tuple[Rows, set[Refusal], Warned, int]
"""Entity → rows; refusals, warnings, and the number of records."""


def rows_of(mapped: Mapped) -> dict[str, list[dict[str, Any]]]:
    return {entity: arrow.table(entity, mapped.rows.get(entity, [])).to_pylist() for entity in ENTITIES}


def by_record(key: str, body: bytes) -> Found:
    return one_by_one({key: body})


def one_by_one(objects: Mapping[str, bytes], context_of: ContextOf = factories.context) -> Found:
    """Each raw object by itself, each record by itself."""
    total = Mapped()
    for key, body in objects.items():
        total.add(map_object(key, body, context_of))
    return in_order(rows_of(total)), set(total.refusals), total.warned, total.records


def in_columns(key: str, body: bytes, length: int = 5_000) -> tuple[Found, int]:
    """A raw object by column; and how many rows had no place in the columns."""
    return gathered(map_chunks(key, lines(key, body), factories.context, length))


def together(objects: Mapping[str, bytes], context_of: ContextOf = factories.context) -> tuple[Found, int]:
    """Small raw objects by column, those alike at once; and how many rows had no place in the columns."""
    return gathered(map_small([(key, lines(key, body)) for key, body in objects.items()], context_of))


def gathered(chunks: Iterable[Chunk]) -> tuple[Found, int]:
    total, rows, alone = Mapped(), {entity: [] for entity in ENTITIES}, 0
    for chunk in chunks:
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
    def place(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["raw_key"], row["raw_line"], row["id"]

    return {entity: sorted(found, key=place) for entity, found in rows.items()}
