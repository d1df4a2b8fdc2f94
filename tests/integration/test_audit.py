"""The ledger on a real PostgreSQL: what is whole is found whole, and each kind of loss is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from shared.errors import StoreUnavailable
from shared.model.columns import TABLES
from shared.pipeline.audit import Batches, Books, Finding, Totals, audit
from shared.pipeline.live import apply_objects
from shared.pipeline.manifest import Manifest, ObjectAddress
from shared.storage.ledger import Ledger
from shared.storage.postgres import Database
from shared.storage.raw_lake import RawObject
from shared.storage.unified_store import UnifiedStore
from tests import factories
from tests.conftest import TemplatedPostgres
from tests.factories import GIVEN, envelope, minutes, page, page_key, record
from tests.fakes.lakes import FakeRawLake
from tests.integration.test_two_paths import every_kind_of_record, histories


def manifest(*keys: str) -> Manifest:
    return Manifest("20240301T103100Z-0123456789abcdef", minutes(60), tuple(ObjectAddress(key, 1) for key in keys))


@dataclass
class Lake:
    """A raw lake whose records have come to PostgreSQL, and the ledger over both."""

    database: Database
    connection: psycopg.Connection[Any]
    raw: FakeRawLake = field(default_factory=FakeRawLake)

    def land(self, objects: dict[str, bytes]) -> None:
        self.raw.objects = dict(objects)
        self.connection.execute(f"TRUNCATE {', '.join(f'hotel.{table}' for table in TABLES.values())}")
        assert apply_objects(list(objects), self.raw.many, factories.context, UnifiedStore(self.database)).failed == {}

    def audit(
        self, done: Sequence[str] | None = None, pending: Sequence[str] = (), stored_at: datetime | None = None
    ) -> tuple[list[Finding], Totals]:
        """All objects are in one batch that is done, unless ``done`` says otherwise."""
        batches = Batches([manifest(*(self.raw.objects if done is None else done))], [manifest(*pending)])
        objects, totals = [RawObject(key, 1, stored_at) for key in sorted(self.raw.objects)], Totals()
        return list(audit(objects, batches, self.books, minutes(60), totals)), totals

    @property
    def books(self) -> Books:
        return Books(self.raw, factories.context, Ledger(self.database))


@pytest.fixture(scope="module")
def lake(postgres: TemplatedPostgres) -> Iterator[Lake]:
    dsn = postgres.fresh("audit")
    database = Database(lambda: dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield Lake(database, connection)
    database.close()
    postgres.drop("audit")


def bookings(*numbers: int, **changes: Any) -> bytes:
    return page(envelope(record("booking", reservation_id=f"RSV-{number}", **changes)) for number in numbers)


def test_what_is_whole_is_found_whole(lake) -> None:
    lake.land(every_kind_of_record())
    found, totals = lake.audit()
    assert found == []
    assert totals.objects == len(lake.raw.objects)
    assert (totals.young, totals.refused, dict(totals.found)) == (0, 3, {})
    # A row for each record but the refused ones, and the guests inside reservations.
    assert totals.rows > totals.records > totals.refused


def test_a_row_that_is_gone_is_found_by_its_raw_record(lake) -> None:
    lake.land({page_key(): bookings(1, 2, 3), page_key("room"): envelope(GIVEN["room"], "room")})
    ((id_,),) = lake.connection.execute(
        "DELETE FROM hotel.bookings WHERE external_id = 'RSV-2' RETURNING id::text"
    ).fetchall()
    found, totals = lake.audit()
    assert found == [Finding("row_missing", page_key(), 1, "booking", id_)]
    assert totals.found == {"row_missing": 1}


@pytest.mark.parametrize(
    "older", ["source_updated_at = '2001-01-01'", "source_updated_at = NULL", "raw_received_at = '2001-01-01'"]
)
def test_a_row_that_stayed_behind_is_found(lake, older) -> None:
    lake.land({page_key(): bookings(1, 2)})
    lake.connection.execute(f"UPDATE hotel.bookings SET {older} WHERE external_id = 'RSV-1'")
    found, _ = lake.audit()
    assert [(finding.kind, finding.raw_line) for finding in found] == [("row_older", 0)]


def test_of_two_records_with_equal_times_the_later_address_must_stand(lake) -> None:
    lake.land({page_key(page=1): bookings(1, adults=1), page_key(page=2): bookings(1, adults=2)})
    assert lake.audit()[0] == []
    lake.connection.execute("UPDATE hotel.bookings SET raw_key = %s", (page_key(page=1),))
    assert [(finding.kind, finding.raw_key) for finding in lake.audit()[0]] == [("row_older", page_key(page=2))]


def test_a_guest_s_profile_stands_over_a_later_reservation(lake) -> None:
    profile = envelope(GIVEN["guest"], "guest")
    lake.land({page_key("guest"): profile, page_key(): bookings(1, dates={"updated_at": minutes(99).isoformat()})})
    assert lake.audit()[0] == []
    lake.connection.execute("UPDATE hotel.guests SET is_profile = false")
    assert {finding.kind for finding in lake.audit()[0]} == {"row_older"}


def test_a_refusal_that_is_nowhere_is_found_with_its_reason(lake) -> None:
    lake.land({page_key(): bookings(1) + b"broken\n" + bookings(2, dates={"check_out": "2024-03-01"})})
    assert lake.audit()[0] == []
    lake.connection.execute("DELETE FROM hotel.quarantine WHERE raw_line = 2")
    assert lake.audit()[0] == [
        Finding("refusal_missing", page_key(), 2, "booking", None, "check_out_not_after_check_in")
    ]


def test_a_refusal_that_was_resolved_is_accounted_for(lake) -> None:
    lake.land({page_key(): b"broken\n"})
    lake.connection.execute("UPDATE hotel.quarantine SET resolved_at = now()")
    assert lake.audit()[0] == []


def test_a_record_that_waits_in_the_quarantine_is_not_lost(lake) -> None:
    """It was refused by an older mapping, and would be a row by today's."""
    lake.land({page_key(): bookings(1) + b"broken\n"})
    lake.connection.execute("DELETE FROM hotel.bookings")
    lake.connection.execute("DELETE FROM hotel.guests")
    lake.connection.execute("UPDATE hotel.quarantine SET raw_line = 0")
    assert {finding.kind for finding in lake.audit()[0]} == set()


