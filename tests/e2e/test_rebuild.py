"""Database and Parquet are lost; from the raw lake alone every row comes back, and the lake's current view too."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import psycopg
import pytest

from scripts.local.stack import LocalStack
from scripts.rehearsal import snapshot
from scripts.rehearsal.course import Rebuild
from scripts.rehearsal.snapshot import Snapshot
from scripts.simulators.hostpms import Faults, World, running
from shared.model.columns import TABLES
from tests.e2e.batches import store_pending, until_batched
from tests.e2e.hotels import pousada
from tests.e2e.simulated_hotels import SimulatedHotel
from tests.e2e.waiting import until_applied

PROPERTY = "PT-TMR-801"
FAULTS = Faults(drop=0.2, reorder=0.2, duplicate=0.2, unknown_words=0.1, missing_fields=0.1, invalid_records=0.3)


class Rebuilt(NamedTuple):
    hotel: SimulatedHotel
    before: Snapshot
    lost: Snapshot
    after: Snapshot


@pytest.fixture(scope="module")
def rebuilt(deployed: LocalStack) -> Rebuilt:
    """A hotel's life by webhooks, some lost, repeated and out of order, and by a poll; then nothing but raw objects."""
    world = World(17, [PROPERTY], date(2026, 2, 1), rooms=5, history_days=10, faults=FAULTS)
    with running(world) as pms:
        hotel = SimulatedHotel(deployed, pms, PROPERTY).onboard()
        pms.advance(4)
        hotel.poll()
        _done_by_both_paths(deployed)
        before = _taken(hotel)
    rebuild = Rebuild(deployed, lambda *arguments: pousada(deployed, *arguments))
    rebuild.lose_the_database()
    # Not `lose_the_lake`: other tests' hotels have their files there.
    hotel.lose_files()
    rebuild.migrate()
    lost = _taken(hotel)
    rebuild.replay([f"hostpms/{PROPERTY}/"])
    _done_by_both_paths(deployed)
    return Rebuilt(hotel, before, lost, _taken(hotel))


def _done_by_both_paths(local: LocalStack) -> None:
    until_applied(local)
    until_batched(local)
    store_pending(local)


def _taken(hotel: SimulatedHotel) -> Snapshot:
    with psycopg.connect(hotel.local.dsn) as connection:
        return _seen_by(connection, hotel)


def _seen_by(connection: psycopg.Connection[Any], hotel: SimulatedHotel) -> Snapshot:
    return snapshot.take(connection, hotel.files_of_its_own, PROPERTY)


def test_there_was_something_of_every_kind_to_lose(rebuilt: Rebuilt) -> None:
    keys = rebuilt.hotel.kept.raw_objects()
    assert {key.split("/")[2] for key in keys} == {"webhooks", "polling"}
    assert all(len(rebuilt.before.postgres[table]) >= 2 for table in TABLES.values())
    assert all(rebuilt.before.lake.values())


def test_all_of_it_was_lost(rebuilt: Rebuilt) -> None:
    assert not any(rebuilt.lost.postgres.values())
    assert not any(rebuilt.lost.lake.values())


def test_every_row_is_as_it_was_and_so_is_the_quarantine_and_the_lakes_current_view(rebuilt: Rebuilt) -> None:
    compared = list(rebuilt.before.against(rebuilt.after))
    assert [one.table for one in compared if one.store == "PostgreSQL"] == list(TABLES.values())
    assert [difference for one in compared for difference in one.differences] == []
    assert all(one.before == one.after for one in compared)


def test_the_rows_are_what_the_vendor_says(rebuilt: Rebuilt) -> None:
    assert rebuilt.hotel.agreement(lake=True).mismatches == []


def test_a_row_that_a_rebuild_had_lost_or_changed_would_be_found(rebuilt: Rebuilt) -> None:
    with psycopg.connect(rebuilt.hotel.local.dsn) as connection:
        (changed,), (lost,) = connection.execute(
            "SELECT id::text FROM hotel.bookings WHERE hotel_id = %s ORDER BY id LIMIT 2", [PROPERTY]
        ).fetchall()
        connection.execute("UPDATE hotel.bookings SET adults = adults + 1 WHERE id = %s", [changed])
        connection.execute("DELETE FROM hotel.bookings WHERE id = %s", [lost])
        connection.execute("DELETE FROM hotel.quarantine WHERE hotel_id = %s", [PROPERTY])
        spoilt = _seen_by(connection, rebuilt.hotel)
        connection.rollback()

    found = {(one.store, one.table): one.differences for one in rebuilt.before.against(spoilt)}

    assert found.pop(("PostgreSQL", "bookings")) == (f"{lost} is missing", f"{changed} differs in adults")
    assert len(found.pop(("PostgreSQL", "quarantine"))) == len(rebuilt.before.postgres["quarantine"])
    assert not any(found.values())
