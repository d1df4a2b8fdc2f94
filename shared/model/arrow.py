"""Rows as Arrow tables: the shape in which the batch path moves, stores and COPYs them."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from msgspec.structs import astuple

from shared.model.columns import Column, columns, lake_columns, order_columns
from shared.model.mapping import Row
from shared.model.money import minor_digits
from shared.model.vectors import Vector

_TYPES: dict[type, pa.DataType] = {
    UUID: pa.string(),
    str: pa.string(),
    int: pa.int32(),
    bool: pa.bool_(),
    date: pa.date32(),
    datetime: pa.timestamp("us", tz="UTC"),
    Decimal: pa.decimal128(18, 4),
    list: pa.list_(pa.string()),
}
# A dictionary of values that hardly repeat is built in vain and then thrown away; their least and greatest in a file
# rule nothing out.
_ALMOST_UNIQUE = frozenset(
    {
        "id",
        "external_id",
        "guest_id",
        "guest_name",
        "guest_email",
        "guest_phone",
        "guest_tax_id",
        "email",
        "phone",
        "tax_id",
    }
)
_MADE_BY_STORES = ("version", "synced_at")


@cache
def schema(entity: str) -> pa.Schema:
    """A mapped row: every column of the model but those that a store fills in."""
    return pa.schema([_field(column) for column in columns(entity) if column.name not in _MADE_BY_STORES])


@cache
def lake_schema(entity: str) -> pa.Schema:
    """A Parquet file's columns; ``source`` stands in its path."""
    return pa.schema([_field(column) for column in lake_columns(entity)])


def table(entity: str, rows: Sequence[Row]) -> pa.Table:
    """``rows`` as a table of ``schema(entity)``."""
    wanted = schema(entity)
    if not rows:
        return wanted.empty_table()
    values = dict(zip(rows[0].__struct_fields__, zip(*map(astuple, rows), strict=True), strict=True))
    return pa.table([_array(values[field.name], field.type) for field in wanted], wanted)


def column_table(entity: str, row: Row, length: int, keep: npt.NDArray[np.int64] | None) -> pa.Table:
    """A ``row`` whose every field is a ``Vector`` of ``length`` records, or the one value of all, as a table.

    Of the records ``keep`` alone, where they are given by number, and of those that have an external id.
    """
    wanted = schema(entity)
    count = length if keep is None else len(keep)

    def array(value: Any, kind: pa.DataType) -> pa.Array:
        if not isinstance(value, Vector):
            return pa.repeat(pa.scalar(value, kind), count)
        return value.array(kind) if keep is None else value.kept(kind, keep)

    made = pa.table([array(getattr(row, field.name), field.type) for field in wanted], wanted)
    names = made["external_id"]
    return made.filter(names.is_valid()) if names.null_count else made


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    """Much of a page is one and the same object in every row (the hotel, the time of receipt): converted once."""
    first = values[0]
    if values[-1] is first and values.count(first) == len(values):
        return pa.repeat(pa.scalar(first, kind), len(values))
    return pa.array(values, kind)


class ParquetFile:
    """A Parquet file of one entity and source, written a row group at a time."""

    def __init__(self, entity: str, synced_at: datetime) -> None:
        self.rows = 0
        self._schema = lake_schema(entity)
        self._stamp = pa.scalar(synced_at, pa.timestamp("us", tz="UTC"))
        self._sink = io.BytesIO()
        shared = [name for name in self._schema.names if name not in _ALMOST_UNIQUE]
        self._writer = pq.ParquetWriter(
            self._sink,
            self._schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=shared,
            write_statistics=shared,
        )

    def write(self, rows: pa.Table) -> None:
        """``rows``, of ``schema(entity)``, as one more row group."""
        self.rows += rows.num_rows
        if "synced_at" in self._schema.names:
            rows = rows.append_column(self._schema.field("synced_at"), pa.repeat(self._stamp, rows.num_rows))
        self._writer.write_table(rows.select(self._schema.names), max(1, rows.num_rows))

    def close(self) -> bytes:
        """The whole file."""
        self._writer.close()
        return self._sink.getvalue()


