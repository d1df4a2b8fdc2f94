"""What a batch's workers do, without Spark and without a server: map a group, upsert a bucket."""

from __future__ import annotations

import gc
import json
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glue_jobs import batch, upsert
from glue_jobs.batch import Batch, Piece, Plan, map_group
from glue_jobs.outcome import Outcome
from glue_jobs.upsert import upsert_bucket
from shared.errors import Malformed, Page, StoreUnavailable
from shared.model import arrow
from shared.model.mapping import Refusal
from shared.pipeline.manifest import ObjectAddress
from shared.vendors import registry
from tests import factories
from tests.factories import GIVEN, envelope, minutes, page, page_key, record
from tests.fakes.lakes import FakeProcessedLake, FakeRawLake

PLAN = Plan("raw", "processed", "secret", {("hostpms", factories.PROPERTY): factories.TIME_ZONE})
ONE_BUCKET = Batch("20240301T103100Z-0123456789abcdef", minutes(60), 1)
MANY_BUCKETS = ONE_BUCKET._replace(buckets=7)


class FakeStore:
    """What the batch path asks of PostgreSQL."""

    def __init__(self) -> None:
        self.tables: dict[str, list[bytes]] = {}
        self.refusals: list[Refusal] = []
        self.error: Exception | None = None

    def upsert(self, rows: Mapping[str, arrow.NewestRows]) -> dict[str, int]:
        if self.error:
            raise self.error
        for entity, some in rows.items():
            self.tables.setdefault(entity, []).append(bytes(some.csv(range(len(some)))))
        return {entity: len(some) for entity, some in rows.items()}

    def quarantine(self, refusals: Sequence[Refusal]) -> None:
        self.refusals += refusals


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch) -> FakeRawLake:
    lake = FakeRawLake()
    monkeypatch.setattr(batch, "_raw_lake", lambda bucket: lake)
    return lake


@pytest.fixture(autouse=True)
def processed(monkeypatch: pytest.MonkeyPatch) -> FakeProcessedLake:
    lake = FakeProcessedLake()
    monkeypatch.setattr(batch, "_processed_lake", lambda bucket: lake)
    return lake


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FakeStore:
    store = FakeStore()
    monkeypatch.setattr(upsert, "_store", lambda secret: store)
    return store


def map_all(
    raw: FakeRawLake, into: Batch = ONE_BUCKET, keys: Sequence[str] = (), number: int = 0, plan: Plan = PLAN
) -> tuple[list[tuple[int, Piece]], Outcome]:
    outcomes: list[Outcome] = []
    group = [ObjectAddress(key, 1) for key in keys or raw.objects]
    pieces = list(map_group(number, group, into, plan, outcomes.append))
    (outcome,) = outcomes
    return pieces, outcome


def table(piece: Piece) -> pa.Table:
    return arrow.from_ipc([piece.rows])


def reservations(*numbers: int, **changes: Any) -> bytes:
    return page(envelope(record("booking", reservation_id=f"RSV-{number}", **changes)) for number in numbers)


# -- Map -------------------------------------------------------------------------------------------


def test_a_group_s_objects_become_pieces_of_each_entity(raw) -> None:
    raw.objects = {
        page_key("booking"): reservations(1, 2),
        page_key("room"): page([envelope(GIVEN["room"], "room")]),
    }
    pieces, outcome = map_all(raw)
    assert [(bucket, piece.entity, table(piece).num_rows) for bucket, piece in pieces] == [
        (0, "booking", 2),
        (0, "guest", 2),
        (0, "room", 1),
    ]
    assert (outcome.records, outcome.refused, outcome.warned) == (3, {}, {})
    assert set(outcome.seconds) == {"fetch", "map", "parquet", "pieces"}
    assert outcome.peak_rss_mb > 0


def test_a_piece_is_what_arrow_makes_of_the_rows(raw) -> None:
    raw.objects = {page_key(): reservations(1)}
    (_, piece), _guest = map_all(raw)[0]
    assert table(piece).schema == arrow.schema("booking")
    rows = factories.mapped("booking", record("booking", reservation_id="RSV-1")).rows["booking"]
    assert table(piece) == arrow.table("booking", rows)


