"""The Glue job, on real Spark and without: embedded AWS, embedded PostgreSQL, two cores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glue_jobs import etl
from glue_jobs.cluster import distribute
from glue_jobs.etl import Settings
from shared.errors import Malformed
from shared.pipeline.manifest import Manifest, ObjectAddress, RawEvent, manifest_of
from shared.settings import read
from shared.storage.manifests import Manifests
from tests import factories
from tests.factories import GIVEN, envelope, minutes, page_key, record
from tests.integration.storing_aws import Resources

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RESOURCES = Resources("pousada-etl-test")
MARKER = {"name": "MarkerName", "email": "marker@example.pt", "phone": "+351919191919", "nif": "987654321"}


@pytest.fixture(autouse=True)
def aws(aws_environment: Any, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resources]:
    # A session remembers the endpoint of the environment it was made in.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    if RESOURCES.raw not in {bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]}:
        RESOURCES.make(database)
    yield RESOURCES
    for bucket in (RESOURCES.processed, RESOURCES.work):
        for key in RESOURCES.files(bucket):
            boto3.client("s3").delete_object(Bucket=bucket, Key=key)


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("TRUNCATE hotel.bookings, hotel.guests, hotel.rooms, hotel.payments, hotel.quarantine")
        yield connection


@pytest.fixture
def manifests() -> Manifests:
    return Manifests(RESOURCES.work, boto3.client("s3"))


Run = Callable[..., list[etl.Outcome]]


@pytest.fixture(params=["on Spark", "in this process"])
def run(request: pytest.FixtureRequest, spark: SparkSession) -> Run:
    small = "0" if request.param == "on Spark" else str(10**9)

    def cluster() -> etl.Distribute:
        assert request.param == "on Spark"
        return partial(distribute, spark.sparkContext)

    def run(upsert: bool = True) -> list[etl.Outcome]:
        return etl.run(read(Settings, {**RESOURCES.environment, "SMALL_BATCH_BYTES": small}), cluster, upsert)

    return run


def land(run_id: str, *numbers: int, property_id: str = factories.PROPERTY, **changes: Any) -> str:
    """A page of reservations."""
    changes |= {} if property_id == factories.PROPERTY else {"property_id": property_id}
    sent = (record("booking", reservation_id=f"RSV-{number}", **changes) for number in numbers)
    lines = [envelope(one, property_id=property_id) for one in sent]
    return RESOURCES.land(page_key(run=run_id, property_id=property_id), lines)


def pending(manifests: Manifests, *keys: str, at: float = 0) -> Manifest:
    """A manifest of raw objects that were announced ``at`` minutes."""
    bucket = RawEvent.Detail.Bucket(RESOURCES.raw)
    events = [RawEvent(minutes(at), RawEvent.Detail(bucket, ObjectAddress(key, 100))) for key in keys]
    manifests.add(manifest_of(events))
    return manifest_of(events)


def bookings(connection: psycopg.Connection[Any]) -> list[tuple[str, int]]:
    return connection.execute("SELECT external_id, version FROM hotel.bookings ORDER BY 1").fetchall()


def lake_rows(table: str) -> list[dict[str, Any]]:
    files = RESOURCES.files(RESOURCES.processed, f"{table}/")
    return [row for content in files.values() for row in pq.read_table(pa.BufferReader(content)).to_pylist()]


def states() -> dict[str, int]:
    """How many manifests are pending, and how many done."""
    keys = [key.split("/")[1] for key in RESOURCES.files(RESOURCES.work)]
    return {state: keys.count(state) for state in set(keys)}


def test_all_that_is_pending_becomes_rows_and_files_and_is_done(run, connection, manifests) -> None:
    keys = [land(f"run{number}", *range(number * 10, number * 10 + 10)) for number in range(4)]
    room = RESOURCES.land(page_key("room"), [envelope(GIVEN["room"], "room"), b"broken"])
    pending(manifests, *keys[:2])
    pending(manifests, *keys[2:], room, at=1)

    (outcome,) = run()

    assert (outcome.records, dict(outcome.refused)) == (42, {"not_an_envelope": 1})
    assert outcome.written == {"booking": 40, "guest": 1, "room": 1}
    assert outcome.rows == {"booking": 40, "guest": 40, "room": 1, "quarantine": 1}
    assert bookings(connection) == sorted((f"RSV-{number}", 1) for number in range(40))
    assert [row["raw_key"] for row in lake_rows("quarantine")] == [room]
    assert len(lake_rows("bookings")) == 40
    assert states() == {"done": 1}
    assert run() == []


def test_a_batch_of_many_buckets_is_as_good_as_one(run, connection, manifests, monkeypatch) -> None:
    monkeypatch.setattr("shared.pipeline.manifest.BUCKET_BYTES", 40)
    monkeypatch.setattr("shared.pipeline.manifest.GROUP_BYTES", 100)
    manifest = pending(manifests, *(land(f"many{number}", *range(20), adults=number) for number in range(3)))
    assert (manifest.buckets, len(manifest.groups())) == (8, 3)

    (outcome,) = run()

    assert (outcome.records, outcome.rows["booking"], outcome.written["booking"]) == (60, 60, 20)
    assert {version for _, version in bookings(connection)} == {1}
    assert len(RESOURCES.files(RESOURCES.processed, "bookings/")) == 3
    adults = connection.execute("SELECT DISTINCT adults FROM hotel.bookings").fetchall()
    assert adults == [(2,)]  # of equal times, the last raw key stands


def test_a_replay_changes_no_row(run, connection, manifests) -> None:
    key = land("again", 1, 2)
    pending(manifests, key)
    run()
    before = connection.execute("SELECT xmin, ctid FROM hotel.bookings").fetchall()
    pending(manifests, key, at=60)
    (outcome,) = run()
    assert (outcome.records, outcome.written["booking"]) == (2, 0)
    assert connection.execute("SELECT xmin, ctid FROM hotel.bookings").fetchall() == before


def test_a_batch_that_fails_is_repeated_and_doubles_nothing_and_holds_no_other_back(
    run, connection, manifests, capfd, caplog
) -> None:
    """The database refuses one of its rows, in words that quote it: neither Spark nor we may repeat them."""
    caplog.set_level("INFO")
    pending(manifests, land("poison", 1, 2, 3, guest=MARKER), land("fine", 4, 5))
    pending(manifests, land("with-it", 6), at=1)
    manifests.gather()  # as an earlier run did, so that what comes now is not merged with it
    pending(manifests, land("after", 7, 8), at=2)
    connection.execute("ALTER TABLE hotel.bookings ADD CONSTRAINT odd CHECK (external_id <> 'RSV-2')")

    with pytest.raises(Exception, match="does not take rows of the batch") as caught:
        run()

    assert [name for name, _ in bookings(connection)] == ["RSV-7", "RSV-8"]
    assert states() == {"pending": 1, "done": 1}
    files = set(RESOURCES.files(RESOURCES.processed))

    connection.execute("ALTER TABLE hotel.bookings DROP CONSTRAINT odd")
    (outcome,) = run()

    assert outcome.records == 6
    assert bookings(connection) == [(f"RSV-{number}", 1) for number in range(1, 9)]
    assert states() == {"done": 2}
    assert files <= set(RESOURCES.files(RESOURCES.processed))
    assert sorted(row["external_id"] for row in lake_rows("bookings")) == [f"RSV-{number}" for number in range(1, 9)]
    told = "\n".join([*capfd.readouterr(), caplog.text, str(caught.value)])
    assert "CheckViolation" in told
    assert not [datum for datum in ("Marker", *MARKER.values()) if datum in told]


def test_what_is_no_manifest_holds_no_batch_back_and_fails_the_run(run, connection, manifests) -> None:
    boto3.client("s3").put_object(Bucket=RESOURCES.work, Key="manifests/pending/00000000.json", Body=b"not json")
    pending(manifests, land("good", 1))
    with pytest.raises(Malformed):
        run()
    assert bookings(connection) == [("RSV-1", 1)]
    assert states() == {"pending": 1, "done": 1}


def test_a_hotel_onboarded_late_has_its_records_mended(run, connection, manifests) -> None:
    table = boto3.resource("dynamodb").Table(RESOURCES.integrations)
    table.delete_item(Key={"property_id": "ES-LATE-001", "vendor": "hostpms"})
    key = land("late", 1, 2, property_id="ES-LATE-001")
    pending(manifests, key, RESOURCES.land("notes.txt", [b"hello"]), page_key(run="gone"))
    run()
    query = "SELECT reason, resolved_at IS NULL FROM hotel.quarantine ORDER BY 1"
    assert connection.execute(query).fetchall() == [
        ("no_such_object", True), ("not_a_raw_key", True), ("unknown_property", True),
    ]  # fmt: skip

    RESOURCES.onboard("ES-LATE-001", "Europe/Madrid")
    pending(manifests, key, at=5)
    (outcome,) = run()

    assert outcome.written["booking"] == 2
    assert dict(connection.execute(query).fetchall()) == {
        "no_such_object": True, "not_a_raw_key": True, "unknown_property": False,
    }  # fmt: skip
    assert connection.execute("SELECT DISTINCT hotel_id FROM hotel.bookings").fetchall() == [("ES-LATE-001",)]


def test_an_integration_that_cannot_be_read_does_not_stop_the_others(run, connection, manifests, caplog) -> None:
    table = boto3.resource("dynamodb").Table(RESOURCES.integrations)
    table.put_item(Item={"property_id": "ES-BROKEN", "vendor": "hostpms", "status": "dozing"})
    pending(manifests, land("others", 1))
    try:
        run()
    finally:
        table.delete_item(Key={"property_id": "ES-BROKEN", "vendor": "hostpms"})
    assert bookings(connection) == [("RSV-1", 1)]
    assert "integration unreadable" in caplog.text


def test_without_upsert_only_the_files_are_written(run, connection, manifests) -> None:
    pending(manifests, land("parquet", 1, 2))
    run(upsert=False)
    assert bookings(connection) == []
    assert len(lake_rows("bookings")) == 2


def test_it_tells_what_it_did_on_one_line(run, connection, manifests, caplog) -> None:
    caplog.set_level("INFO", "pousada.etl")
    manifest = pending(manifests, land("told", 1))
    run()
    (line,) = (json.loads(record.message) for record in caplog.records if record.name == "pousada.etl")
    assert (line["message"], line["batch"], line["records"]) == ("stored", manifest.batch_id, 1)
    assert {"fetch", "map", "parquet", "pieces", "upsert", "total"} <= set(line["seconds"])


def test_a_manifest_without_objects_is_done_at_once(run, connection, manifests) -> None:
    manifests.add(Manifest("20240301T103100Z-empty", minutes(0), ()))
    (outcome,) = run()
    assert (outcome.records, outcome.files) == (0, 0)
    assert states() == {"done": 1}