class NewestRows:
    """The newest row of each id in a table of ``schema(entity)``, numbered from 0 in the order of the ids, as CSV."""

    def __init__(self, entity: str, rows: pa.Table) -> None:
        self._rows = newest(entity, rows)
        self._ranking = ["id", *order_columns(entity)]

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def ranks(self) -> memoryview:
        """Number, id and order columns of each."""
        numbers = pa.array(np.arange(len(self), dtype=np.int32))
        return csv(self._rows.select(self._ranking).add_column(0, "number", numbers))

    def csv(self, numbers: Sequence[int]) -> memoryview:
        """All columns of some, in the order of their ids."""
        if len(numbers) == len(self):
            return csv(self._rows)
        chosen = np.zeros(len(self), dtype=np.bool_)
        chosen[list(numbers)] = True
        return csv(self._rows.filter(pa.array(chosen)))


def csv(rows: pa.Table) -> memoryview:
    """``rows`` as PostgreSQL's COPY reads CSV: null is nothing, the empty string ``""``."""
    columns = [_writable(rows, name) for name in rows.column_names]
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(pa.table(columns, rows.column_names), sink, pa_csv.WriteOptions(include_header=False))
    return memoryview(sink.getvalue())


def newest(entity: str, rows: pa.Table) -> pa.Table:
    """One row of each id, the greatest in the order of versions; in the order of the ids."""
    descending = [(name, "descending") for name in order_columns(entity)]  # null, the least, comes last
    rows = rows.sort_by([("id", "ascending"), *descending])
    ids = rows["id"].combine_chunks()
    first = pc.not_equal(ids[1:], ids[:-1])
    return rows.filter(pa.concat_arrays([pa.array([True] * min(1, len(ids)), pa.bool_()), first]))


def ipc(rows: pa.Table) -> bytes:
    """``rows`` as a compressed Arrow stream: a blob that Spark can carry without looking inside."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(rows)
    blob: bytes = sink.getvalue().to_pybytes()
    return blob


def from_ipc(blobs: Sequence[bytes]) -> pa.Table:
    """The tables of ``blobs``, one after another."""
    return pa.concat_tables([pa.ipc.open_stream(blob).read_all() for blob in blobs])


def _field(column: Column) -> pa.Field:
    return pa.field(column.name, _TYPES[column.kind], column.nullable)


def _writable(rows: pa.Table, name: str) -> pa.ChunkedArray:
    """The column; what Arrow's CSV writer cannot write, as text that PostgreSQL reads."""
    column = rows[name]
    if pa.types.is_decimal(column.type):
        return _amounts(column, rows["currency"])
    if pa.types.is_timestamp(column.type):
        # Arrow writes an instant that has a time zone thirty times as slowly as one that has none.
        return pc.binary_join_element_wise(column.cast(pa.timestamp("us")).cast(pa.string()), "+00", "")
    if pa.types.is_list(column.type):
        return pa.chunked_array([pa.array([_array_literal(item) for item in column.to_pylist()], pa.string())])
    return column


def _amounts(column: pa.ChunkedArray, currency: pa.ChunkedArray) -> pa.ChunkedArray:
    """Amounts with their currency's number of digits, as the live path stores them: 450.00, and not 450.0000."""
    by_digits: dict[int, list[str | None]] = defaultdict(list)
    for code in pc.unique(currency).to_pylist():
        by_digits[minor_digits(code)].append(code)
    written = pa.nulls(len(column), pa.string())
    for digits, codes in by_digits.items():
        chosen = pc.is_in(currency, pa.array(codes, pa.string()))
        amounts = pc.if_else(chosen, column, pa.scalar(None, column.type))
        written = pc.coalesce(written, amounts.cast(pa.decimal128(18, digits)).cast(pa.string()))
    return written


def _array_literal(items: list[str] | None) -> str | None:
    if items is None:
        return None
    quoted = ('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items)
    return "{" + ",".join(quoted) + "}"


def buckets_of(rows: pa.Table, count: int) -> pa.Array:
    """The bucket, 0 to ``count`` - 1, of each row, by the first 16 bits of its id.

    Equal ids share a bucket, and a bucket is one range of the primary key: its upsert touches few pages.
    """
    prefix = pc.utf8_slice_codeunits(rows["id"], 0, 4)
    numbers = pc.cast(pc.binary_join_element_wise("0x", prefix, ""), pa.int32())
    return pc.cast(pc.divide(pc.multiply(numbers, count), 65536), pa.int32())