def test_what_cannot_be_mapped_becomes_pieces_of_the_quarantine(raw) -> None:
    gone = page_key("room", "gone")
    raw.objects = {
        page_key(): reservations(1) + b"not an envelope\n" + reservations(2, dates={"check_out": "2024-03-01"}),
        page_key("guest"): Malformed("not gzip", reason="not_gzip"),
        page_key(property_id="ES-XXX-001"): b"{}",
        "notes.txt": b"hello",
    }
    pieces, outcome = map_all(raw, keys=[*raw.objects, gone])
    found = [row for _, piece in pieces if piece.entity == "quarantine" for row in table(piece).to_pylist()]
    assert {(row["raw_key"], row["raw_line"], row["reason"], row["hotel_id"]) for row in found} == {
        (page_key(), 1, "not_an_envelope", factories.PROPERTY),
        (page_key(), 2, "check_out_not_after_check_in", factories.PROPERTY),
        (page_key("guest"), 0, "not_gzip", factories.PROPERTY),
        (page_key(property_id="ES-XXX-001"), 0, "unknown_property", "ES-XXX-001"),
        ("notes.txt", 0, "not_a_raw_key", "unknown"),
        (gone, 0, "no_such_object", factories.PROPERTY),
    }
    assert {row["first_seen"] for row in found} == {ONE_BUCKET.created_at}
    assert outcome.refused == dict.fromkeys((row["reason"] for row in found), 1)
    assert outcome.records == 3


def test_warnings_are_counted_by_entity_field_and_rule(raw) -> None:
    raw.objects = {page_key(): reservations(1, 2, channel="pigeon")}
    assert map_all(raw)[1].warned == {"booking.channel: unknown_word": 2}


def test_a_bucket_that_does_not_answer_fails_the_task_so_that_spark_tries_it_again(raw) -> None:
    raw.objects = {page_key(): StoreUnavailable("slow down")}
    with pytest.raises(StoreUnavailable):
        map_all(raw)


def test_a_large_page_is_mapped_in_pieces(raw, monkeypatch) -> None:
    monkeypatch.setattr(batch, "FEWEST", 1)
    monkeypatch.setattr(batch, "CHUNK_LINES", 4)
    monkeypatch.setattr(batch, "FLUSH_ROWS", 8)  # a reservation is a booking and a guest
    raw.objects = {page_key(): reservations(*range(10))}
    pieces, outcome = map_all(raw)
    assert [table(piece).num_rows for _, piece in pieces if piece.entity == "booking"] == [4, 4, 2]
    assert (outcome.records, outcome.files, outcome.rows) == (10, 2, {"booking": 10, "guest": 10})


def test_the_garbage_collector_is_left_as_it_was(raw) -> None:
    raw.objects = {page_key(): reservations(1)}
    for enabled in (False, True):
        (gc.enable if enabled else gc.disable)()
        map_all(raw)
        assert gc.isenabled() is enabled


@pytest.mark.parametrize("into", [ONE_BUCKET, MANY_BUCKETS])
def test_buckets_part_the_rows_by_their_ids_and_lose_none(raw, into) -> None:
    raw.objects = {page_key(): reservations(*range(200)) + b"broken\n" * 30}
    pieces, _ = map_all(raw, into)
    bookings = [
        (bucket, row) for bucket, piece in pieces if piece.entity == "booking" for row in table(piece).to_pylist()
    ]
    assert sorted(row["external_id"] for _, row in bookings) == sorted(f"RSV-{number}" for number in range(200))
    assert {bucket for bucket, _ in bookings} == set(range(into.buckets))
    for bucket, row in bookings:
        assert bucket == int(row["id"][:4], 16) * into.buckets // 65536
    refused = [
        row["raw_line"] for _, piece in pieces if piece.entity == "quarantine" for row in table(piece).to_pylist()
    ]
    assert sorted(refused) == list(range(200, 230))


def test_every_version_of_one_id_comes_into_one_bucket(raw) -> None:
    raw.objects = {page_key(page=number): reservations(*range(30)) for number in range(3)}
    seen: dict[str, set[int]] = {}
    for bucket, piece in map_all(raw, MANY_BUCKETS)[0]:
        for row in table(piece).to_pylist():
            seen.setdefault(row["id"], set()).add(bucket)
    assert all(len(buckets) == 1 for buckets in seen.values())


# -- Parquet and upsert ------------------------------------------------------------------------------


def stored(raw: FakeRawLake, into: Batch = ONE_BUCKET, plan: Plan = PLAN) -> Outcome:
    pieces, total = map_all(raw, into, plan=plan)
    for number in range(into.buckets):
        total.add(upsert_bucket([piece for bucket, piece in pieces if bucket == number], plan))
    return total


def test_a_group_is_one_file_for_each_entity_and_source(raw, processed, store) -> None:
    raw.objects = {page_key(page=number): reservations(number) + b"broken\n" for number in range(3)}
    outcome = stored(raw)
    day = "source=hostpms/year=2024/month=03/day=01/20240301T103100Z-0123456789abcdef-00000.parquet"
    assert set(processed.files) == {f"{table}/{day}" for table in ("bookings", "guests", "quarantine")}
    assert (outcome.rows, outcome.files) == ({"booking": 3, "guest": 3, "quarantine": 3}, 3)
    assert outcome.file_bytes == sum(map(len, processed.files.values()))
    # Three bookings of one guest: PostgreSQL is given the newest.
    assert outcome.written == {"booking": 3, "guest": 1}


