"""The migrations on a real PostgreSQL: the schema is what the models say, however often they run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from alembic.util import CommandError
from psycopg.conninfo import make_conninfo

from shared.model.columns import MODELS, TABLES, columns
from shared.storage import migrations
from tests.conftest import TemplatedPostgres

SQL_TYPES = {
    UUID: "uuid",
    str: "text",
    int: "integer",
    bool: "boolean",
    date: "date",
    datetime: "timestamp with time zone",
    Decimal: "numeric",
    list: "ARRAY",
}
LOOK_UPS = {
    "bookings": {
        ("hotel_id", "check_in_date", "check_out_date"),
        ("hotel_id", "status"),
        ("hotel_id", "guest_email"),
    },
    "guests": {("hotel_id", "email")},
    "payments": {("hotel_id", "booking_id"), ("hotel_id", "received_at")},
    "quarantine": {("raw_key",)},
}
"""What will be looked for, and must not read the whole table."""
ALL_TABLES = {*TABLES.values(), "reader_hotels"}


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def blank(postgres: TemplatedPostgres) -> Iterator[str]:
    """The DSN of a database without any schema of ours."""
    with psycopg.connect(postgres.server.dsn_of("postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE never_migrated TEMPLATE template0")
        yield postgres.server.dsn_of("never_migrated")
        admin.execute("DROP DATABASE never_migrated WITH (FORCE)")


def schema_of(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute(
        """SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
        WHERE table_schema = 'hotel' ORDER BY table_name, ordinal_position"""
    ).fetchall()


@pytest.mark.parametrize("entity", MODELS)
def test_a_table_s_columns_are_the_model_s(connection, entity) -> None:
    """Names, order, types and what may be null; a column that only one side has is found here."""
    stored = [
        (name, kind, null == "YES") for table, name, kind, null, _ in schema_of(connection) if table == TABLES[entity]
    ]
    wanted = [(column.name, SQL_TYPES[column.kind], column.nullable) for column in columns(entity)]
    # The table fills in when a refusal was last seen; the model leaves it out of the lake.
    made_here = {"last_seen"} if entity == "quarantine" else set()
    assert [(name, kind, null or name in made_here) for name, kind, null in stored] == wanted


def test_there_is_no_table_that_no_model_knows_but_the_readers_hotels(connection) -> None:
    assert {table for table, *_ in schema_of(connection)} == ALL_TABLES


def test_lists_are_arrays_of_text(connection) -> None:
    kinds = connection.execute("SELECT udt_name FROM information_schema.columns WHERE column_name = 'amenities'")
    assert kinds.fetchall() == [("_text",)]


@pytest.mark.parametrize("table", TABLES.values())
def test_a_row_is_known_by_its_id(connection, table) -> None:
    assert ("id",) in indexes_of(connection, table)


@pytest.mark.parametrize(("table", "wanted"), LOOK_UPS.items())
def test_the_look_ups_have_their_indexes(connection, table, wanted) -> None:
    assert wanted <= indexes_of(connection, table)


def indexes_of(connection: psycopg.Connection[Any], table: str) -> set[tuple[str, ...]]:
    rows = connection.execute(
        """SELECT array_agg(a.attname::text ORDER BY k.place) FROM pg_index i
        CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, place)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE i.indrelid = %s::regclass GROUP BY i.indexrelid""",
        (f"hotel.{table}",),
    )
    return {tuple(names) for (names,) in rows}


def test_raw_keys_are_compared_byte_by_byte_whatever_the_locale(connection) -> None:
    collations = connection.execute(
        """SELECT table_name, collation_name FROM information_schema.columns
        WHERE table_schema = 'hotel' AND column_name = 'raw_key' AND table_name <> 'quarantine'"""
    ).fetchall()
    assert len(collations) == 4
    assert {collation for _, collation in collations} == {"C"}


def test_running_them_twice_changes_nothing(database, connection) -> None:
    before = schema_of(connection)
    migrations.upgrade(database)
    assert schema_of(connection) == before


def test_two_that_run_at_once_do_not_stand_in_each_other_s_way(blank) -> None:
    errors: list[Exception] = []

    def upgrade() -> None:
        try:
            migrations.upgrade(blank)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with psycopg.connect(blank) as connection:
        assert {table for table, *_ in schema_of(connection)} == ALL_TABLES
        assert connection.execute("SELECT count(*) FROM schema_version").fetchone() == (1,)


def test_a_connection_string_of_any_form_will_do(blank, postgres) -> None:
    fields = postgres.server.secret
    conninfo = make_conninfo(
        host=fields["host"], port=fields["port"], dbname="never_migrated", user=fields["username"],
        password=fields["password"], sslmode="disable", application_name="it's ours", connect_timeout=5,
    )  # fmt: skip
    migrations.upgrade(conninfo)
    with psycopg.connect(blank) as connection:
        assert schema_of(connection)


def test_a_migration_that_fails_leaves_nothing_and_no_lock(blank) -> None:
    with psycopg.connect(blank, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA hotel; CREATE TABLE hotel.rooms (in_the_way int)")
        with pytest.raises(Exception, match="rooms"):
            migrations.upgrade(blank)
        assert {table for table, *_ in schema_of(connection)} == {"rooms"}
        connection.execute("DROP TABLE hotel.rooms")
        migrations.upgrade(blank)
        assert {table for table, *_ in schema_of(connection)} == ALL_TABLES


def test_what_was_migrated_before_one_that_fails_stays(blank) -> None:
    with psycopg.connect(blank, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA hotel; CREATE TABLE hotel.reader_hotels (in_the_way int)")
        with pytest.raises(Exception, match="reader_hotels"):
            migrations.upgrade(blank)
        assert connection.execute("SELECT version_num FROM schema_version").fetchall() == [("0001",)]


def test_a_database_of_a_later_version_is_left_alone(blank) -> None:
    """A deployment that is taken back runs the version before, on the schema of the one after."""
    assert migrations.upgrade(blank) is True
    with psycopg.connect(blank, autocommit=True) as connection:
        connection.execute("UPDATE schema_version SET version_num = '9999'")
        before = schema_of(connection)
        assert migrations.upgrade(blank) is False
        assert connection.execute("SELECT version_num FROM schema_version").fetchall() == [("9999",)]
        assert schema_of(connection) == before


def test_a_version_that_is_neither_known_nor_later_is_an_error(blank) -> None:
    migrations.upgrade(blank)
    with psycopg.connect(blank, autocommit=True) as connection:
        connection.execute("UPDATE schema_version SET version_num = '0000'")
    with pytest.raises(CommandError, match="0000"):
        migrations.upgrade(blank)


def test_no_statement_goes_on_after_the_time_that_there_is(blank) -> None:
    with psycopg.connect(blank, autocommit=True) as another:
        # Gone before the test would wait for ever.
        another.execute("SET idle_session_timeout = '60s'")
        another.execute("SELECT pg_advisory_lock(7207732301)")
        begun = time.monotonic()
        with pytest.raises(Exception, match="statement timeout"):
            migrations.upgrade(blank, seconds=0.5)
        assert time.monotonic() - begun < 30
