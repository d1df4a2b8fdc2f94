"""DuckDB's turn: the same pages read, mapped and written as Parquet, in one process and one statement a table.

    python -m scripts.benchmarks.peers.duckdb_mapping FOLDER OUT

A vectorised engine in C++ is the limit of what Python can be measured by. Its SQL makes the unified rows of bookings
and guests with the ids, words, amounts, days and instants that Pousada's mapping makes; what SQL cannot do, or the
comparison does not need, it is spared: phone numbers stay as they are sent, no rule is checked, no word is warned of,
nothing goes to a quarantine, and a raw record's line is not kept. Prints the seconds and the rows as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter

import duckdb

from shared.model.identity import NAMESPACE
from shared.vendors.hostpms import words

CORES = 2

_PAYLOAD = """STRUCT(
    reservation_id VARCHAR, property_id VARCHAR,
    guest STRUCT(guest_id VARCHAR, name VARCHAR, email VARCHAR, phone VARCHAR, country VARCHAR, nif VARCHAR),
    room STRUCT(type VARCHAR, number VARCHAR, floor INTEGER),
    dates STRUCT(check_in DATE, check_out DATE, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ),
    pricing STRUCT(total VARCHAR, currency VARCHAR, rate_plan VARCHAR, iva VARCHAR, taxa_turistica VARCHAR,
        deposit VARCHAR),
    status VARCHAR, channel VARCHAR, payment_method VARCHAR, adults INTEGER, children INTEGER,
    special_requests VARCHAR)"""

_READ = """
    CREATE TEMP TABLE raw AS SELECT filename, received_at, unnest(payload)
    FROM read_json($pages, format = 'newline_delimited', compression = 'gzip', filename = true,
        columns = {{received_at: 'TIMESTAMPTZ', payload: '{payload}'}})"""
_BOOKINGS = """
    COPY (
        SELECT {booking_id} AS id, reservation_id AS external_id, 'hostpms' AS source, property_id AS hotel_id,
            {guest_id} AS guest_id, guest.name AS guest_name, guest.email AS guest_email, guest.phone AS guest_phone,
            guest.country AS guest_country, guest.nif AS guest_tax_id, room.number AS room_number,
            coalesce({room_type}, room.type) AS room_type, dates.check_in AS check_in_date,
            dates.check_out AS check_out_date, dates.created_at AS booked_at, {total} AS total_amount,
            pricing.currency, {iva} AS tax_amount, {city_tax} AS city_tax_amount, {deposit} AS deposit_paid,
            pricing.rate_plan, adults, children, {status} AS status, status AS source_status,
            {channel} AS channel, channel AS source_channel, {method} AS payment_method,
            payment_method AS source_payment_method, special_requests,
            dates.check_in - CAST(timezone('Europe/Lisbon', dates.created_at) AS DATE) AS lead_time,
            dates.check_out - dates.check_in AS length_of_stay, dates.updated_at AS source_updated_at,
            received_at AS raw_received_at, 1 AS mapping_version, filename AS raw_key
        FROM raw WHERE dates.check_out > dates.check_in
    ) TO '{out}/bookings.parquet' ({format})"""
_GUESTS = """
    COPY (
        SELECT {guest_id} AS id, guest.guest_id AS external_id, 'hostpms' AS source, property_id AS hotel_id,
            split_part(guest.name, ' ', 1) AS first_name, nullif(substr(guest.name, instr(guest.name, ' ') + 1), '')
            AS last_name, guest.email, guest.phone, guest.country, guest.nif AS tax_id, false AS is_profile,
            dates.updated_at AS source_updated_at, received_at AS raw_received_at, 1 AS mapping_version,
            filename AS raw_key
        FROM raw WHERE dates.check_out > dates.check_in AND guest.guest_id IS NOT NULL
    ) TO '{out}/guests.parquet' ({format})"""
_FORMAT = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"


def main(folder: str, out: str) -> None:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {CORES}; SET TimeZone = 'UTC'")
    expressions = {
        "booking_id": _record_id("booking", "reservation_id"),
        "guest_id": _record_id("guest", "guest.guest_id"),
        "room_type": _word(words.ROOM_TYPE, "room.type"),
        "status": _word(words.STATUS, "status"),
        "channel": _word(words.CHANNEL, "channel"),
        "method": _word(words.PAYMENT_METHOD, "payment_method"),
        **{
            name: f"CAST(replace(pricing.{field}, ',', '.') AS DECIMAL(18, 4))"
            for name, field in (("total", "total"), ("iva", "iva"), ("city_tax", "taxa_turistica"), ("deposit",) * 2)
        },
    }
    began = perf_counter()
    connection.execute(_READ.format(payload=_PAYLOAD), {"pages": f"{folder}/*.ndjson.gz"})
    for statement in (_BOOKINGS, _GUESTS):
        connection.execute(statement.format(**expressions, out=out, format=_FORMAT))
    seconds = perf_counter() - began
    count = "SELECT count(*) FROM read_parquet('{}/{}.parquet')"
    rows = {
        table: connection.execute(count.format(Path(out), table)).fetchall()[0][0] for table in ("bookings", "guests")
    }
    print(json.dumps({"seconds": seconds, "rows": rows}))


def _record_id(entity: str, column: str) -> str:
    """UUIDv5, as ``shared.model.identity`` computes it."""
    name = f"encode('hostpms:' || property_id || ':{entity}:' || {column})"
    digest = f"sha1(unhex('{NAMESPACE.hex}') || {name})"
    return (
        f"list_transform([{digest}], lambda d:"
        " substr(d, 1, 8) || '-' || substr(d, 9, 4) || '-5' || substr(d, 14, 3) || '-'"
        " || substr('89ab', CAST('0x' || substr(d, 17, 1) AS INTEGER) % 4 + 1, 1)"
        " || substr(d, 18, 3) || '-' || substr(d, 21, 12))[1]"
    )


def _word(table: dict[str, str], column: str) -> str:
    """A look-up that ignores case and accents."""
    arms = " ".join(f"WHEN '{word}' THEN '{unified}'" for word, unified in table.items())
    return f"CASE lower(strip_accents(trim({column}))) {arms} END"


if __name__ == "__main__":
    main(*sys.argv[1:])
