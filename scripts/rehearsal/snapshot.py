"""What a rebuild has to bring back: every row in all that its raw record decides, and what the lake says is current."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from scripts.demonstration import comparison
from scripts.demonstration.comparison import Rows
from shared.model.columns import ENTITIES, MODELS, TABLES, columns, content_columns

MADE_BY_ARRIVAL = {
    **dict.fromkeys(TABLES.values(), ("version", "synced_at")),
    # Of two mappings that refuse a record, the one that did so last is named.
    "quarantine": ("first_seen", "last_seen", "resolved_at", "mapping_version"),
}
"""Table → columns that tell how often and when something came in, and not what it is."""
NOTHING = "there was nothing to lose, so nothing is shown"
# What was refused once and has been mapped since was never refused, as far as a replay can tell.
_WAITING = {"quarantine": "resolved_at IS NULL"}


@dataclass(frozen=True, slots=True)
class Compared:
    """One table of one store."""

    store: str
    table: str
    before: int
    after: int
    differences: tuple[str, ...]
    """``{id} is missing | is one too many | differs in {columns}``, as ``comparison.differences`` words it; and
    ``NOTHING`` of a table that was empty before."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``postgres``: of every table, the quarantine too; ``lake``: of each entity's table, the current versions."""

    postgres: dict[str, Rows]
    lake: dict[str, Rows]

    def against(self, after: Snapshot) -> Iterator[Compared]:
        """What became of each table."""
        for entity, table in TABLES.items():
            found = comparison.differences(decided_columns(entity), self.postgres[table], after.postgres[table])
            yield _compared("PostgreSQL", table, self.postgres, after.postgres, found)
        for entity in ENTITIES:
            table = TABLES[entity]
            found = comparison.differences(content_columns(entity), self.lake[table], after.lake[table])
            yield _compared("Parquet, current", table, self.lake, after.lake, found)


def _compared(
    store: str, table: str, before: dict[str, Rows], after: dict[str, Rows], differences: Iterable[str]
) -> Compared:
    idle = () if before[table] else (NOTHING,)
    return Compared(store, table, len(before[table]), len(after[table]), (*idle, *differences))


def take(
    connection: psycopg.Connection[Any], parquet_of: Callable[[str], Iterable[bytes]], property_id: str | None = None
) -> Snapshot:
    """``parquet_of``: the bodies of an entity's files. ``property_id``: of PostgreSQL, this hotel's rows alone."""
    postgres = {TABLES[entity]: _rows(connection, entity, property_id) for entity in MODELS}
    lake = {TABLES[entity]: comparison.parquet_rows(parquet_of(entity), entity) for entity in ENTITIES}
    return Snapshot(postgres, lake)


def decided_columns(entity: str) -> tuple[str, ...]:
    """All but those that arrival makes, and the id."""
    made = ("id", *MADE_BY_ARRIVAL[TABLES[entity]])
    return tuple(column.name for column in columns(entity) if column.name not in made)


def _rows(connection: psycopg.Connection[Any], entity: str, property_id: str | None) -> Rows:
    names, where = decided_columns(entity), _WAITING.get(TABLES[entity], "true")
    rows = comparison.postgres_rows(connection, entity, names, where)
    hotel = names.index("hotel_id")
    return {id_: row for id_, row in rows.items() if property_id in (None, row[hotel])}
