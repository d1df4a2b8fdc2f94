"""The apply function with its real clients: S3, DynamoDB and Secrets Manager (moto), and PostgreSQL."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import psycopg
import pytest

from lambdas.apply import handler
from tests import factories
from tests.deliveries import lambda_context
from tests.factories import envelope, page_key, record, webhook_key
from tests.fakes.aws_faults import Fault
from tests.integration.storing_aws import Resources, created, secret_of, sqs_event, storing_aws

MARKER = {"name": "MarkerName", "email": "marker@example.pt", "phone": "+351919191919", "nif": "987654321"}
"""What must be in no log and no metric."""
TABLES = "hotel.bookings, hotel.guests, hotel.rooms, hotel.payments, hotel.quarantine"


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {TABLES}")
        yield connection


@pytest.fixture
def aws(database: str, connection: psycopg.Connection[Any]) -> Iterator[Resources]:
    forget()
    with storing_aws(database) as resources:
        yield resources
    forget()


def forget() -> None:
    """As on a new worker."""
    if handler._store.cache_info().currsize:
        handler._store()._database.close()
    for made in (handler._raw_lake, handler._contexts, handler._store):
        made.cache_clear()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(handler.logger.registered_handler, "stream", stream)
    return stream


def handle(*bodies: object) -> list[str]:
    """The messages that are to come back."""
    answer = handler.handle(sqs_event(*bodies), lambda_context())
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def land(aws: Resources, number: int, received_at: datetime = factories.RECEIVED, **changes: Any) -> dict[str, Any]:
    """A delivery of reservation ``number``; its event."""
    sent = record("booking", reservation_id=f"RSV-{number}", **changes)
    line = envelope(sent, None, event="reservation.created", received_at=received_at)
    return created(aws.land(webhook_key(delivery=str(number)), [line]))


def bookings(connection: psycopg.Connection[Any]) -> list[str]:
    return [name for (name,) in connection.execute("SELECT external_id FROM hotel.bookings ORDER BY 1")]


def quarantined(connection: psycopg.Connection[Any]) -> list[str]:
    return [reason for (reason,) in connection.execute("SELECT reason FROM hotel.quarantine ORDER BY 1")]


def metrics_of(printed: str) -> dict[str, list[float]]:
    """Every value of every metric in the embedded metric format."""
    found: dict[str, list[float]] = {}
    for line in printed.splitlines():
        blob = json.loads(line)
        for directive in blob["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                found.setdefault(metric["Name"], []).extend(blob[metric["Name"]])
    return found


# -- The ordinary way ----------------------------------------------------------------------------------


def test_a_delivery_becomes_a_booking_and_its_guest(aws, connection) -> None:
    assert handle(land(aws, 1)) == []
    assert bookings(connection) == ["RSV-1"]
    assert connection.execute("SELECT first_name, is_profile FROM hotel.guests").fetchall() == [("João", False)]


def test_a_polled_page_becomes_all_its_rows(aws, connection) -> None:
    lines = [envelope(record("booking", reservation_id=f"RSV-{number}")) for number in range(30)]
    assert handle(created(aws.land(page_key(), lines))) == []
    assert len(bookings(connection)) == 30


def test_delivered_again_it_changes_nothing(aws, connection) -> None:
    event = land(aws, 1)
    handle(event, event)
    before = connection.execute("SELECT xmin, ctid, * FROM hotel.bookings").fetchall()
    assert handle(event) == []
    assert connection.execute("SELECT xmin, ctid, * FROM hotel.bookings").fetchall() == before


def test_a_replay_s_event_is_as_good_as_s3_s(aws, connection) -> None:
    event = land(aws, 1) | {"source": "pousada.replay"}
    assert handle(event) == []
    assert bookings(connection) == ["RSV-1"]


def test_the_hotel_s_own_calendar_counts(aws, connection) -> None:
    aws.onboard(factories.PROPERTY, "Pacific/Kiritimati")
    handle(land(aws, 1, dates={"created_at": "2024-03-19T10:00:00Z"}))
    assert connection.execute("SELECT lead_time FROM hotel.bookings").fetchone() == (0,)


# -- Partial failure -----------------------------------------------------------------------------------


def test_a_message_that_is_no_event_comes_back_alone(aws, connection) -> None:
    assert handle("not json", land(aws, 1), {"x": 1}) == ["m0", "m2"]
    assert bookings(connection) == ["RSV-1"]


def test_an_object_that_cannot_be_fetched_comes_back_alone(aws, connection) -> None:
    events = [land(aws, 1), land(aws, 2)]
    fault = Fault("s3.GetObject")
    fault.fail(times=1, error="AccessDenied")
    (failed,) = handle(*events)
    assert len(bookings(connection)) == 1
    assert handle(events[int(failed[1:])]) == []
    assert bookings(connection) == ["RSV-1", "RSV-2"]


def test_two_messages_of_an_object_that_failed_both_come_back(aws) -> None:
    event = land(aws, 1)
    Fault("s3.GetObject").fail(times=1, error="AccessDenied")
    assert handle(event, event) == ["m0", "m1"]


def test_what_cannot_be_mapped_is_quarantined_and_does_not_come_back(aws, connection) -> None:
    gone = created(webhook_key(delivery="gone"))
    by_mistake = created("notes/webhooks/x.txt")
    stranger = created(aws.land(page_key(property_id="ES-XXX"), [envelope(record("booking"), property_id="ES-XXX")]))
    assert handle(land(aws, 1, dates={"check_out": "2024-03-01"}), gone, stranger, by_mistake, land(aws, 2)) == []
    assert bookings(connection) == ["RSV-2"]
    assert quarantined(connection) == [
        "check_out_not_after_check_in", "no_such_object", "no_such_object", "unknown_property",
    ]  # fmt: skip


def test_a_database_that_is_down_has_every_message_come_back_and_counts_each(
    aws, connection, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("shared.storage.postgres.wait_random_exponential", lambda **_: lambda _state: 0)
    boto3.client("secretsmanager").put_secret_value(
        SecretId=aws.secret, SecretString=secret_of("postgresql://u:p@127.0.0.1:1/x")
    )
    events = [land(aws, 1), land(aws, 2)]
    assert handle(*events) == ["m0", "m1"]
    # The alarm apply-behind is on it: the queue's age says nothing of what was received three times.
    assert metrics_of(capsys.readouterr().out)["ApplyFailed"] == [2]


def test_a_hotel_whose_integration_is_broken_comes_back_alone(aws, connection) -> None:
    aws.onboard("ES-MAD-001")
    aws.break_time_zone("ES-MAD-001")
    other = created(
        aws.land(page_key(property_id="ES-MAD-001"), [envelope(record("booking"), property_id="ES-MAD-001")])
    )
    assert handle(other, land(aws, 1)) == ["m0"]
    assert bookings(connection) == ["RSV-1"]


def test_a_database_s_refusal_of_one_row_fails_its_object_alone(aws, connection, database) -> None:
    """As after a migration that the code does not know."""
    connection.execute("ALTER TABLE hotel.bookings ADD CONSTRAINT odd CHECK (external_id <> 'RSV-2')")
    try:
        assert handle(land(aws, 1), land(aws, 2), land(aws, 3)) == ["m1"]
        assert bookings(connection) == ["RSV-1", "RSV-3"]
    finally:
        connection.execute("ALTER TABLE hotel.bookings DROP CONSTRAINT odd")


# -- What is told --------------------------------------------------------------------------------------


def test_what_was_done_is_counted(aws, capsys) -> None:
    received = datetime.now(UTC) - timedelta(seconds=2)
    handle(
        land(aws, 1, received_at=received),
        land(aws, 2, received_at=received, channel="carrier pigeon"),
        land(aws, 3, dates={"check_out": "2024-03-01"}),
        "not json",
    )
    metrics = metrics_of(capsys.readouterr().out)
    assert sum(metrics["RecordsApplied"]) == 3
    assert sum(metrics["RowsWritten"]) == 3  # two bookings, one guest
    assert (sum(metrics["RecordsRefused"]), sum(metrics["RecordsWarned"])) == (1, 1)
    assert sum(metrics["ApplyFailed"]) == 1
    assert len(metrics["WebhookToRowMs"]) == 2
    assert all(2000 <= age < 60_000 for age in metrics["WebhookToRowMs"])


def test_a_page_is_no_delivery_and_has_no_lag(aws, capsys) -> None:
    handle(created(aws.land(page_key(), [envelope(record("booking"))])))
    assert "WebhookToRowMs" not in metrics_of(capsys.readouterr().out)


def test_no_personal_datum_is_told_whatever_becomes_of_the_record(aws, connection, logged, capsys, caplog) -> None:
    """Kept, warned of, refused, malformed, and refused by the database with the row in its own words."""
    connection.execute("ALTER TABLE hotel.bookings ADD CONSTRAINT odd CHECK (external_id <> 'RSV-7')")
    try:
        failed = handle(
            land(aws, 1, guest=MARKER),
            land(aws, 2, guest=MARKER | {"email": "marker@", "phone": "marker", "country": "MarkerLand"}),
            land(aws, 3, guest=MARKER, dates={"check_out": "2024-03-01"}),
            land(aws, 4, guest=MARKER | {"email": ["marker@example.pt"]}),
            land(aws, 5, guest=MARKER, status="MarkerName", special_requests="marker \0"),
            land(aws, 6, guest=MARKER, pricing={"total": "marker"}, property_id="MarkerName"),
            land(aws, 7, guest=MARKER),
            created(aws.land(webhook_key(delivery="8"), [b'{"v": 1, "vendor": "marker@example.pt"'])),
            {"detail": {"object": {"key": ["marker@example.pt"]}}},
        )
    finally:
        connection.execute("ALTER TABLE hotel.bookings DROP CONSTRAINT odd")
    assert failed == ["m8", "m6"]
    assert len(quarantined(connection)) == 5
    printed = capsys.readouterr()
    told = "\n".join([logged.getvalue(), printed.out, printed.err, caplog.text]).lower()
    assert "not applied" in told
    assert "quarantined" in told
    assert not [datum for datum in ("marker", *MARKER.values(), "919191919") if datum.lower() in told]
