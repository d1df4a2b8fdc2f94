"""Columns derived from the pydantic models: Arrow, Glue, PostgreSQL's COPY, and the mapper's row types.

Adding a column is: a field on the model, a line in the vendor's mapping, a migration. Nothing here changes.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Union, get_args, get_origin
from uuid import UUID

import msgspec
from pydantic import BaseModel

from shared.model.booking import Booking
from shared.model.guest import Guest
from shared.model.payment import Payment
from shared.model.quarantine import QuarantinedRecord
from shared.model.record import Identity, Sync, UnifiedRecord
from shared.model.room import Room

ENTITIES: dict[str, type[UnifiedRecord]] = {model.entity: model for model in (Booking, Guest, Room, Payment)}
MODELS: dict[str, type[BaseModel]] = {**ENTITIES, QuarantinedRecord.entity: QuarantinedRecord}
TABLES: dict[str, str] = {entity: model.table for entity, model in MODELS.items()}  # type: ignore[attr-defined]

_GLUE_TYPES = {
    UUID: "string",
    str: "string",
    int: "int",
    bool: "boolean",
    date: "date",
    datetime: "timestamp",
    Decimal: "decimal(18,4)",
    list: "array<string>",
}


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: type
    """One of ``_GLUE_TYPES``'s keys; an enum counts as str."""
    nullable: bool
    description: str
    in_lake: bool


@cache
def columns(entity: str) -> tuple[Column, ...]:
    """The table's columns in order: identity, content, sync."""
    model = MODELS[entity]
    names = list(model.model_fields)
    if issubclass(model, UnifiedRecord):
        ends = {*Identity.model_fields, *Sync.model_fields}
        names = [*Identity.model_fields, *(n for n in names if n not in ends), *Sync.model_fields]
    return tuple(_column(name, model.model_fields[name]) for name in names)


def content_columns(entity: str) -> tuple[str, ...]:
    """What counts as content: a change of one of these is a new version."""
    return tuple(column.name for column in columns(entity)[content_slice(entity)])


def content_slice(entity: str) -> slice:
    """Where the content stands among ``columns(entity)``, and so in a row's tuple."""
    return slice(len(Identity.model_fields), -len(Sync.model_fields))


def order_columns(entity: str) -> tuple[str, ...]:
    """The order of versions, most significant first; a row gives way only to a greater one (DESIGN.md §4).

    ``mapping_version`` lets a mended mapping replace its own older result on replay. The raw record's
    address comes last, and makes the order total: two records that say different things with equal times
    are told apart alike wherever and in whatever order they are applied.
    """
    times = ("source_updated_at", "raw_received_at", "mapping_version", "raw_key", "raw_line")
    return (*ENTITIES[entity].authority, *times)


def glue_columns(entity: str) -> list[tuple[str, str, str]]:
    """``(name, glue type, comment)`` of each column in the lake; the partition columns aside."""
    return [(c.name, _GLUE_TYPES[c.kind], c.description) for c in lake_columns(entity)]


def lake_columns(entity: str) -> tuple[Column, ...]:
    """The columns of the Parquet files. ``source`` is there a partition key, and stays out of the file."""
    return tuple(column for column in columns(entity) if column.in_lake and column.name != "source")


@cache
def row_type(entity: str) -> type[Any]:
    """The mapper's row: the model's fields as a struct, a twelfth of pydantic's cost (DESIGN.md §7).

    Made empty and filled by assignment: with this many fields, keywords cost twice as much. Identity and sync are
    filled in by the pipeline.
    """
    fields = [(column.name, Any, None) for column in columns(entity)]
    return msgspec.defstruct(f"{MODELS[entity].__name__}Row", fields, kw_only=True, gc=False)


def _column(name: str, field: Any) -> Column:
    kind, nullable = _kind(field.annotation)
    extra: dict[str, Any] = field.json_schema_extra or {}
    return Column(name, kind, nullable, field.description or "", extra.get("lake", True))


def _kind(annotation: Any) -> tuple[type, bool]:
    arms: Sequence[Any] = (annotation,)
    if get_origin(annotation) in (Union, types.UnionType):
        arms = get_args(annotation)
    nullable = type(None) in arms
    (arm,) = (a for a in arms if a is not type(None))
    arm = get_origin(arm) if get_origin(arm) is list else getattr(arm, "__origin__", arm)
    return (str if issubclass(arm, StrEnum) else arm), nullable