@pytest.mark.parametrize("version", [0, 2])
def test_a_row_that_another_mapping_made_is_not_lost(lake, version) -> None:
    lake.land({page_key(): bookings(1)})
    lake.connection.execute("UPDATE hotel.bookings SET mapping_version = %s", (version,))
    assert lake.audit()[0] == []


def test_an_object_in_no_batch_and_one_whose_batch_is_not_done_are_found(lake) -> None:
    keys = [page_key(page=number) for number in range(3)]
    lake.land({key: bookings(number) for number, key in enumerate(keys)})
    found, _ = lake.audit(done=keys[:1], pending=keys[1:2])
    assert found == [Finding("batch_not_done", keys[1]), Finding("not_in_a_batch", keys[2])]


def test_an_object_in_several_batches_is_counted_and_told_apart_by_who_asked_for_it() -> None:
    first, again = manifest("landed", "twice", "replayed", "both"), manifest("twice", "both")
    asked = [ObjectAddress(key, 1, replayed=True) for key in ("replayed", "both", "only replayed")]
    batches = Batches(iter([first, again, structs.replace(first, objects=tuple(asked))]), [])
    assert (batches.repeated, batches.replayed) == ({"twice", "both"}, {"replayed", "both", "only replayed"})
    assert batches.done == {"landed", "twice", "replayed", "both", "only replayed"}


def test_what_was_batched_twice_or_replayed_is_no_finding(lake) -> None:
    keys = [page_key(page=number) for number in range(4)]
    lake.land({key: bookings(number) for number, key in enumerate(keys)})
    replay = structs.replace(manifest(), objects=(ObjectAddress(keys[1], 1, replayed=True),))
    batches = Batches([manifest(*keys), manifest(keys[0]), replay], [])
    objects, totals = [RawObject(key, 1) for key in keys], Totals()
    assert list(audit(objects, batches, lake.books, minutes(60), totals)) == []
    assert (totals.objects, totals.repeated, totals.replayed) == (4, 1, 1)


def test_a_raw_object_that_is_gone_is_found_by_its_batch(lake) -> None:
    lake.land({page_key(): bookings(1)})
    found, _ = lake.audit(done=[page_key(), page_key(page=9)])
    assert found == [Finding("raw_object_missing", page_key(page=9))]


def test_a_batch_may_name_an_object_from_before_the_period(lake) -> None:
    lake.land({page_key(page=1): bookings(1), page_key(page=2): bookings(2)})
    batches, only = Batches([manifest(*lake.raw.objects)], []), [RawObject(page_key(page=2), 1)]
    assert list(audit(only, batches, lake.books, minutes(60), Totals())) == []


def test_what_has_just_come_is_counted_and_not_judged(lake) -> None:
    lake.land({page_key(): bookings(1)})
    lake.connection.execute("DELETE FROM hotel.bookings")
    found, totals = lake.audit(done=[], stored_at=minutes(61))
    assert (found, totals.objects, totals.young, totals.records) == ([], 1, 1, 0)
    assert lake.audit(stored_at=minutes(59))[0] != []


def test_what_is_lost_is_found_in_whatever_parts_the_records_are_compared(lake, monkeypatch) -> None:
    lake.land({page_key(page=1): bookings(1, 2), page_key(page=2): bookings(3) + b"broken\n"})
    lake.connection.execute("DELETE FROM hotel.bookings WHERE external_id IN ('RSV-2', 'RSV-3')")
    lake.connection.execute("DELETE FROM hotel.quarantine")
    whole, totals = lake.audit()
    monkeypatch.setattr("shared.pipeline.audit.RECORDS_AT_ONCE", 1)
    in_parts, totals_in_parts = lake.audit()
    assert {(finding.kind, finding.raw_key, finding.raw_line) for finding in whole} == {
        ("row_missing", page_key(page=1), 1),
        ("row_missing", page_key(page=2), 0),
        ("refusal_missing", page_key(page=2), 1),
    }
    assert (set(in_parts), totals_in_parts) == (set(whole), totals)


def test_where_the_raw_lake_does_not_answer_nothing_is_proved(lake) -> None:
    lake.land({page_key(): bookings(1)})
    lake.raw.objects[page_key()] = StoreUnavailable("slow down")
    with pytest.raises(StoreUnavailable):
        lake.audit()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories(), st.data())
def test_of_any_history_exactly_the_rows_that_are_gone_are_found(lake, objects, data) -> None:
    lake.land(objects)
    assert lake.audit()[0] == []
    gone = set()
    for table in ("bookings", "guests"):
        for (id_,) in lake.connection.execute(f"SELECT id::text FROM hotel.{table} ORDER BY id").fetchall():
            if data.draw(st.booleans()):
                lake.connection.execute(f"DELETE FROM hotel.{table} WHERE id = %s", (id_,))
                gone.add(id_)
    assert {finding.id for finding in lake.audit()[0]} == gone
