"""The quarantine on a real PostgreSQL: what waits, since when, and when it was mended."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from shared.errors import NotFound
from shared.model.identity import quarantine_id
from shared.model.mapping import MappingContext, Refusal
from shared.pipeline.live import apply_objects
from shared.storage import quarantine
from shared.storage.postgres import Database
from shared.storage.unified_store import UnifiedStore
from tests import factories
from tests.factories import envelope, page, page_key, record
from tests.fakes.lakes import FakeRawLake

_numbers = itertools.count()
SOUND = record("booking")
BROKEN = record("booking", dates={"check_out": "2024-03-20"})


@pytest.fixture
def hotel() -> str:
    return f"H-{next(_numbers)}"


@pytest.fixture(scope="module")
def store(database: str) -> Iterator[UnifiedStore]:
    connected = Database(lambda: database)
    yield UnifiedStore(connected)
    connected.close()


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def refusal(hotel: str, line: int = 0, reason: str = "total_negative", version: int = 1) -> Refusal:
    key = page_key(property_id=hotel)
    return Refusal("hostpms", hotel, "booking", reason, "total_amount", key, line, version, "RSV-1", factories.RECEIVED)


def held(connection: psycopg.Connection[Any], hotel: str) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT * FROM hotel.quarantine WHERE hotel_id = %s ORDER BY raw_key, raw_line", (hotel,)
        ).fetchall()


def apply(store: UnifiedStore, hotel: str, *records: object, onboarded: bool = True) -> None:
    """The hotel's one page, with ``records`` in it, by the live path."""

    def context_of(vendor: str, property_id: str) -> MappingContext:
        if not onboarded:
            raise NotFound("nobody", reason="unknown_property")
        return factories.context(vendor, property_id)

    lines = [envelope(dict(sent, property_id=hotel), property_id=hotel) for sent in records]
    lake = FakeRawLake({page_key(property_id=hotel): page(lines)} if lines else {})
    applied = apply_objects([page_key(property_id=hotel)], lake.many, context_of, store)
    assert applied.failed == {}


# -- One refusal ---------------------------------------------------------------------------------------


def test_a_refusal_is_held_with_all_it_tells(store, connection, hotel) -> None:
    store.quarantine([refusal(hotel)])
    (row,) = held(connection, hotel)
    assert row["id"] == quarantine_id(page_key(property_id=hotel), 0)
    told = {name: row[name] for name in row if name not in ("id", "first_seen", "last_seen")}
    assert told == {
        "source": "hostpms",
        "hotel_id": hotel,
        "record_entity": "booking",
        "external_id": "RSV-1",
        "reason": "total_negative",
        "field": "total_amount",
        "raw_key": page_key(property_id=hotel),
        "raw_line": 0,
        "raw_received_at": factories.RECEIVED,
        "mapping_version": 1,
        "resolved_at": None,
    }


def test_refused_again_it_keeps_when_it_was_first_seen(store, connection, hotel) -> None:
    store.quarantine([refusal(hotel)])
    (before,) = held(connection, hotel)
    store.quarantine([refusal(hotel, reason="tax_exceeds_total", version=2)])
    (after,) = held(connection, hotel)
    assert after["first_seen"] == before["first_seen"]
    assert after["last_seen"] > before["last_seen"]
    assert (after["reason"], after["mapping_version"]) == ("tax_exceeds_total", 2)


def test_a_record_refused_twice_at_once_is_held_once(store, connection, hotel) -> None:
    store.quarantine([refusal(hotel), refusal(hotel), refusal(hotel, line=1)])
    assert len(held(connection, hotel)) == 2


def test_no_refusals_are_nothing(store) -> None:
    store.quarantine([])


# -- Mended --------------------------------------------------------------------------------------------


def test_a_record_that_maps_after_all_is_mended_and_one_that_does_not_waits(store, connection, hotel) -> None:
    apply(store, hotel, BROKEN, BROKEN)
    assert [row["resolved_at"] for row in held(connection, hotel)] == [None, None]
    apply(store, hotel, SOUND, BROKEN)
    mended, waiting = held(connection, hotel)
    assert mended["resolved_at"] >= mended["last_seen"] >= mended["first_seen"]
    assert waiting["resolved_at"] is None


def test_a_mended_record_that_is_refused_again_waits_again(store, connection, hotel) -> None:
    apply(store, hotel, BROKEN)
    apply(store, hotel, SOUND)
    (mended,) = held(connection, hotel)
    assert mended["resolved_at"] is not None
    apply(store, hotel, BROKEN)
    (again,) = held(connection, hotel)
    assert (again["resolved_at"], again["first_seen"]) == (None, mended["first_seen"])


