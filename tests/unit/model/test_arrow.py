"""Rows as Arrow tables, and what is written of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model import arrow
from shared.model.columns import row_type
from shared.model.identity import record_id
from shared.model.mapping import Row
from tests import factories

AWKWARD = [
    "",
    " ",
    '"',
    "'",
    ",",
    "\\",
    "\\N",
    "\\.",
    "a\nb",
    "\r\n",
    "NULL",
    "{}",
    "João, «Ñandú» 🛏",
    "\t",
    "x" * 5000,
]


def booking(**content: object) -> Row:
    return factories.booking_row(**content)


def room(**content: object) -> Row:
    fields = {"id": record_id("hostpms", "H", "room", "1"), "external_id": "1", "source": "hostpms", "hotel_id": "H"}
    order = {"raw_received_at": factories.RECEIVED, "mapping_version": 1, "raw_key": "k", "raw_line": 0}
    return row_type("room")(**fields, status="clean", **order, **content)


def csv_rows(entity: str, rows: Sequence[Row]) -> list[dict[str, str | None]]:
    """The CSV as PostgreSQL reads it: nothing unquoted is null, and quoted it is the empty string."""
    written = bytes(arrow.csv(arrow.table(entity, rows))).decode()
    # Python's reader cannot tell "" from nothing: the quoted one is marked before it reads.
    marked = written.replace('""', "\x01")
    fields = csv.reader(io.StringIO(marked), strict=True)
    return [dict(zip(arrow.schema(entity).names, row, strict=True)) for row in fields]


def test_a_table_holds_what_the_rows_hold() -> None:
    rows = [booking(external_id="1"), booking(external_id="2", total_amount=None, guest_name="João", adults=0)]
    read = arrow.table("booking", rows).to_pylist()
    for row, found in zip(rows, read, strict=True):
        assert found == {name: getattr(row, name) for name in found}


@pytest.mark.parametrize("entity", ["booking", "guest", "room", "payment", "quarantine"])
def test_no_rows_are_an_empty_table(entity) -> None:
    table = arrow.table(entity, [])
    assert (table.schema, table.num_rows) == (arrow.schema(entity), 0)
    assert bytes(arrow.csv(table)) == b""
    assert pq.read_table(pa.BufferReader(parquet(entity, table))).num_rows == 0


@pytest.mark.parametrize("value", [["wifi"], [], None, ["a", "b"]])
def test_a_list_that_all_rows_share_stays_a_list(value) -> None:
    assert arrow.table("room", [room(amenities=value)] * 3)["amenities"].to_pylist() == [value] * 3


def test_instants_of_any_offset_are_the_same_instant() -> None:
    there = datetime(2024, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    rows = [booking(booked_at=there), booking(booked_at=there - timedelta(days=1))]
    assert arrow.table("booking", rows)["booked_at"].to_pylist()[0] == datetime(2024, 3, 1, 10, 0, tzinfo=UTC)


def test_days_and_instants_at_the_calendar_s_ends_are_held() -> None:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    rows = [booking(booked_at=first, check_in_date=date.min), booking(booked_at=last, check_out_date=date.max)]
    table = arrow.table("booking", rows)
    assert table["booked_at"].to_pylist() == [first, last]
    assert table["check_in_date"].to_pylist()[0] == date.min


@given(st.lists(st.booleans(), min_size=1, max_size=5), st.lists(st.none() | st.integers(0, 1), min_size=1, max_size=5))
def test_a_column_of_one_value_is_the_same_as_a_column_of_many(flags, counts) -> None:
    """Zero and False, one and True are equal to Python, and yet no column mixes them."""
    guests = [factories.guest_row(is_profile=flag, marketing_consent=flag) for flag in flags]
    assert arrow.table("guest", guests)["marketing_consent"].to_pylist() == flags
    rooms = [room(floor=count) for count in counts]
    assert arrow.table("room", rooms)["floor"].to_pylist() == counts


# -- CSV -------------------------------------------------------------------------------------------


def test_null_is_nothing_and_the_empty_string_is_quoted() -> None:
    (row,) = csv_rows("booking", [booking(special_requests="", rate_plan=None)])
    assert (row["special_requests"], row["rate_plan"]) == ("\x01", "")


@pytest.mark.parametrize("text", [text for text in AWKWARD if '"' not in text and text])
def test_text_is_written_so_that_it_is_read_back(text) -> None:
    (row,) = csv_rows("booking", [booking(special_requests=text)])
    assert row["special_requests"] == text


@pytest.mark.parametrize(
    ("currency", "amount", "written"),
    [("EUR", "450.00", "450.00"), ("JPY", "450", "450"), ("KWD", "1.500", "1.500"), ("CLF", "1.2345", "1.2345"),
     (None, "450.00", "450.00"), ("EUR", "-0.50", "-0.50"), ("EUR", "99999999999999.99", "99999999999999.99")],
)  # fmt: skip
def test_an_amount_has_its_currency_s_digits(currency, amount, written) -> None:
    (row,) = csv_rows("booking", [booking(total_amount=Decimal(amount), currency=currency)])
    assert row["total_amount"] == written


def test_amounts_of_several_currencies_stand_side_by_side() -> None:
    wanted = [("EUR", "450.00"), ("JPY", "450"), ("KWD", "1.500"), (None, "3.00"), ("EUR", None), ("JPY", "0")]
    rows = [booking(currency=code, total_amount=None if amount is None else Decimal(amount)) for code, amount in wanted]
    assert [row["total_amount"] for row in csv_rows("booking", rows)] == [amount or "" for _, amount in wanted]


def test_pieces_put_together_are_written_as_one() -> None:
    pieces = [
        [booking(external_id="1", currency="EUR")],
        [booking(external_id="2", currency="JPY", total_amount=Decimal(7))],
    ]
    together = arrow.from_ipc([arrow.ipc(arrow.table("booking", rows)) for rows in pieces])
    assert together.num_rows == 2
    assert bytes(arrow.csv(together)) == b"".join(bytes(arrow.csv(arrow.table("booking", rows))) for rows in pieces)


@pytest.mark.parametrize(
    ("amenities", "literal"),
    [(None, ""), ([], "{}"), (["wifi", "varanda"], '{"wifi","varanda"}'), (['a"b', "c\\d", "", "e,f}"], None)],
)
def test_a_list_is_written_as_an_array_literal(amenities, literal) -> None:
    written = bytes(arrow.csv(arrow.table("room", [room(amenities=amenities)]))).decode()
    (fields,) = csv.reader(io.StringIO(written))
    found = dict(zip(arrow.schema("room").names, fields, strict=True))["amenities"]
    assert found == (literal if literal is not None else '{"a\\"b","c\\\\d","","e,f}"}')


# -- Parquet ---------------------------------------------------------------------------------------


def parquet(entity: str, *tables: pa.Table) -> bytes:
    file = arrow.ParquetFile(entity, factories.RECEIVED)
    for table in tables:
        file.write(table)
    assert file.rows == sum(table.num_rows for table in tables)
    return file.close()


def test_a_parquet_file_holds_the_rows_and_when_the_batch_was_fixed() -> None:
    rows = [booking(external_id=str(number), special_requests=text) for number, text in enumerate(AWKWARD)]
    content = parquet("booking", arrow.table("booking", rows))
    read = pq.read_table(pa.BufferReader(content))
    assert read.schema.names == arrow.lake_schema("booking").names
    assert [field.type for field in read.schema] == [field.type for field in arrow.lake_schema("booking")]
    assert read["special_requests"].to_pylist() == AWKWARD
    assert set(read["synced_at"].to_pylist()) == {factories.RECEIVED}


def test_the_same_rows_are_the_same_bytes() -> None:
    table = arrow.table("booking", [booking(external_id=str(number)) for number in range(50)])
    assert parquet("booking", table) == parquet("booking", table)


def test_a_file_is_written_a_row_group_at_a_time() -> None:
    table = arrow.table("room", [room(number=str(number)) for number in range(5)])
    content = parquet("room", table[:3], table[3:])
    assert pq.ParquetFile(pa.BufferReader(content)).metadata.num_row_groups == 2
    assert pq.read_table(pa.BufferReader(content))["number"].to_pylist() == ["0", "1", "2", "3", "4"]


# -- Buckets ---------------------------------------------------------------------------------------

IDS = st.lists(st.uuids(version=5).map(str), min_size=1, max_size=30)


@given(IDS, st.integers(1, 600))
def test_buckets_are_ranges_of_ids(ids, count) -> None:
    table = arrow.table("booking", [booking(external_id=str(n)) for n in range(len(ids))])
    table = table.set_column(table.schema.get_field_index("id"), "id", pa.array(ids))
    buckets = arrow.buckets_of(table, count).to_pylist()
    assert all(0 <= bucket < count for bucket in buckets)
    assert [bucket for _, bucket in sorted(zip(ids, buckets, strict=True))] == sorted(buckets)


def test_the_first_and_the_last_id_lie_in_the_first_and_the_last_bucket() -> None:
    table = arrow.table("booking", [booking(), booking()])
    ids = pa.array(["00000000-0000-5000-8000-000000000000", "ffffffff-ffff-5fff-bfff-ffffffffffff"])
    table = table.set_column(0, "id", ids)
    assert arrow.buckets_of(table, 100).to_pylist() == [0, 99]


def test_the_newest_of_each_id_is_the_greatest_in_the_order_of_versions() -> None:
    rows = []
    for id_, updated_at, key in (("b", 1, "k1"), ("a", None, "k9"), ("b", 2, "k1"), ("a", 1, "k1"), ("b", 2, "k2")):
        row = row_type("guest")()
        row.id, row.raw_key, row.raw_line, row.is_profile = id_, key, 0, False
        row.source_updated_at = None if updated_at is None else datetime(2024, 3, updated_at, tzinfo=UTC)
        row.raw_received_at, row.mapping_version = datetime(2024, 3, 9, tzinfo=UTC), 1
        rows.append(row)
    rows[0].is_profile = True

    newest = arrow.newest("guest", arrow.table("guest", rows)).to_pylist()

    # A profile outranks every time; a known time outranks none; the raw key decides between equals.
    assert [(row["id"], row["is_profile"], row["raw_key"]) for row in newest] == [("a", False, "k1"), ("b", True, "k1")]


def test_the_newest_of_no_rows_is_none() -> None:
    assert arrow.newest("guest", arrow.table("guest", [])).num_rows == 0
