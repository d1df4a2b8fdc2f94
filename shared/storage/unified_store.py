"""What a set of raw objects came to, stored in one transaction: rows, refusals, and refusals mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

from shared.model.columns import ENTITIES
from shared.model.mapping import Refusal, Row
from shared.storage import quarantine
from shared.storage.postgres import Database
from shared.storage.upsert import ManyRows, upsert_many, upsert_rows


class UnifiedStore:
    """PostgreSQL's side of both paths."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def apply(
        self, rows: Mapping[str, Sequence[Row]], refusals: Sequence[Refusal], raw_keys: Sequence[str]
    ) -> dict[str, int]:
        """Stores what ``raw_keys`` came to; returns how many rows of each entity were written.

        Raises StoreUnavailable where the whole has to be tried again; psycopg's DataError where a row's
        values do not fit their columns, so that the caller can find out which object it was.
        """

        def work(cursor: psycopg.Cursor[Any]) -> dict[str, int]:
            # Always in this order: two transactions that take entities in turn could deadlock.
            written = {e: upsert_rows(cursor, e, rows[e]) for e in ENTITIES if rows.get(e)}
            quarantine.record(cursor, refusals)
            quarantine.resolve(cursor, raw_keys, since=_began(cursor))
            return written

        result: dict[str, int] = self._database.run(work)
        return result

    def clock(self) -> datetime:
        """The server's time: what ``resolve`` compares with."""
        began: datetime = self._database.run(_began)
        return began

    def upsert(self, rows: Mapping[str, ManyRows]) -> dict[str, int]:
        """Stores many rows of each entity in one transaction; returns how many of each were written."""

        def work(cursor: psycopg.Cursor[Any]) -> dict[str, int]:
            return {entity: upsert_many(cursor, entity, rows[entity]) for entity in ENTITIES if entity in rows}

        result: dict[str, int] = self._database.run(work)
        return result

    def quarantine(self, refusals: Sequence[Refusal]) -> None:
        self._database.run(lambda cursor: quarantine.record(cursor, refusals))

    def resolve(self, raw_keys: Sequence[str], since: datetime) -> int:
        """Marks the refusals of ``raw_keys`` that were not refused again ``since`` as mended."""
        count: int = self._database.run(lambda cursor: quarantine.resolve(cursor, raw_keys, since))
        return count


def _began(cursor: psycopg.Cursor[Any]) -> datetime:
    ((began,),) = cursor.execute("SELECT transaction_timestamp()").fetchall()
    return began  # type: ignore[no-any-return]
