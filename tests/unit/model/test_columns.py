"""The models are the one definition: columns, row types, Arrow and Glue follow from them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import get_args
from uuid import UUID

import pyarrow as pa
import pytest
from pydantic import ValidationError

from shared.model import arrow, vocabulary
from shared.model.columns import (
    ENTITIES,
    MODELS,
    TABLES,
    columns,
    content_columns,
    glue_columns,
    lake_columns,
    order_columns,
    row_type,
)
from shared.model.record import Identity, Sync
from tests import factories

EVERY_TABLE = pytest.mark.parametrize("entity", MODELS)
EVERY_ENTITY = pytest.mark.parametrize("entity", ENTITIES)
SYNC = set(Sync.model_fields)
IDENTITY = set(Identity.model_fields)

PROMISED = {
    "booking": "guest_id guest_name guest_email guest_phone guest_country guest_tax_id room_id room_number room_type "
    "check_in_date check_out_date booked_at total_amount currency tax_amount city_tax_amount deposit_paid rate_plan "
    "adults children status source_status channel source_channel payment_method special_requests lead_time "
    "length_of_stay",
    "guest": "first_name last_name email phone country tax_id date_of_birth loyalty_tier preferred_room_type "
    "marketing_consent",
    "room": "number floor type status source_status max_occupancy bed_type amenities base_rate currency",
    "payment": "booking_id amount currency method status received_at",
}
"""What the requirements name, identity and sync aside."""
SYNC_PROMISED = {"source_updated_at", "synced_at", "version", "raw_key", "mapping_version"}
MAY_NOT_BE_NULL = {"check_in_date", "check_out_date", "status", "channel", "length_of_stay", "is_profile", "amount"}

ARROW_TO_GLUE = {
    pa.string(): "string",
    pa.int32(): "int",
    pa.bool_(): "boolean",
    pa.date32(): "date",
    pa.timestamp("us", tz="UTC"): "timestamp",
    pa.decimal128(18, 4): "decimal(18,4)",
    pa.list_(pa.string()): "array<string>",
}


def names(entity: str) -> list[str]:
    return [column.name for column in columns(entity)]


@EVERY_ENTITY
def test_a_table_has_all_that_was_promised(entity) -> None:
    assert set(PROMISED[entity].split()) <= set(content_columns(entity))
    assert set(names(entity)) >= SYNC_PROMISED | IDENTITY


@EVERY_ENTITY
def test_columns_stand_as_identity_content_sync(entity) -> None:
    found = names(entity)
    assert found[: len(IDENTITY)] == list(Identity.model_fields)
    assert found[-len(SYNC) :] == list(Sync.model_fields)
    assert tuple(found[len(IDENTITY) : -len(SYNC)]) == content_columns(entity)
    assert len(set(found)) == len(found)


@EVERY_TABLE
def test_every_column_says_what_it_is(entity) -> None:
    assert all(column.description.strip() for column in columns(entity))


@EVERY_TABLE
def test_a_row_has_exactly_the_columns(entity) -> None:
    assert list(row_type(entity).__struct_fields__) == names(entity)


@EVERY_ENTITY
def test_only_what_a_vendor_cannot_lack_is_required(entity) -> None:
    required = {column.name for column in columns(entity) if not column.nullable} - IDENTITY - SYNC
    # A payment without its currency is no amount.
    assert required <= MAY_NOT_BE_NULL | ({"currency"} if entity == "payment" else set())


@EVERY_ENTITY
def test_versions_are_ordered_by_authority_then_times_then_mapping_then_address(entity) -> None:
    times = ("source_updated_at", "raw_received_at", "mapping_version", "raw_key", "raw_line")
    assert order_columns(entity) == ((("is_profile",) if entity == "guest" else ()) + times)
    assert set(order_columns(entity)) <= set(names(entity))


def test_every_enum_ends_in_unknown_but_the_entities() -> None:
    enums = [kind for kind in vars(vocabulary).values() if isinstance(kind, type) and issubclass(kind, StrEnum)]
    for enum in set(enums) - {StrEnum, vocabulary.Entity}:
        assert list(enum)[-1] == "unknown"
    assert set(vocabulary.Entity) == set(ENTITIES)


# -- What is derived ---------------------------------------------------------------------------------


@EVERY_TABLE
def test_arrow_s_schema_is_the_columns(entity) -> None:
    wanted = {column.name: column for column in columns(entity) if column.name not in ("version", "synced_at")}
    schema = arrow.schema(entity)
    assert schema.names == list(wanted)
    assert all(schema.field(name).nullable == column.nullable for name, column in wanted.items())


@EVERY_TABLE
def test_glue_s_columns_are_the_parquet_file_s(entity) -> None:
    """Names, order and types; the partition columns stand in the path, and must not stand in the file too."""
    schema = arrow.lake_schema(entity)
    assert [(field.name, ARROW_TO_GLUE[field.type]) for field in schema] == [
        (name, kind) for name, kind, _ in glue_columns(entity)
    ]
    assert not {"source", "year", "month", "day"} & set(schema.names)


@EVERY_ENTITY
def test_the_lake_holds_all_but_what_only_postgresql_can_say(entity) -> None:
    left_out = set(names(entity)) - {column.name for column in lake_columns(entity)}
    assert left_out == {"source", "version"}


def test_the_lake_s_quarantine_has_no_mended_records() -> None:
    left_out = set(names("quarantine")) - {column.name for column in lake_columns("quarantine")}
    assert left_out == {"source", "last_seen", "resolved_at"}


@EVERY_TABLE
def test_a_field_s_type_is_its_column_s(entity) -> None:
    known = {UUID, str, int, bool, date, datetime, Decimal, list}
    assert {column.kind for column in columns(entity)} <= known
    for column in columns(entity):
        arms = get_args(MODELS[entity].model_fields[column.name].annotation)
        assert column.nullable == (type(None) in arms)


# -- Rows are what the models say ----------------------------------------------------------------------


def as_stored(row: object) -> dict[str, object]:
    fields = {name: getattr(row, name) for name in row.__struct_fields__}
    return fields | {"version": 1, "synced_at": factories.RECEIVED}


@pytest.mark.parametrize(
    ("sent", "entity"),
    [("booking", "booking"), ("booking", "guest"), ("guest", "guest"), ("room", "room"), ("payment", "payment")],
)
def test_a_mapped_row_is_what_its_model_says(sent, entity) -> None:
    mapped = factories.mapped(sent, factories.GIVEN[sent])
    (row,) = mapped.rows[entity]
    record = ENTITIES[entity].model_validate(as_stored(row))
    assert str(record.id) == row.id


def test_a_model_takes_neither_unknown_fields_nor_unknown_words() -> None:
    row = as_stored(factories.row_of("booking", factories.GIVEN["booking"]))
    for wrong in ({"status": "confirmado"}, {"colour": "blue"}, {"total_amount": Decimal("1.23456")}, {"id": "x"}):
        with pytest.raises(ValidationError):
            ENTITIES["booking"].model_validate(row | wrong)


def test_tables_are_named_once() -> None:
    assert list(TABLES.values()) == ["bookings", "guests", "rooms", "payments", "quarantine"]
