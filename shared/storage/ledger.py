"""What raw records must have come to, held against what PostgreSQL holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import takewhile
from operator import attrgetter
from typing import Any

import psycopg
from psycopg import sql

from shared.model.columns import ENTITIES, TABLES, order_columns
from shared.model.identity import quarantine_id
from shared.model.mapping import Refusal, Row
from shared.pipeline.audit import Finding
from shared.storage.postgres import Database
from shared.storage.upsert import order_terms


class Ledger:
    def __init__(self, database: Database) -> None:
        self._database = database

    def unaccounted(self, rows: Mapping[str, Sequence[Row]], refusals: Sequence[Refusal]) -> list[Finding]:
        """What of the rows and refusals that raw records lead to is not held. Raises StoreUnavailable."""

        def work(cursor: psycopg.Cursor[Any]) -> list[Finding]:
            lost = [finding for entity in ENTITIES for finding in lost_rows(cursor, entity, rows.get(entity, ()))]
            return lost + [_missing(refusal) for refusal in unheld(cursor, refusals)]

        findings: list[Finding] = self._database.run(work)
        return findings


def _missing(refusal: Refusal) -> Finding:
    return Finding("refusal_missing", refusal.raw_key, refusal.raw_line, entity=refusal.entity, reason=refusal.reason)


def lost_rows(cursor: psycopg.Cursor[Any], entity: str, rows: Sequence[Row]) -> list[Finding]:
    """Of ``rows``, as the mapping makes them, those that are neither held nor passed by for a later version.

    A row that another mapping made of the same record, or of one with equal times, is not lost: a replay renews it.
    Nor is one whose record waits in the quarantine.
    """
    if not rows:
        return []
    statements = _statements(entity)
    values = attrgetter(*_columns(entity))
    cursor.execute(statements.stage)
    with cursor.copy(statements.copy) as copy:
        for row in rows:
            copy.write_row(values(row))
    cursor.execute(statements.lost)
    found = [
        Finding("row_missing" if is_missing else "row_older", raw_key, raw_line, entity, str(id_))
        for id_, raw_key, raw_line, is_missing in cursor.fetchall()
    ]
    cursor.execute(statements.drop)
    return found


def unheld(cursor: psycopg.Cursor[Any], refusals: Sequence[Refusal]) -> list[Refusal]:
    """Of ``refusals``, those that the quarantine does not hold, resolved or not."""
    ids = [quarantine_id(refusal.raw_key, refusal.raw_line) for refusal in refusals]
    cursor.execute("SELECT id FROM hotel.quarantine WHERE id = ANY(%s)", (ids,))
    held = {id_ for (id_,) in cursor.fetchall()}
    return [refusal for refusal, id_ in zip(refusals, ids, strict=True) if id_ not in held]


def _columns(entity: str) -> tuple[str, ...]:
    return ("id", *order_columns(entity))


class _Statements:
    def __init__(self, entity: str) -> None:
        names = {
            "stage": sql.Identifier(f"ledger_{TABLES[entity]}"),
            "table": sql.Identifier("hotel", TABLES[entity]),
            "columns": sql.SQL(", ").join(map(sql.Identifier, _columns(entity))),
            "due_times": _times(entity, "due"),
            "held_times": _times(entity, "held"),
        }
        self.stage, self.copy, self.lost, self.drop = (text.format(**names) for text in (_STAGE, _COPY, _LOST, _DROP))


_statements = cache(_Statements)

_STAGE = sql.SQL("CREATE TEMPORARY TABLE {stage} AS SELECT {columns} FROM {table} WITH NO DATA")
_COPY = sql.SQL("COPY {stage} ({columns}) FROM STDIN")
_LOST = sql.SQL(
    """
    SELECT due.id, due.raw_key, due.raw_line, held.id IS NULL
    FROM {stage} AS due LEFT JOIN {table} AS held USING (id)
    WHERE (
        held.id IS NULL
        OR ({due_times}) > ({held_times})
        OR (
            ({due_times}) = ({held_times}) AND due.mapping_version = held.mapping_version
            AND (due.raw_key, due.raw_line) > (held.raw_key, held.raw_line)
        )
    ) AND NOT EXISTS (
        SELECT FROM hotel.quarantine AS q
        WHERE q.raw_key = due.raw_key AND q.raw_line = due.raw_line AND q.resolved_at IS NULL
    )
    ORDER BY due.raw_key, due.raw_line
    """
)
_DROP = sql.SQL("DROP TABLE {stage}")


def _times(entity: str, table: str) -> sql.Composed:
    """The order of versions as far as it is told by authority and time: before the mapping and the raw address."""
    names = takewhile(lambda name: name != "mapping_version", order_columns(entity))
    return sql.SQL(", ").join(order_terms(names, table))
