"""Rows into PostgreSQL: COPY into a staging table, then one guarded INSERT (DESIGN.md §4, Order).

The guard is what makes every step repeatable and every interleaving end alike: a row gives way only to
a greater one in ``order_columns``. Both paths go through here, so double application changes nothing.

Of many rows, most are often held already. ``upsert_many`` asks first, with their ids and order alone, which
are newer than what is held: the rest is not sent at all, and what is not held is inserted without comparing again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, Protocol

import psycopg
from psycopg import sql

from shared.model.columns import TABLES, columns, content_columns, order_columns
from shared.model.mapping import Row

_MADE_HERE = ("version", "synced_at")
"""What PostgreSQL fills in as it accepts a row."""


@cache
def staged_columns(entity: str) -> tuple[str, ...]:
    """The columns that are staged, in the order in which they are staged."""
    return tuple(column.name for column in columns(entity) if column.name not in _MADE_HERE)


def upsert_rows(cursor: psycopg.Cursor[Any], entity: str, rows: Iterable[Row]) -> int:
    """Upserts mapped rows; returns how many were written (inserted, changed, or moved on in order)."""
    values = attrgetter(*staged_columns(entity))

    def feed(copy: psycopg.Copy) -> None:
        for row in rows:
            copy.write_row(values(row))

    return _merge(cursor, entity, "text", feed)


class ManyRows(Protocol):
    """Rows of one entity, each of another id, numbered from 0 in the order of their ids; CSV has neither header nor
    quoted nulls (empty: null, ``""``: the empty string)."""

    def ranks(self) -> bytes | memoryview:
        """CSV of each row's number, id and order columns."""
        ...

    def csv(self, numbers: Sequence[int]) -> bytes | memoryview:
        """CSV of some rows in the columns of ``staged_columns``, in the order of their ids."""
        ...


def upsert_many(cursor: psycopg.Cursor[Any], entity: str, rows: ManyRows) -> int:
    """Upserts rows that are given as CSV; returns how many were written."""
    unheld, newer = _needed(cursor, entity, rows)
    written = 0
    if unheld:
        try:
            with cursor.connection.transaction():
                _insert(cursor, entity, rows.csv(unheld))
            written, unheld = len(unheld), []
        except psycopg.errors.UniqueViolation:
            pass  # another transaction has inserted one of them since we asked
    rest = sorted([*unheld, *newer])
    if rest:
        written += _merge(cursor, entity, "csv", lambda copy: copy.write(rows.csv(rest)))
    return written


def _needed(cursor: psycopg.Cursor[Any], entity: str, rows: ManyRows) -> tuple[list[int], list[int]]:
    """The numbers of the rows whose ids are not held, and of those that are newer than what is held."""
    statements = _statements(entity)
    cursor.execute(statements.stage_ranks)
    _copy(cursor, statements.copy_ranks, rows.ranks())
    cursor.execute(_PROBE_THE_INDEX)
    ((unheld, newer),) = cursor.execute(statements.needed).fetchall()
    cursor.execute(statements.clear_ranks)
    return unheld or [], newer or []


def _insert(cursor: psycopg.Cursor[Any], entity: str, csv: bytes | memoryview) -> None:
    """Of ids that are not held. By way of the staging table: COPY refuses a table with row-level security, whatever
    its policies allow."""
    statements = _statements(entity)
    cursor.execute(statements.stage)
    _copy(cursor, statements.copy["csv"], csv)
    cursor.execute(statements.insert)
    cursor.execute(statements.clear)


def _merge(cursor: psycopg.Cursor[Any], entity: str, form: str, feed: Callable[[psycopg.Copy], None]) -> int:
    statements = _statements(entity)
    cursor.execute(statements.stage)
    with cursor.copy(statements.copy[form]) as copy:
        feed(copy)
    # The staging table has no statistics, and a hash or merge join would read the whole of the table for
    # each batch: the rows of a batch are few beside it, so that probing its index is right at every size.
    cursor.execute(_PROBE_THE_INDEX)
    cursor.execute(statements.merge)
    written = cursor.rowcount
    cursor.execute(statements.clear)
    return written


def _copy(cursor: psycopg.Cursor[Any], command: sql.Composed, csv: bytes | memoryview) -> None:
    with cursor.copy(command) as copy:
        copy.write(csv)


