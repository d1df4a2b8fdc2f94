"""The quarantine in PostgreSQL: what was refused, why, and where its raw object lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from shared.model.columns import row_type
from shared.model.identity import quarantine_id
from shared.model.mapping import Refusal, Row

_RECORD = """
    INSERT INTO hotel.quarantine (id, source, hotel_id, record_entity, external_id, reason, field,
        raw_key, raw_line, raw_received_at, mapping_version)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (id) DO UPDATE SET record_entity = excluded.record_entity, external_id = excluded.external_id,
        reason = excluded.reason, field = excluded.field, raw_received_at = excluded.raw_received_at,
        mapping_version = excluded.mapping_version, last_seen = excluded.last_seen, resolved_at = NULL
"""
_RESOLVE = """
    UPDATE hotel.quarantine SET resolved_at = clock_timestamp()
    WHERE raw_key = ANY(%s) AND resolved_at IS NULL AND last_seen < %s
"""


@dataclass(frozen=True, slots=True)
class Quarantined:
    id: Any
    source: str
    hotel_id: str
    record_entity: str
    reason: str
    field: str | None
    raw_key: str
    raw_line: int
    mapping_version: int
    first_seen: datetime


def record(cursor: psycopg.Cursor[Any], refusals: Iterable[Refusal]) -> None:
    """Writes refusals; one that is already held keeps its ``first_seen``."""
    cursor.executemany(
        _RECORD,
        [
            (
                quarantine_id(r.raw_key, r.raw_line),
                r.vendor,
                r.property_id,
                r.entity,
                r.external_id,
                r.reason,
                r.field,
                r.raw_key,
                r.raw_line,
                r.received_at,
                r.mapping_version,
            )
            for r in sorted(refusals, key=lambda r: (r.raw_key, r.raw_line))
        ],
    )


def quarantined_rows(refusals: Iterable[Refusal], first_seen: datetime) -> list[Row]:
    """Refusals as rows of the quarantine's lake table."""
    make = row_type("quarantine")
    return [
        make(
            id=str(quarantine_id(r.raw_key, r.raw_line)),
            source=r.vendor,
            hotel_id=r.property_id,
            record_entity=r.entity,
            external_id=r.external_id,
            reason=r.reason,
            field=r.field,
            raw_key=r.raw_key,
            raw_line=r.raw_line,
            raw_received_at=r.received_at,
            mapping_version=r.mapping_version,
            first_seen=first_seen,
        )
        for r in refusals
    ]


def resolve(cursor: psycopg.Cursor[Any], raw_keys: Sequence[str], since: datetime) -> int:
    """Marks what is held of ``raw_keys`` and was not refused again ``since`` (the server's clock); returns how many."""
    cursor.execute(_RESOLVE, (list(raw_keys), since))
    return cursor.rowcount


def waiting(
    connection: psycopg.Connection[Any], hotel_id: str | None = None, reason: str | None = None
) -> Iterator[Quarantined]:
    """What waits to be mended, oldest first."""
    with connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        yield from cursor.stream(
            """
            SELECT id, source, hotel_id, record_entity, reason, field, raw_key, raw_line, mapping_version, first_seen
            FROM hotel.quarantine
            WHERE resolved_at IS NULL AND (%(hotel)s::text IS NULL OR hotel_id = %(hotel)s)
                AND (%(reason)s::text IS NULL OR reason = %(reason)s)
            ORDER BY first_seen, id
            """,
            {"hotel": hotel_id, "reason": reason},
        )