def test_when_it_was_mended_stays(store, connection, hotel) -> None:
    apply(store, hotel, BROKEN)
    apply(store, hotel, SOUND)
    before = held(connection, hotel)
    apply(store, hotel, SOUND)
    assert held(connection, hotel) == before


def test_an_older_mapping_s_refusal_does_not_pass_for_mended(store, connection, hotel) -> None:
    """While a new version is deployed, a message may still meet the old one."""
    store.quarantine([refusal(hotel, version=2)])
    store.apply({}, [refusal(hotel, version=1)], [page_key(property_id=hotel)])
    (row,) = held(connection, hotel)
    assert row["resolved_at"] is None


def test_another_object_s_refusals_are_not_mended(store, connection, hotel) -> None:
    other = replace(refusal(hotel), raw_key=page_key("guest", property_id=hotel))
    store.quarantine([refusal(hotel), other])
    apply(store, hotel, SOUND)
    assert {row["raw_key"]: row["resolved_at"] is None for row in held(connection, hotel)} == {
        page_key(property_id=hotel): False,
        page_key("guest", property_id=hotel): True,
    }


def test_a_batch_mends_what_it_did_not_refuse_again_since_it_began(store, connection, hotel) -> None:
    store.quarantine([refusal(hotel, 0), refusal(hotel, 1)])
    began = store.clock()
    store.quarantine([refusal(hotel, 1)])
    assert store.resolve([page_key(property_id=hotel)], began) == 1
    assert [row["resolved_at"] is None for row in held(connection, hotel)] == [False, True]
    assert store.resolve([page_key(property_id=hotel)], began) == 0


def test_a_refusal_of_a_transaction_that_failed_was_never_there(store, connection, hotel) -> None:
    unfit = factories.booking_row(property_id=hotel, adults=2**40)
    with pytest.raises(psycopg.DataError):
        store.apply({"booking": [unfit]}, [refusal(hotel)], [page_key(property_id=hotel)])
    assert held(connection, hotel) == []


# -- Whole objects -------------------------------------------------------------------------------------


def test_a_hotel_that_nobody_onboarded_is_one_refusal_and_mended_once_it_is(store, connection, hotel) -> None:
    apply(store, hotel, SOUND, SOUND, BROKEN, onboarded=False)
    (row,) = held(connection, hotel)
    assert (row["reason"], row["record_entity"], row["raw_line"]) == ("unknown_property", "unknown", 0)
    apply(store, hotel, SOUND, SOUND, BROKEN)
    whole, third = held(connection, hotel)
    assert whole["resolved_at"] is not None
    assert (third["raw_line"], third["reason"], third["resolved_at"]) == (2, "check_out_not_after_check_in", None)


def test_an_object_that_is_gone_waits_and_is_mended_once_it_is_back(store, connection, hotel) -> None:
    apply(store, hotel)
    (row,) = held(connection, hotel)
    assert (row["reason"], row["resolved_at"]) == ("no_such_object", None)
    apply(store, hotel, SOUND)
    assert held(connection, hotel)[0]["resolved_at"] is not None


# -- What waits ----------------------------------------------------------------------------------------


def test_what_waits_is_listed_oldest_first_and_by_hotel_and_reason(store, connection, hotel) -> None:
    other = f"{hotel}-other"
    store.quarantine([refusal(hotel, 1)])
    store.quarantine([refusal(hotel, 0), refusal(hotel, 2, reason="nul_character"), refusal(other)])
    store.quarantine([refusal(hotel, 3)])
    store.resolve([page_key(property_id=other)], store.clock())

    lines = [found.raw_line for found in quarantine.waiting(connection, hotel)]
    assert (lines[0], set(lines[1:3]), lines[3]) == (1, {0, 2}, 3)
    assert [found.raw_line for found in quarantine.waiting(connection, hotel, "nul_character")] == [2]
    assert [found.hotel_id for found in quarantine.waiting(connection, other)] == []
    assert {found.hotel_id for found in quarantine.waiting(connection, reason="total_negative")} >= {hotel}
    (first, *_) = quarantine.waiting(connection, hotel)
    assert (first.source, first.record_entity, first.field, first.mapping_version) == (
        "hostpms", "booking", "total_amount", 1,
    )  # fmt: skip


def test_a_quarantined_row_of_the_lake_tells_what_the_table_tells(hotel) -> None:
    (row,) = quarantine.quarantined_rows([refusal(hotel)], factories.RECEIVED)
    assert row.id == str(quarantine_id(page_key(property_id=hotel), 0))
    assert (row.record_entity, row.reason, row.first_seen, row.last_seen) == (
        "booking", "total_negative", factories.RECEIVED, None,
    )  # fmt: skip
