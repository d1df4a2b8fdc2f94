"""One mapper, two speeds: the live and the batch path leave the same rows in PostgreSQL, to the last digit."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glue_jobs import batch, upsert
from glue_jobs.batch import Batch, Plan, map_group
from glue_jobs.upsert import upsert_bucket
from shared.errors import StoreUnavailable
from shared.model.columns import TABLES
from shared.pipeline.live import apply_objects
from shared.pipeline.manifest import ObjectAddress
from shared.storage.postgres import Database
from shared.storage.unified_store import UnifiedStore
from tests import factories
from tests.conftest import TemplatedPostgres
from tests.factories import GIVEN, PROPERTY, envelope, minutes, page, page_key, record, webhook_key
from tests.fakes.lakes import FakeProcessedLake, FakeRawLake
from tests.unit.vendors.hostpms_records import RECORDS

PLAN = Plan("raw", "processed", "secret", {("hostpms", PROPERTY): factories.TIME_ZONE})
OF_THE_MOMENT = ("synced_at", "version", "first_seen", "last_seen", "resolved_at")


@dataclass
class Paths:
    """A database for each path, over the same raw objects."""

    raw: FakeRawLake
    processed: FakeProcessedLake
    databases: dict[str, Database]
    connections: dict[str, psycopg.Connection[Any]]

    def land(self, objects: dict[str, bytes]) -> None:
        self.raw.objects = dict(objects)
        tables = ", ".join(f"hotel.{table}" for table in TABLES.values())
        for connection in self.connections.values():
            connection.execute(f"TRUNCATE {tables}")

    def live(self) -> None:
        """Every object by itself, as they are announced."""
        store = UnifiedStore(self.databases["live"])
        for key in self.raw.objects:
            assert apply_objects([key], self.raw.many, factories.context, store).failed == {}

    def batch(self, buckets: int = 1) -> None:
        """All at once."""
        run_batch(self.raw.objects, buckets)

    def rows(self, path: str) -> dict[str, list[dict[str, str | None]]]:
        """Every table as text: 450.0 is not 450.00."""
        return {table: text_of(self.connections[path], table) for table in TABLES.values()}


def run_batch(keys: Any, buckets: int = 1) -> None:
    into = Batch("20240301T103100Z-0123456789abcdef", minutes(60), buckets)
    pieces = list(map_group(0, [ObjectAddress(key, 1) for key in keys], into, PLAN, lambda outcome: None))
    random.Random(7).shuffle(pieces)  # a shuffle keeps no order
    for number in range(buckets):
        upsert_bucket([piece for bucket, piece in pieces if bucket == number], PLAN)


def text_of(connection: psycopg.Connection[Any], table: str) -> list[dict[str, str | None]]:
    rows = connection.execute(f"SELECT * FROM hotel.{table} ORDER BY id")
    names = [column.name for column in rows.description or ()]
    as_text = ", ".join(f"{name}::text" for name in names if name not in OF_THE_MOMENT)
    found = connection.execute(f"SELECT {as_text} FROM hotel.{table} ORDER BY id")
    wanted = [name for name in names if name not in OF_THE_MOMENT]
    return [dict(zip(wanted, row, strict=True)) for row in found]


@pytest.fixture(scope="module")
def paths(postgres: TemplatedPostgres) -> Iterator[Paths]:
    names = {path: f"two_paths_{path}" for path in ("live", "batch")}
    dsns = {path: postgres.fresh(name) for path, name in names.items()}
    databases = {path: Database(lambda dsn=dsn: dsn) for path, dsn in dsns.items()}  # type: ignore[misc]
    connections = {path: psycopg.connect(dsn, autocommit=True) for path, dsn in dsns.items()}
    made = Paths(FakeRawLake(), FakeProcessedLake(), databases, connections)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(batch, "_raw_lake", lambda bucket: made.raw)
        patched.setattr(batch, "_processed_lake", lambda bucket: made.processed)
        patched.setattr(upsert, "_store", lambda secret: UnifiedStore(databases["batch"]))
        yield made
    for path, name in names.items():
        databases[path].close()
        connections[path].close()
        postgres.drop(name)


AWKWARD = ["", " ", '"', "'", "\\", "\\N", "\\.", "a\n\\.\nb", "NULL", "{}", "«ñ» 🛏", "a,b", "\t", "€", "x" * 9000]


def every_kind_of_record() -> dict[str, bytes]:
    bookings = [
        GIVEN["booking"],
        *(record("booking", reservation_id=f"text-{n}", special_requests=text) for n, text in enumerate(AWKWARD)),
        *(
            record(
                "booking", reservation_id=f"money-{code}-{total}", pricing={"currency": code, "total": total, "iva": 0}
            )
            for code in ("EUR", "JPY", "KWD", "CLF", None)
            for total in (0, "450,00", 450, "450.1", "9999999999999.99", "1e3", 0.1)
        ),
        record("booking", reservation_id="bare", guest=None, room=None, pricing=None, channel=None),
        record("booking", reservation_id="nobody", guest={"guest_id": None}, status="?", channel="?"),
        record("booking", reservation_id="old", dates={"check_in": "1901-01-01", "check_out": "1901-01-02"}),
        record(
            "booking",
            reservation_id="far",
            dates={"check_out": "9999-12-31", "created_at": "9998-12-31T23:59:59.999999Z"},
        ),
        record("booking", reservation_id="refused", dates={"check_out": "2024-03-01"}),
    ]
    rooms = [
        GIVEN["room"],
        *(record("room", room_id=f"R-{n}", comodidades=items) for n, items in enumerate([None, [], AWKWARD, ["a"]])),
        record("room", room_id="bare", numero=None, piso=-2, tarifa_base=None, moeda=None),
    ]
    guests = [GIVEN["guest"], record("guest", guest_id="G-2", consentimento_marketing=False, data_nascimento=None)]
    payments = [GIVEN["payment"], record("payment", payment_id="P-2", valor="-12,5", recebido_em=None)]
    records = {"booking": bookings, "room": rooms, "guest": guests, "payment": payments}
    return {
        **{page_key(entity): page(envelope(sent, entity) for sent in all_of) for entity, all_of in records.items()},
        webhook_key("guest.created"): envelope(record("guest", apelido="Sousa"), None, event="guest.created"),
        page_key("booking", "broken"): b"not an envelope\n",
        "notes.txt": b"hello",
    }


@pytest.mark.parametrize("buckets", [1, 5])
def test_every_kind_of_record_is_the_same_rows_by_both_paths(paths, buckets) -> None:
    paths.land(every_kind_of_record())
    paths.live()
    paths.batch(buckets)
    live, by_batch = paths.rows("live"), paths.rows("batch")
    assert {table: len(rows) for table, rows in live.items()} == {
        "bookings": 1 + len(AWKWARD) + 35 + 4, "guests": 3, "rooms": 6, "payments": 2, "quarantine": 3,
    }  # fmt: skip
    for table, rows in live.items():
        assert by_batch[table] == rows, table


def test_amounts_keep_their_currency_s_digits_by_both_paths(paths) -> None:
    totals = {"EUR": "450.00", "JPY": "450", "KWD": "450.000", "CLF": "450.0000"}
    sent = [record("booking", reservation_id=code, pricing={"currency": code, "total": "450,0"}) for code in totals]
    paths.land({page_key(): page(map(envelope, sent))})
    paths.live()
    paths.batch()
    for path in ("live", "batch"):
        assert {row["external_id"]: row["total_amount"] for row in paths.rows(path)["bookings"]} == totals


@st.composite
def histories(draw: st.DrawFn) -> dict[str, bytes]:
    """A few reservations and guests, each announced some times, in some raw objects."""
    objects: dict[str, bytes] = {}
    for number in range(draw(st.integers(1, 5))):
        lines = []
        for _ in range(draw(st.integers(1, 4))):
            updated = draw(st.none() | st.integers(0, 3).map(lambda count: minutes(count).isoformat()))
            who, text = draw(st.sampled_from(["1", "2"])), draw(st.sampled_from(["a", "b", "", "\\N"]))
            received = minutes(draw(st.integers(0, 3)))
            if draw(st.booleans()):
                stay = {"dates": {"updated_at": updated}, "guest": {"guest_id": who, "name": text}}
                sent = record("booking", reservation_id=who, special_requests=text, **stay)
                lines.append(envelope(sent, "booking", received_at=received))
            else:
                sent = record("guest", guest_id=who, apelido=text, updated_at=updated)
                lines.append(envelope(sent, "guest", received_at=received))
        objects[page_key("booking", f"run{number}")] = page(lines)
    return objects


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories(), st.randoms(use_true_random=False), st.integers(1, 3))
def test_any_history_ends_alike_by_either_path_and_by_both(paths, objects, chance, buckets) -> None:
    paths.land(objects)
    paths.live()
    paths.batch(buckets)
    assert paths.rows("live") == paths.rows("batch")

    shuffled = list(objects)
    chance.shuffle(shuffled)
    alone = paths.rows("live")
    run_batch(shuffled)  # into the batch path's database again, and by the live path over the batch's rows
    store = UnifiedStore(paths.databases["batch"])
    apply_objects(shuffled, paths.raw.many, factories.context, store)
    assert paths.rows("batch") == alone


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_mapped_can_be_stored_by_either_path(paths, data) -> None:
    objects = {}
    for entity, records in RECORDS.items():
        lines = [envelope(sent, entity) for sent in map(json.dumps, data.draw(st.lists(records, max_size=8)))]
        objects[page_key(entity)] = page(lines)
    paths.land(objects)
    paths.live()
    paths.batch()
    assert paths.rows("live") == paths.rows("batch")


def test_a_batch_that_dies_midway_and_is_repeated_doubles_nothing(paths, monkeypatch) -> None:
    paths.land(every_kind_of_record())
    paths.live()
    stored: list[int] = []

    class Dying(UnifiedStore):
        """Its process dies after two buckets, and once more in the midst of a bucket."""

        def upsert(self, rows: Any) -> dict[str, int]:
            if len(stored) == 2:
                raise StoreUnavailable("gone")
            written = super().upsert(rows)
            stored.append(1)
            return written

    with monkeypatch.context() as dying:
        dying.setattr(upsert, "_store", lambda secret: Dying(paths.databases["batch"]))
        with pytest.raises(StoreUnavailable):
            paths.batch(5)
    assert paths.rows("batch") != paths.rows("live")
    paths.batch(5)
    assert paths.rows("batch") == paths.rows("live")
    versions = paths.connections["batch"].execute("SELECT DISTINCT version FROM hotel.bookings").fetchall()
    assert versions == [(1,)]


def test_the_lake_s_newest_versions_are_the_table_s_rows(paths) -> None:
    """By the order of versions that the saved queries and the catalog's views use."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from shared.model.columns import order_columns

    sent = [
        envelope(
            record("guest", guest_id="1", apelido=f"{n}", updated_at=updated and minutes(updated).isoformat()), "guest"
        )
        for n, updated in enumerate([3, None, 1, 9, 9])
    ] + [
        envelope(
            record(
                "booking", reservation_id="1", dates={"updated_at": minutes(99).isoformat()}, guest={"guest_id": "1"}
            )
        )
    ]
    paths.land({page_key("guest"): page(sent)})
    paths.processed.files.clear()
    paths.batch(3)
    rows = [
        row
        for key, content in paths.processed.files.items()
        if key.startswith("guests/")
        for row in pq.read_table(pa.BufferReader(content)).to_pylist()
    ]
    assert len(rows) == 6
    newest = max(rows, key=lambda row: [(row[name] is not None, row[name]) for name in order_columns("guest")])
    (held,) = paths.rows("batch")["guests"]
    assert (held["last_name"], held["raw_line"]) == (newest["last_name"], str(newest["raw_line"])) == ("4", "4")
    assert json.dumps(newest["is_profile"]) == held["is_profile"]
