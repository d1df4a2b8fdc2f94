"""The audit function with its real clients: S3, DynamoDB, SQS and Secrets Manager (moto), and PostgreSQL."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import boto3
import msgspec
import psycopg
import pytest

from lambdas.apply import handler as apply_handler
from lambdas.audit import handler, telemetry
from lambdas.audit.workplace import workplace
from shared.model.columns import TABLES
from shared.pipeline import audit_orders, audit_window, daily_audit, raw_keys
from shared.pipeline.audit import Kind
from shared.pipeline.audit_orders import EveryHotel, HotelAudit
from shared.pipeline.manifest import Manifest, ObjectAddress
from shared.storage.manifests import Manifests
from tests import factories
from tests.deliveries import lambda_context
from tests.factories import GIVEN, envelope, minutes, page_key, record, webhook_key
from tests.fakes.aws_faults import Fault
from tests.integration.storing_aws import Resources, created, sqs_event, storing_aws

OTHER_HOTEL = "PT-LIS-0010"
MARKER = {"name": "MarkerName", "email": "marker@example.pt", "phone": "+351919191919", "nif": "987654321"}
READS = {"GetObject", "ListObjectsV2", "GetItem", "Scan", "GetSecretValue"}


@dataclass
class Pipeline:
    """Raw objects that have come to rows, in a batch that is done; and the audit of them."""

    aws: Resources
    connection: psycopg.Connection[Any]
    queue_url: str

    def land(self, objects: dict[str, list[bytes]], done: bool = True) -> None:
        events = [created(self.aws.land(key, lines)) for key, lines in objects.items()]
        assert apply_handler.handle(sqs_event(*events), lambda_context())["batchItemFailures"] == []
        if done:
            self.finish(*objects)

    def finish(self, *keys: str) -> None:
        Manifests(self.aws.work, boto3.client("s3")).finish(batch(*keys))

    def forget(self, table: str, condition: str = "true") -> None:
        self.connection.execute(f"DELETE FROM hotel.{table} WHERE {condition}")

    def order(self, order: audit_orders.Order) -> None:
        body = msgspec.json.encode(order).decode()
        boto3.client("sqs").send_message(QueueUrl=self.queue_url, MessageBody=body)

    def work_off(self, remaining_ms: int = 300_000, most: int = 30) -> int:
        """Feeds the function until the queue is empty; how many messages it took, each of them in full."""
        queue, taken = boto3.resource("sqs").Queue(self.queue_url), 0
        while messages := queue.receive_messages(MaxNumberOfMessages=1):
            (message,) = messages
            event = sqs_event(message.body)
            assert handler.handle(event, lambda_context(remaining_ms)) == {"batchItemFailures": []}
            message.delete()
            taken += 1
            assert taken < most
        return taken

    def audit(self, order: HotelAudit | None = None, **how: Any) -> int:
        self.order(order or hotel())
        return self.work_off(**how)


@dataclass
class Told:
    """What the function logs, as CloudWatch would get it."""

    stream: io.StringIO

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def about(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["message"] == message]

    @property
    def findings(self) -> list[tuple[str, str]]:
        return sorted((line["kind"], line["raw_key"]) for line in self.about("not accounted for"))


def hotel(property_id: str = factories.PROPERTY, **changes: Any) -> HotelAudit:
    since, settled_before = date(2024, 3, 1), datetime.now(UTC) + timedelta(hours=1)
    order = HotelAudit(vendor="hostpms", property_id=property_id, since=since, settled_before=settled_before)
    return msgspec.structs.replace(order, **changes)


def batch(*keys: str) -> Manifest:
    name = f"20240301T103100Z-{raw_keys.digest(''.join(keys).encode())}"
    return Manifest(name, minutes(0), tuple(ObjectAddress(key, 100) for key in sorted(keys)))


def bookings(*numbers: int, **how: Any) -> list[bytes]:
    return [envelope(record("booking", reservation_id=f"RSV-{number}"), **how) for number in numbers]


def forget_process() -> None:
    if workplace.cache_info().currsize:
        workplace().database.close()
    workplace.cache_clear()
    if apply_handler._store.cache_info().currsize:
        apply_handler._store()._database.close()
    for made in (apply_handler._raw_lake, apply_handler._contexts, apply_handler._store):
        made.cache_clear()


@pytest.fixture
def pipeline(database: str) -> Iterator[Pipeline]:
    forget_process()
    with psycopg.connect(database, autocommit=True) as connection, storing_aws(database) as aws:
        connection.execute(f"TRUNCATE {', '.join(f'hotel.{table}' for table in TABLES.values())}")
        yield Pipeline(aws, connection, aws.make_audit_queue())
    forget_process()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    stream = io.StringIO()
    monkeypatch.setattr(telemetry.logger.registered_handler, "stream", stream)
    return Told(stream)


@pytest.fixture
def counted(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """The metrics since the last look."""

    def look() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        return [line for line in lines if "AuditFindings" in line]

    return look


# -- A hotel ---------------------------------------------------------------------------------------


def test_where_nothing_is_lost_nothing_is_found_and_zero_is_counted(pipeline, told, counted) -> None:
    pipeline.land({page_key(): [*bookings(1, 2), b"broken"], webhook_key("guest.created"): [guest()]})
    counted()

    assert pipeline.audit() == 1

    (metrics,) = counted()
    (shape,) = metrics["_aws"]["CloudWatchMetrics"]
    assert (shape["Namespace"], sorted(shape["Dimensions"][0])) == ("pousada/local", ["service", "vendor"])
    values = {metric["Name"]: metrics[metric["Name"]] for metric in shape["Metrics"]}
    assert values == {"AuditedHotels": [1.0], "AuditedObjects": [2.0], "AuditedRecords": [4.0], "AuditFindings": [0.0]}
    assert factories.PROPERTY not in json.dumps(metrics)
    (line,) = told.about("audit succeeded")
    assert (line["property_id"], line["refused"], line["found"]) == (factories.PROPERTY, 1, {})
    assert told.findings == []


def guest(**changes: Any) -> bytes:
    return envelope(record("guest", **changes), None, event="guest.created")


def lose_one_of_each_kind(pipeline: Pipeline) -> set[tuple[str, str]]:
    """Kind and raw key of what is lost."""
    whole, unbatched, pending, gone, late, refused = (page_key(page=number) for number in range(1, 7))
    pipeline.land({whole: bookings(1), gone: bookings(4), late: bookings(5, 6), refused: [b"broken"]})
    pipeline.land({unbatched: bookings(2), pending: bookings(3)}, done=False)
    Manifests(pipeline.aws.work, boto3.client("s3")).add(batch(pending))
    boto3.client("s3").delete_object(Bucket=pipeline.aws.raw, Key=gone)
    pipeline.forget("bookings", "external_id IN ('RSV-1', 'RSV-4')")
    pipeline.forget("quarantine")
    pipeline.connection.execute(
        "UPDATE hotel.bookings SET source_updated_at = '2001-01-01' WHERE external_id = 'RSV-5'"
    )
    return {
        ("not_in_a_batch", unbatched),
        ("batch_not_done", pending),
        ("raw_object_missing", gone),
        ("row_missing", whole),
        ("row_older", late),
        ("refusal_missing", refused),
    }


def test_a_loss_of_each_kind_is_told_by_its_address_and_counted(pipeline, told, counted) -> None:
    lost = lose_one_of_each_kind(pipeline)
    counted()

    pipeline.audit()

    assert set(told.findings) == lost
    assert {kind for kind, _ in told.findings} == set(get_args(Kind))
    (line,) = told.about("audit succeeded")
    assert line["found"] == {kind: 1 for kind, _ in lost}
    assert [metrics["AuditFindings"] for metrics in counted()] == [[6.0]]


def test_another_hotel_s_loss_is_its_own_audit_s(pipeline, told) -> None:
    pipeline.aws.onboard(OTHER_HOTEL)
    theirs = page_key(property_id=OTHER_HOTEL)
    changes = {"reservation_id": "RSV-9", "property_id": OTHER_HOTEL}
    pipeline.land({page_key(): bookings(1), theirs: [envelope(record("booking", **changes), property_id=OTHER_HOTEL)]})
    pipeline.forget("bookings", f"hotel_id = '{OTHER_HOTEL}'")

    pipeline.audit()
    assert told.findings == []
    pipeline.audit(hotel(OTHER_HOTEL))
    assert told.findings == [("row_missing", theirs)]


def test_a_hotel_that_does_not_fit_into_one_invocation_is_continued_by_message(
    pipeline, told, counted, monkeypatch
) -> None:
    monkeypatch.setattr(audit_window, "KEYS", 2)
    lost = lose_one_of_each_kind(pipeline)
    counted()

    taken = pipeline.audit()

    assert taken >= 3
    assert set(told.findings) == lost
    metrics = counted()
    assert [line["AuditedHotels"] for line in metrics] == [*([[0.0]] * (taken - 1)), [1.0]]
    assert sum(line["AuditFindings"][0] for line in metrics) == len(lost)
    assert len(told.about("audit continued")) == taken - 1


def test_a_hotel_for_which_time_runs_short_is_continued_by_message(pipeline, told, monkeypatch) -> None:
    monkeypatch.setattr(audit_window, "OBJECTS_AT_ONCE", 1)
    lost = lose_one_of_each_kind(pipeline)

    # All but the margin is gone already: one object each time.
    assert pipeline.audit(remaining_ms=90_000) == 6
    assert set(told.findings) == lost


def test_what_is_younger_than_the_order_allows_is_counted_and_not_judged(pipeline, told) -> None:
    pipeline.land({page_key(): bookings(1)}, done=False)
    pipeline.forget("bookings")

    pipeline.audit(hotel(settled_before=datetime.now(UTC) - timedelta(hours=2)))

    (line,) = told.about("audit succeeded")
    assert (line["objects"], line["young"], line["records"], line["found"]) == (1, 1, 0, {})


def test_of_many_findings_some_are_told_and_all_are_counted(pipeline, told, counted, monkeypatch) -> None:
    monkeypatch.setattr(daily_audit, "FINDINGS_TOLD", 3)
    pipeline.land({page_key(): bookings(*range(8))})
    pipeline.forget("bookings")
    counted()

    pipeline.audit()

    assert len(told.findings) == 3
    (line,) = told.about("audit succeeded")
    assert (line["found"], line["findings_told"]) == ({"row_missing": 8}, 3)
    assert [metrics["AuditFindings"] for metrics in counted()] == [[8.0]]


def test_an_audit_writes_nothing(pipeline) -> None:
    lose_one_of_each_kind(pipeline)
    before = pipeline.connection.execute("SELECT xmin, ctid, * FROM hotel.bookings ORDER BY id").fetchall()
    pipeline.order(hotel())
    called: list[str] = []
    events = boto3._get_default_session().events
    events.register("before-call", lambda model, **_: called.append(model.name))
    (message,) = boto3.resource("sqs").Queue(pipeline.queue_url).receive_messages()
    called.clear()

    handler.handle(sqs_event(message.body), lambda_context(300_000))

    assert set(called) == READS - {"Scan"}
    assert pipeline.connection.execute("SELECT xmin, ctid, * FROM hotel.bookings ORDER BY id").fetchall() == before


def test_no_personal_datum_is_told(pipeline, told, capsys, caplog) -> None:
    lines = [
        envelope(record("booking", reservation_id="RSV-1", guest=MARKER)),
        envelope(record("booking", reservation_id="RSV-2", guest=MARKER, dates={"check_out": "2024-03-01"})),
        envelope(record("booking", reservation_id="RSV-3", guest=MARKER | {"email": ["marker@example.pt"]})),
        b'{"v": 1, "vendor": "marker@example.pt"',
    ]
    pipeline.land({page_key(): lines}, done=False)
    pipeline.forget("bookings")
    pipeline.forget("quarantine")
    capsys.readouterr()

    pipeline.audit()

    printed = capsys.readouterr()
    said = "\n".join([told.stream.getvalue(), printed.out, printed.err, caplog.text]).lower()
    assert {kind for kind, _ in told.findings} == {"not_in_a_batch", "row_missing", "refusal_missing"}
    assert not [datum for datum in ("marker", *MARKER.values(), "919191919") if datum.lower() in said]


# -- What fails ------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["s3.ListObjectsV2", "s3.GetObject", "dynamodb.GetItem"])
def test_where_a_store_does_not_answer_nothing_is_proved_and_the_order_comes_back(
    pipeline, told, counted, operation
) -> None:
    pipeline.land({page_key(): bookings(1)})
    forget_process()
    fault = Fault(operation)
    fault.fail(times=1, error="AccessDenied")
    counted()

    event = sqs_event(msgspec.json.encode(hotel()).decode())
    assert handler.handle(event, lambda_context(300_000)) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert (told.about("audit succeeded"), counted()) == ([], [])
    assert [line["property_id"] for line in told.about("order given back")] == [factories.PROPERTY]

    assert handler.handle(event, lambda_context(300_000)) == {"batchItemFailures": []}
    assert len(told.about("audit succeeded")) == 1


def test_redelivered_it_reports_the_same(pipeline, told) -> None:
    lost = lose_one_of_each_kind(pipeline)
    event = sqs_event(msgspec.json.encode(hotel()).decode())
    for _ in range(2):
        handler.handle(event, lambda_context(300_000))
    first, second = told.about("audit succeeded")
    assert {name: first[name] for name in ("objects", "records", "found")} == {
        name: second[name] for name in ("objects", "records", "found")
    }
    assert told.findings == sorted([*lost, *lost])


def test_a_message_that_is_no_order_comes_back_alone(pipeline, told) -> None:
    event = sqs_event('{"guest": "MarkerName"}', msgspec.json.encode(hotel()).decode())
    assert handler.handle(event, lambda_context(300_000)) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    (line,) = told.about("order given back")
    assert (line["reason"], "MarkerName" in told.stream.getvalue()) == ("not_an_audit_order", False)


def test_a_hotel_whose_integration_cannot_be_read_comes_back_and_is_named(pipeline, told) -> None:
    pipeline.land({page_key(): bookings(1)})
    boto3.resource("dynamodb").Table(pipeline.aws.integrations).put_item(
        Item={"property_id": factories.PROPERTY, "vendor": "hostpms", "status": "active"}
    )
    forget_process()
    answer = handler.handle(sqs_event(msgspec.json.encode(hotel()).decode()), lambda_context(300_000))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    (line,) = told.about("order given back")
    assert (line["property_id"], "Misconfigured" in line["cause"]) == (factories.PROPERTY, True)


# -- The day's order -------------------------------------------------------------------------------


def ordered(queue_url: str) -> list[HotelAudit]:
    """The orders in the queue, taken out of it."""
    queue, found = boto3.resource("sqs").Queue(queue_url), []
    while messages := queue.receive_messages(MaxNumberOfMessages=10):
        found += [audit_orders.decode(message.body) for message in messages]
        for message in messages:
            message.delete()
    assert all(isinstance(order, HotelAudit) for order in found)
    return sorted(found, key=lambda order: order.property_id)  # type: ignore[union-attr, return-value]


def the_day_begins(pipeline: Pipeline) -> list[HotelAudit]:
    event = sqs_event(msgspec.json.encode(EveryHotel()).decode())
    assert handler.handle(event, lambda_context(300_000)) == {"batchItemFailures": []}
    return ordered(pipeline.queue_url)


def test_every_hotel_is_ordered_for_the_days_and_the_grace_that_are_configured(pipeline) -> None:
    (order,) = the_day_begins(pipeline)

    now = datetime.now(UTC)
    assert (order.vendor, order.property_id, order.after) == ("hostpms", factories.PROPERTY, "")
    assert timedelta(hours=2) <= now - order.settled_before < timedelta(hours=2, minutes=5)
    assert order.since in {(now - timedelta(days=2, minutes=minute)).date() for minute in (0, 5)}


def test_a_paused_hotel_one_without_integration_and_one_without_raw_objects_are_ordered_too(pipeline) -> None:
    for property_id in ("PT-OPO-002", "PT-OPO-003"):
        pipeline.aws.onboard(property_id)
    workplace().integrations.set_status("PT-OPO-003", "hostpms", "paused")
    pipeline.aws.land(page_key(property_id="ES-MAD-001"), [b"x"])
    pipeline.aws.land("notes/no-hotel.txt", [b"x"])

    assert [order.property_id for order in the_day_begins(pipeline)] == [
        "ES-MAD-001", factories.PROPERTY, "PT-OPO-002", "PT-OPO-003",
    ]  # fmt: skip


def test_more_hotels_than_one_request_takes_are_all_ordered(pipeline, told) -> None:
    for number in range(22):
        pipeline.aws.onboard(f"PT-{number:05d}")

    assert len({order.property_id for order in the_day_begins(pipeline)}) == 23
    assert [line["orders"] for line in told.about("audits ordered")] == [23]


def test_an_integration_that_cannot_be_read_is_told_and_keeps_no_other_back(pipeline, told) -> None:
    boto3.resource("dynamodb").Table(pipeline.aws.integrations).put_item(
        Item={"property_id": "PT-LIS-000", "vendor": "hostpms", "status": "active"}
    )
    assert [order.property_id for order in the_day_begins(pipeline)] == [factories.PROPERTY]
    (line,) = told.about("an integration cannot be read")
    assert "PT-LIS-000" in line["cause"]


def test_the_day_s_order_leads_to_every_hotel_s_audit(pipeline, told) -> None:
    today = f"{datetime.now(UTC):%Y/%m/%d}"
    pipeline.land({page_key().replace("2024/03/01", today): [envelope(GIVEN["room"], "room")]})
    pipeline.aws.onboard(OTHER_HOTEL)
    pipeline.order(EveryHotel())

    assert pipeline.work_off() == 3
    assert {line["property_id"]: line["objects"] for line in told.about("audit succeeded")} == {
        factories.PROPERTY: 1,
        OTHER_HOTEL: 0,
    }
