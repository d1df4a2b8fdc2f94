"""Rows as Arrow tables: the shape in which the batch path moves, stores and COPYs them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from msgspec.structs import astuple

from shared.model.columns import Column, columns, lake_columns
from shared.model.mapping import Row

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
    return pa.table([pa.array(values[field.name], field.type) for field in wanted], wanted)


def parquet(entity: str, rows: pa.Table, synced_at: datetime) -> bytes:
    """``rows`` of one source as a Parquet file. Equal rows give equal bytes, whatever order they came in."""
    rows = rows.sort_by([(name, "ascending") for name in ("id", "raw_key", "raw_line") if name in rows.column_names])
    if "synced_at" in lake_schema(entity).names:
        stamp = pa.scalar(synced_at, pa.timestamp("us", tz="UTC"))
        rows = rows.append_column("synced_at", pa.repeat(stamp, rows.num_rows))
    sink = io.BytesIO()
    pq.write_table(rows.select(lake_schema(entity).names), sink, compression="zstd", compression_level=1)
    return sink.getvalue()


def csv(rows: pa.Table) -> memoryview:
    """``rows`` as PostgreSQL's COPY reads CSV: null is nothing, the empty string ``""``."""
    writable = pa.table([_writable(column) for column in rows.columns], rows.column_names)
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(writable, sink, pa_csv.WriteOptions(include_header=False, batch_size=4096))
    return memoryview(sink.getvalue())


def ipc(rows: pa.Table) -> bytes:
    """``rows`` as an Arrow stream: a blob that Spark can carry without looking inside."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


def from_ipc(blobs: Sequence[bytes]) -> pa.Table:
    """The tables of ``blobs``, one after another."""
    return pa.concat_tables([pa.ipc.open_stream(blob).read_all() for blob in blobs])


def _field(column: Column) -> pa.Field:
    return pa.field(column.name, _TYPES[column.kind], column.nullable)


def _writable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """What Arrow's CSV writer cannot write, as text that PostgreSQL reads."""
    if pa.types.is_decimal(column.type):
        return column.cast(pa.string())
    if pa.types.is_list(column.type):
        return pa.chunked_array([pa.array([_array_literal(item) for item in column.to_pylist()], pa.string())])
    return column


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
