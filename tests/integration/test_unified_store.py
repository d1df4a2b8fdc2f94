"""What a set of raw objects came to is stored whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from shared.model import arrow
from shared.model.mapping import Refusal, Row
from shared.storage.postgres import Database
from shared.storage.unified_store import UnifiedStore
from tests.factories import GIVEN, booking_row, guest_row, mapped, minutes, page_key


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def store(database: str, connection: psycopg.Connection[Any]) -> Iterator[UnifiedStore]:
    connection.execute("TRUNCATE hotel.bookings, hotel.guests, hotel.rooms, hotel.payments, hotel.quarantine")
    connected = Database(lambda: database)
    yield UnifiedStore(connected)
    connected.close()


def count(connection: psycopg.Connection[Any], table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM hotel.{table}").fetchone()
    assert row
    return int(row[0])


def test_rows_of_every_entity_are_stored_and_counted(store, connection) -> None:
    rows: dict[str, list[Any]] = {}
    for entity in GIVEN:
        for kind, found in mapped(entity, GIVEN[entity]).rows.items():
            rows[kind] = rows.get(kind, []) + found
    assert store.apply(rows, [], []) == {"booking": 1, "guest": 1, "room": 1, "payment": 1}
    assert store.apply(rows, [], []) == {"booking": 0, "guest": 0, "room": 0, "payment": 0}
    assert [count(connection, table) for table in ("bookings", "guests", "rooms", "payments")] == [1, 1, 1, 1]


def test_a_row_that_does_not_fit_takes_the_whole_set_with_it(store, connection) -> None:
    refusal = Refusal("hostpms", "H", "booking", "x", None, page_key(), 0, 1)
    rows = {"booking": [booking_row("1")], "guest": [guest_row(is_profile=True, first_name="a\0b")]}
    with pytest.raises(psycopg.DataError):
        store.apply(rows, [refusal], [])
    assert (count(connection, "bookings"), count(connection, "quarantine")) == (0, 0)
    assert store.apply({"booking": [booking_row("1")]}, [], []) == {"booking": 1}


def test_nothing_is_nothing(store) -> None:
    assert store.apply({}, [], []) == {}
    assert store.apply({"booking": []}, [], []) == {}
    assert store.upsert({}) == {}


def test_many_rows_of_several_entities_are_stored_in_one_transaction(store, connection) -> None:
    def many(entity: str, *rows: Row) -> arrow.NewestRows:
        return arrow.NewestRows(entity, arrow.table(entity, rows))

    guest = many("guest", guest_row(is_profile=True))
    assert store.upsert({"guest": guest, "booking": many("booking", booking_row("1"), booking_row("2"))}) == {
        "booking": 2,
        "guest": 1,
    }
    impossible = guest_row("2", is_profile=True, first_name="a\0b")
    wrong = {"booking": many("booking", booking_row("3")), "guest": many("guest", impossible)}
    with pytest.raises(psycopg.DataError):
        store.upsert(wrong)
    assert count(connection, "bookings") == 2


def test_the_server_s_clock_is_told(store, connection) -> None:
    before = store.clock()
    (now,) = connection.execute("SELECT clock_timestamp()").fetchone() or (None,)
    assert before <= now <= store.clock()


def test_what_another_transaction_holds_is_waited_for_and_judged_anew(store, connection, database) -> None:
    store.apply({"booking": [booking_row("1", rate_plan="first")]}, [], [])
    with psycopg.connect(database) as other:
        other.execute("SELECT 1 FROM hotel.bookings FOR UPDATE")
        # An unchanged row needs no lock, and so waits for nobody.
        assert store.apply({"booking": [booking_row("1", rate_plan="first")]}, [], []) == {"booking": 0}
    assert store.apply({"booking": [booking_row("1", updated_at=minutes(1))]}, [], []) == {"booking": 1}