def test_a_group_s_files_have_its_number(raw, processed) -> None:
    raw.objects = {page_key(): reservations(1)}
    map_all(raw, number=12)
    assert {key[-13:] for key in processed.files} == {"00012.parquet"}


def test_a_file_holds_every_version_and_the_batch_s_time(raw, processed, store) -> None:
    raw.objects = {
        page_key(page=1): reservations(1, status="pendente"),
        page_key(page=2): reservations(1, status="confirmado"),
    }
    stored(raw)
    (content,) = (content for key, content in processed.files.items() if key.startswith("bookings/"))
    rows = pq.read_table(pa.BufferReader(content)).to_pylist()
    assert sorted(row["status"] for row in rows) == ["confirmed", "pending"]
    assert {row["synced_at"] for row in rows} == {ONE_BUCKET.created_at}


@pytest.mark.parametrize("into", [ONE_BUCKET, MANY_BUCKETS])
def test_run_twice_it_writes_the_same_files(raw, processed, store, into) -> None:
    raw.objects = {page_key(page=number): reservations(*range(20)) + b"broken\n" for number in range(3)}
    stored(raw, into)
    before = dict(processed.files)
    stored(raw, into)
    assert processed.files == before


def test_nothing_is_no_file_and_no_row(raw, processed, store) -> None:
    raw.objects = {page_key(): b"", page_key(page=2): b"\n \n"}
    outcome = stored(raw)
    assert (processed.files, store.tables, store.refusals) == ({}, {}, [])
    assert (outcome.records, outcome.files, outcome.rows) == (0, 0, {})


def test_refusals_come_to_the_quarantine_as_they_were(raw, processed, store) -> None:
    raw.objects = {page_key(): envelope(record("payment", valor="much"), "payment", received_at=minutes(5))}
    stored(raw)
    (refusal,) = store.refusals
    assert refusal == Refusal(
        "hostpms", factories.PROPERTY, "payment", "malformed_field", "valor", page_key(), 0, 1, None, minutes(5)
    )


def test_without_upsert_only_the_files_are_written(raw, processed, store) -> None:
    raw.objects = {page_key(): reservations(1) + b"broken\n"}
    outcome = stored(raw, plan=Plan("raw", "processed", "secret", PLAN.time_zones, upsert=False))
    assert (store.tables, store.refusals, outcome.written) == ({}, [], {})
    assert outcome.files == 3


def test_the_files_are_there_before_the_rows(raw, processed, store) -> None:
    """A batch whose upsert fails is done again whole: the same files, and then the rows."""
    raw.objects = {page_key(): reservations(1)}
    store.error = StoreUnavailable("gone")
    with pytest.raises(StoreUnavailable):
        stored(raw)
    before = dict(processed.files)
    assert before
    store.error = None
    stored(raw)
    assert processed.files == before
    assert store.tables


def test_a_row_that_postgresql_quotes_is_not_quoted_to_spark(raw, processed, store) -> None:
    raw.objects = {page_key(): reservations(1)}
    store.error = psycopg.errors.NumericValueOutOfRange('value "marker@example.pt" is out of range')
    with pytest.raises(Page) as caught:
        stored(raw)
    error: BaseException | None = caught.value
    assert "NumericValueOutOfRange" in str(error)
    while error:
        assert "marker" not in str(error)
        error = None if error.__suppress_context__ else error.__context__


# -- What travels ----------------------------------------------------------------------------------


def test_what_travels_between_processes_arrives_as_it_was() -> None:
    outcome = Outcome(records=3, files=1)
    outcome.rows["booking"] += 3
    for sent in (PLAN, ONE_BUCKET, outcome, Piece("booking", b"x")):
        assert pickle.loads(pickle.dumps(sent)) == sent  # noqa: S301 - our own


def test_outcomes_add_up() -> None:
    one, other = Outcome(records=1, files=2, peak_rss_mb=5.0), Outcome(records=10, file_bytes=7, peak_rss_mb=3.0)
    one.rows["booking"] += 1
    other.rows["booking"] += 2
    other.refused["x"] += 1
    with other.timing("map"):
        pass
    total = Outcome().add(one).add(other)
    assert (total.records, total.files, total.file_bytes, total.peak_rss_mb) == (11, 2, 7, 5.0)
    assert (total.rows, total.refused) == ({"booking": 3}, {"x": 1})
    assert set(total.seconds) == {"map"}
    assert json.dumps(vars(total))


def test_every_vendor_has_mappers_for_what_the_batch_stores() -> None:
    for vendor in registry.VENDORS:
        assert set(registry.part(vendor, "mapping").MAPPERS) <= set(upsert.ENTITIES)
