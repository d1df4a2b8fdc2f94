"""PostgreSQL, Parquet and the simulator's own truth, held against each other row by row.

What a row should say is the truth's last record of it, mapped. Compared is the whole content; that the mapping itself
is right is for the unit tests to show.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pyarrow.parquet as pq
from psycopg.rows import dict_row

from shared.model.columns import ENTITIES, TABLES, content_columns, order_columns
from shared.model.mapping import MappingContext
from shared.pipeline.transform import map_payload

Content = tuple[Any, ...]
Rows = dict[str, Content]
"""Id → the content columns' values."""

_EPOCH = datetime.min.replace(tzinfo=UTC)


@dataclass
class Agreement:
    """Of each entity: how many rows there should be, how many agree everywhere, and what does not."""

    truth: dict[str, int] = field(default_factory=dict)
    postgres: dict[str, int] = field(default_factory=dict)
    parquet: dict[str, int] = field(default_factory=dict)
    mismatches: list[str] = field(default_factory=list)
    """``{store} {table}: {id} is missing | is one too many | differs in {columns}``."""

    def compare(self, entity: str, expected: Rows, postgres: Rows, parquet: Rows) -> None:
        table = TABLES[entity]
        self.truth[table], self.postgres[table], self.parquet[table] = len(expected), len(postgres), len(parquet)
        for store, rows in (("PostgreSQL", postgres), ("Parquet", parquet)):
            found = differences(content_columns(entity), expected, rows)
            self.mismatches += [f"{store} {table}: {difference}" for difference in found]


def differences(columns: Sequence[str], expected: Rows, found: Rows) -> Iterator[str]:
    """What of ``found`` is not as ``expected``, by id; both have the values of ``columns``. None of them is told."""
    for missing in sorted(expected.keys() - found.keys()):
        yield f"{missing} is missing"
    for invented in sorted(found.keys() - expected.keys()):
        yield f"{invented} is one too many"
    for id_ in sorted(expected.keys() & found.keys()):
        if expected[id_] != found[id_]:
            pairs = zip(columns, expected[id_], found[id_], strict=True)
            yield f"{id_} differs in {', '.join(name for name, mine, theirs in pairs if mine != theirs)}"


def expected_rows(truths: Mapping[str, tuple[dict[str, Any], str]]) -> dict[str, Rows]:
    """``{property_id: (the simulator's truth, time zone)}`` → the rows of each entity."""
    rows: dict[str, Rows] = {entity: {} for entity in ENTITIES}
    for property_id, (truth, time_zone) in truths.items():
        context = MappingContext.of(property_id, time_zone)
        for entity in ("guest", "room", "payment", "booking"):
            for record in truth["records"][entity].values():
                for kind, row in map_payload("hostpms", entity, msgspec.json.encode(record), context):
                    # Guests from inside reservations stand only where there is no profile: profiles are mapped first.
                    rows[kind].setdefault(row.id, _content(kind, row))
    return rows


def _content(entity: str, row: Any) -> Content:
    return tuple(_comparable(getattr(row, name)) for name in content_columns(entity))


def postgres_rows(
    connection: psycopg.Connection[Any], entity: str, columns: Sequence[str] | None = None, where: str = "true"
) -> Rows:
    """``columns``: in place of the content's."""
    names = ", ".join(("id", *(columns or content_columns(entity))))
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(f"SELECT {names} FROM hotel.{TABLES[entity]} WHERE {where}")  # nosec B608 # our own names
        return {str(row.pop("id")): tuple(map(_comparable, row.values())) for row in cursor}


def parquet_rows(bodies: Iterable[bytes], entity: str) -> Rows:
    """The latest version of each id, of all versions in the files."""
    order = order_columns(entity)
    latest: dict[str, dict[str, Any]] = {}
    for body in bodies:
        for row in pq.read_table(io.BytesIO(body)).to_pylist():
            held = latest.get(row["id"])
            if held is None or _rank(row, order) > _rank(held, order):
                latest[row["id"]] = row
    return {id_: tuple(_comparable(row[name]) for name in content_columns(entity)) for id_, row in latest.items()}


def _rank(row: Mapping[str, Any], order: Iterable[str]) -> tuple[Any, ...]:
    return tuple(_EPOCH if row[name] is None else row[name] for name in order)


def _comparable(value: Any) -> Any:
    """One spelling for what the stores spell differently: ids as text, amounts without trailing noughts."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return value.normalize()
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return value


def quarantined(connection: psycopg.Connection[Any]) -> Counter[str]:
    """Reason → records that wait in the quarantine."""
    query = "SELECT reason, count(*) FROM hotel.quarantine WHERE resolved_at IS NULL GROUP BY reason"
    return Counter(dict(connection.execute(query).fetchall()))