class _Statements:
    def __init__(self, entity: str) -> None:
        table, stage, ranks = _table(entity), _temporary("stage", entity), _temporary("ranks", entity)
        columns, ranking = _list(staged_columns(entity)), _list(("id", *order_columns(entity)))
        self.stage = _STAGE.format(stage=stage, table=table)
        self.copy = {form: _COPY.format(table=stage, columns=columns, form=sql.SQL(form)) for form in ("text", "csv")}
        self.merge = _merging(entity)
        self.clear = _CLEAR.format(stage)
        self.insert = _INSERT.format(table=table, stage=stage, columns=columns)
        self.stage_ranks = _STAGE_RANKS.format(ranks=ranks, ranking=ranking, table=table)
        self.copy_ranks = _COPY.format(table=ranks, columns=sql.SQL("staged_number, ") + ranking, form=sql.SQL("csv"))
        self.needed = _NEEDED.format(
            ranks=ranks, table=table, staged_order=_order(entity, "staged"), present_order=_order(entity, "present")
        )
        self.clear_ranks = _CLEAR.format(ranks)


_statements = cache(_Statements)

_STAGE = sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {stage} (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS")
_STAGE_RANKS = sql.SQL(
    "CREATE TEMPORARY TABLE IF NOT EXISTS {ranks} ON COMMIT DELETE ROWS"
    " AS SELECT 0 AS staged_number, {ranking} FROM {table} WITH NO DATA"
)
_COPY = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT {form})")
_INSERT = sql.SQL("INSERT INTO {table} ({columns}) SELECT {columns} FROM {stage}")
_CLEAR = sql.SQL("TRUNCATE {}")
_NEEDED = sql.SQL(
    """
    SELECT array_agg(staged_number) FILTER (WHERE present.id IS NULL),
           array_agg(staged_number) FILTER (WHERE present.id IS NOT NULL)
    FROM {ranks} AS staged LEFT JOIN {table} AS present USING (id)
    WHERE present.id IS NULL OR {staged_order} > {present_order}
    """
)
_PROBE_THE_INDEX = "; ".join(
    f"SET LOCAL enable_{way} = off" for way in ("hashjoin", "mergejoin", "seqscan", "material")
)
_MERGE = sql.SQL(
    """
    INSERT INTO {table} AS held ({columns}, version, synced_at)
    SELECT {staged}, 1, clock_timestamp()
    FROM (SELECT DISTINCT ON (id) * FROM {stage} ORDER BY id, {newest_first}) AS staged
    LEFT JOIN {table} AS present USING (id)
    WHERE present.id IS NULL OR {staged_order} > {present_order}
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET {assignments}
    WHERE {excluded_order} > {held_order}
    """
)


def _merging(entity: str) -> sql.Composed:
    """The guarded upsert of what is staged.

    DISTINCT ON keeps the newest of each id, for ON CONFLICT may touch a row only once. The join leaves out
    what is not newer before it comes to a conflict: a conflict locks the row, and a lock is a write. Rows
    are taken in the order of their ids, so that two batches can wait for each other but not deadlock.
    """
    return _MERGE.format(
        table=_table(entity),
        stage=_temporary("stage", entity),
        columns=_list(staged_columns(entity)),
        staged=_of("staged", staged_columns(entity)),
        newest_first=sql.SQL(", ").join(
            sql.SQL("{} DESC").format(term) for term in order_terms(order_columns(entity), None)
        ),
        staged_order=_order(entity, "staged"),
        present_order=_order(entity, "present"),
        excluded_order=_order(entity, "excluded"),
        held_order=_order(entity, "held"),
        assignments=_assignments(entity),
    )


def _assignments(entity: str) -> sql.Composed:
    """Content and order move on; ``version`` and ``synced_at`` only where the content changed.

    ``raw_key`` is of the order, and moves on with equal content too: it still names an object that holds
    exactly this content.
    """
    content = content_columns(entity)
    changed = sql.SQL("({}) IS DISTINCT FROM ({})").format(_of("held", content), _of("excluded", content))
    moving = dict.fromkeys([*content, *order_columns(entity)])
    terms = [sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in moving]
    terms.append(sql.SQL("synced_at = CASE WHEN {} THEN excluded.synced_at ELSE held.synced_at END").format(changed))
    terms.append(sql.SQL("version = held.version + CASE WHEN {} THEN 1 ELSE 0 END").format(changed))
    return sql.SQL(", ").join(terms)


def _of(table: str, names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(table, name) for name in names)


def _order(entity: str, table: str) -> sql.Composed:
    return sql.SQL("({})").format(sql.SQL(", ").join(order_terms(order_columns(entity), table)))


def order_terms(names: Iterable[str], table: str | None) -> list[sql.Composable]:
    """A vendor that does not say when a record changed ranks it below every record that says so."""
    terms: list[sql.Composable] = []
    for name in names:
        column = sql.Identifier(table, name) if table else sql.Identifier(name)
        terms.append(sql.SQL("coalesce({}, '-infinity')").format(column) if name == "source_updated_at" else column)
    return terms


def _table(entity: str) -> sql.Identifier:
    return sql.Identifier("hotel", TABLES[entity])


def _temporary(what: str, entity: str) -> sql.Identifier:
    return sql.Identifier(f"{what}_{TABLES[entity]}")


def _list(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
