"""The poller with its real clients: HostPMS's simulator over HTTP, and S3, DynamoDB, SQS and Secrets Manager (moto)."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import msgspec
import pytest

from lambdas.poller import handler, telemetry
from lambdas.poller.workplace import Settings, Workplace, workplace
from scripts.simulators.hostpms import Faults, RunningSimulator, World, running
from scripts.simulators.hostpms.records import encode
from shared.hotel_secrets import OAuthCredentials
from shared.names import oauth_credentials_name
from shared.pipeline import envelope, polling
from shared.pipeline.poll_orders import PollOrder
from shared.pipeline.sync_runs import Holder, SyncRun
from shared.settings import read
from shared.storage.integrations import Integration, Integrations
from shared.storage.raw_lake import RawLake
from shared.storage.sync_state import Cursors, Leases, SyncRuns
from shared.streams import Stream
from tests.deliveries import lambda_context
from tests.fakes.aws_faults import Fault, Killed
from tests.integration.moto_aws import RAW_BUCKET, hotel_secrets
from tests.integration.polling_aws import INTEGRATIONS_TABLE, SYNC_STATE_TABLE, polling_aws, queue_url, table

HOTEL = "PT-LIS-001"
ENTITIES = ("booking", "guest", "room", "payment")
IDS = {"booking": "reservation_id", "guest": "guest_id", "room": "room_id", "payment": "payment_id"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    # A few days are left to live: a record of the future would not be believed.
    start = datetime.now(UTC).date() - timedelta(days=5)
    with running(World(7, [HOTEL], start, rooms=12, history_days=60)) as run:
        yield run


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the function logs, as CloudWatch would get it."""
    stream = io.StringIO()
    monkeypatch.setattr(telemetry.logger.registered_handler, "stream", stream)
    return stream


@pytest.fixture
def hotel(simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSimulator]:
    """Onboarded, its vendor in good health, its pages small enough to be many."""
    simulator.simulator.faults = Faults(requests_per_minute=100_000)
    monkeypatch.setattr("shared.vendors.hostpms.api.PER_PAGE", 25)
    monkeypatch.setattr("shared.vendors.hostpms.api.REQUESTS_A_MINUTE", 60_000)
    monkeypatch.setattr(polling, "FIRST_DELAY", 0.0)
    with polling_aws():
        onboard(simulator)
        workplace.cache_clear()
        yield simulator
    workplace.cache_clear()


def onboard(simulator: RunningSimulator, **how: Any) -> None:
    client = simulator.world.credentials(HOTEL)
    credentials = OAuthCredentials(client.client_id, client.client_secret)
    hotel_secrets().write(oauth_credentials_name("hostpms", HOTEL), credentials)
    base = {"property_id": HOTEL, "vendor": "hostpms", "time_zone": "Europe/Lisbon", "entities": ENTITIES}
    integration = Integration(**{**base, "base_url": simulator.base_url, **how})
    Integrations(table(INTEGRATIONS_TABLE)).put(integration)


def order(entity: str) -> None:
    body = msgspec.json.encode(PollOrder(vendor="hostpms", property_id=HOTEL, entity=entity)).decode()
    boto3.client("sqs").send_message(QueueUrl=queue_url(), MessageBody=body)


def work_off(remaining_ms: int = 300_000, most: int = 60) -> list[list[str]]:
    """Feeds the function as Lambda's mapping does until the queue is empty; returns each answer's failures."""
    answers = []
    while messages := _received():
        assert len(answers) < most
        answer = handler.handle({"Records": [_record(message) for message in messages]}, lambda_context(remaining_ms))
        failures = [item["itemIdentifier"] for item in answer["batchItemFailures"]]
        for message in messages:
            if message["MessageId"] not in failures:
                boto3.client("sqs").delete_message(QueueUrl=queue_url(), ReceiptHandle=message["ReceiptHandle"])
        answers.append(failures)
    return answers


def _received() -> list[dict[str, Any]]:
    # As many as there are: the mapping's batch size is one, but the function takes more.
    answer = boto3.client("sqs").receive_message(
        QueueUrl=queue_url(), MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], VisibilityTimeout=1800
    )
    found: list[dict[str, Any]] = answer.get("Messages", [])
    return found


def _record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:pousada-test-poll",
        "awsRegion": "eu-west-1",
    }


def landed(entity: str) -> dict[str, bytes]:
    """The text that was received last of each record."""
    lake = RawLake(RAW_BUCKET, boto3.client("s3"))
    bodies = lake.many(item.key for item in lake.list(f"hostpms/{HOTEL}/polling/{entity}/"))
    envelopes = [envelope.decode(line) for key, body in bodies for line in envelope.lines(key, body)]
    texts = [bytes(found.payload) for found in sorted(envelopes, key=lambda found: found.received_at)]
    return {json.loads(text)[IDS[entity]]: text for text in texts}


def keys() -> set[str]:
    return {item.key for item in RawLake(RAW_BUCKET, boto3.client("s3")).list("")}


def truth(hotel: RunningSimulator, entity: str) -> dict[str, bytes]:
    """Each record as the vendor writes it."""
    return {version.id: encode(version.record) for version in hotel.world.hotel(HOTEL).ledger.listed(entity)}


def last_run(entity: str) -> SyncRun:
    found = SyncRuns(table(SYNC_STATE_TABLE), lambda: datetime.now(UTC)).last_run("hostpms", HOTEL, entity)
    assert found is not None
    return found


def metrics(printed: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, printed.splitlines()) if "_aws" in line]


# -- Good days -------------------------------------------------------------------------------------


def test_a_first_sync_lands_every_record_of_every_entity(hotel: RunningSimulator) -> None:
    for entity in ENTITIES:
        order(entity)

    assert not any(work_off())

    for entity in ENTITIES:
        assert landed(entity) == truth(hotel, entity)
        assert last_run(entity).status == "succeeded"
        assert last_run(entity).fetched >= len(truth(hotel, entity)) > 0
    assert last_run("booking").pages > 3


def test_the_next_poll_brings_what_changed_and_no_history(hotel: RunningSimulator) -> None:
    order("booking")
    work_off()
    history = last_run("booking").fetched
    before = landed("booking")

    hotel.advance(1, announce=False)
    order("booking")
    work_off()

    assert landed("booking") == truth(hotel, "booking") != before
    assert 0 < last_run("booking").fetched < history / 4


def test_a_poll_with_nothing_new_lands_nothing_and_says_so(
    hotel: RunningSimulator, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    for entity in ENTITIES:
        order(entity)
    work_off()
    objects = keys()
    capsys.readouterr()
    logged.truncate(0)

    for entity in ENTITIES:
        order(entity)
    assert not any(work_off())

    assert keys() == objects
    lines = [json.loads(line) for line in logged.getvalue().strip("\0").splitlines()]
    assert {(line["message"], line["fetched"]) for line in lines} == {("poll succeeded", 0)}
    told = {line["entity"]: line["unchanged"] for line in lines}
    assert told == {entity: last_run(entity).unchanged for entity in ENTITIES}
    assert all((last_run(entity).status, last_run(entity).pages) == ("succeeded", 0) for entity in ENTITIES)
    assert all(told.values())
    assert [counted["PollFetched"] for counted in metrics(capsys.readouterr().out)] == [[0.0]] * len(ENTITIES)


def test_a_cursor_that_is_forgotten_has_all_history_landed_again(hotel: RunningSimulator) -> None:
    order("room")
    work_off()
    objects = keys()

    Cursors(table(SYNC_STATE_TABLE)).reset(Stream("hostpms", HOTEL, "room"))
    order("room")
    work_off()

    assert len(keys() - objects) == last_run("room").pages > 0
    assert last_run("room").fetched >= len(truth(hotel, "room"))


def test_the_token_is_fetched_once_and_shared_through_the_table(hotel: RunningSimulator) -> None:
    before = hotel.simulator.requests["/oauth/token", 200]
    for entity in ENTITIES:
        order(entity)
        work_off()
        workplace.cache_clear()  # as on a new worker

    assert hotel.simulator.requests["/oauth/token", 200] == before + 1


def test_what_is_counted_names_vendor_and_entity_and_no_hotel(
    hotel: RunningSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    order("room")
    work_off()

    (counted,) = metrics(capsys.readouterr().out)
    (shape,) = counted["_aws"]["CloudWatchMetrics"]
    assert shape["Namespace"] == "pousada/local"
    assert sorted(shape["Dimensions"][0]) == ["entity", "service", "vendor"]
    assert (counted["vendor"], counted["entity"]) == ("hostpms", "room")
    assert (counted["PollFetched"], counted["PollFailed"]) == ([12.0], [0.0])
    assert HOTEL not in json.dumps(counted)


def test_a_run_is_logged_with_its_stream_and_nothing_of_a_record(hotel: RunningSimulator, logged: io.StringIO) -> None:
    order("guest")
    work_off()

    (line,) = logged.getvalue().splitlines()
    told = json.loads(line)
    assert (told["message"], told["property_id"], told["entity"]) == ("poll succeeded", HOTEL, "guest")
    assert told["fetched"] == last_run("guest").fetched
    personal = {json.loads(guest).get("email") for guest in truth(hotel, "guest").values()} - {None}
    assert not any(email in line for email in personal)
    assert hotel.world.credentials(HOTEL).client_secret not in line


# -- Bad days --------------------------------------------------------------------------------------


def test_a_vendor_on_its_worst_day_is_polled_whole_all_the_same(
    hotel: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A token is good for three requests. By the clock, a slow machine's would be over before it is used.
    monkeypatch.setattr(hotel.simulator.tokens, "_clock", lambda: hotel.simulator.requests.total() / 10)
    hotel.simulator.faults = Faults(
        rate_429=0.1, rate_500=0.1, rate_503=0.1, retry_after=0, token_lifetime=0.3, requests_per_minute=100_000
    )
    for entity in ("booking", "guest"):
        order(entity)

    assert not any(work_off())
    hotel.simulator.faults = Faults(requests_per_minute=100_000)

    for entity in ("booking", "guest"):
        assert landed(entity) == truth(hotel, entity)
        assert last_run(entity).status == "succeeded"


def test_a_run_cut_by_the_time_limit_goes_on_where_it_was(
    hotel: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, pages_before = datetime.now(UTC), hotel.simulator.requests["reservations", 200]

    def of_slow_pages() -> datetime:
        """A page takes half a minute, and nothing else takes time."""
        return begun + timedelta(seconds=30 * (hotel.simulator.requests["reservations", 200] - pages_before))

    slow = Workplace(read(Settings), of_slow_pages)
    monkeypatch.setattr(handler, "workplace", lambda: slow)
    order("booking")

    legs = work_off(remaining_ms=60_000)

    assert len(legs) > 2
    assert not any(legs)
    assert landed("booking") == truth(hotel, "booking")
    runs = SyncRuns(table(SYNC_STATE_TABLE), lambda: datetime.now(UTC)).runs("hostpms", HOTEL, "booking")
    assert [run.status for run in runs] == ["succeeded"]


def test_a_revoked_token_is_replaced(hotel: RunningSimulator) -> None:
    order("room")
    work_off()
    hotel.simulator.tokens.revoke_all()
    order("room")

    assert work_off() == [[]]
    assert last_run("room").status == "succeeded"


def test_an_outage_that_lasts_ends_as_a_failure_that_comes_back_later(hotel: RunningSimulator) -> None:
    hotel.simulator.faults = Faults(rate_503=1.0)
    postponed = Fault("sqs.ChangeMessageVisibility")
    order("booking")

    answers = work_off()

    assert [len(failures) for failures in answers] == [0] * polling.MOST_IDLE_LEGS + [1]
    assert last_run("booking").status == "failed"
    assert "503" in str(last_run("booking").error)
    assert postponed.calls == 1


def test_wrong_credentials_fail_the_run_and_are_not_told(
    hotel: RunningSimulator, capsys: pytest.CaptureFixture[str], logged: io.StringIO
) -> None:
    secret = OAuthCredentials("nobody", "a-secret-nobody-knows")
    hotel_secrets().write(oauth_credentials_name("hostpms", HOTEL), secret)
    order("booking")

    ((failure,),) = work_off()

    assert failure
    run = last_run("booking")
    assert (run.status, str(run.error).partition(":")[0]) == ("failed", "CredentialsRefused")
    assert "CredentialsRefused" in logged.getvalue()
    assert "a-secret-nobody-knows" not in f"{logged.getvalue()} {run}"
    assert metrics(capsys.readouterr().out)[0]["PollFailed"] == [1.0]


def test_missing_credentials_are_told_in_the_runs_record(hotel: RunningSimulator) -> None:
    hotel_secrets().delete(oauth_credentials_name("hostpms", HOTEL))
    order("booking")

    assert len(work_off()[0]) == 1
    assert last_run("booking").status == "failed"


def test_a_store_that_fails_gives_the_order_back_and_the_next_try_lands_all(hotel: RunningSimulator) -> None:
    puts = Fault("s3.PutObject")
    puts.fail(1, "AccessDenied")
    order("booking")

    assert len(work_off()[0]) == 1
    assert (last_run("booking").status, last_run("booking").failed) == ("failed", 25)
    order("booking")
    work_off()

    assert landed("booking") == truth(hotel, "booking")


@pytest.mark.parametrize("operation", ["dynamodb.PutItem", "s3.PutObject", "dynamodb.DeleteItem"])
def test_a_worker_that_dies_leaves_nothing_that_a_later_order_does_not_mend(
    hotel: RunningSimulator, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Fault(operation).fail(1, Killed("at the lease, at the first page, when all was done"))
    order("booking")
    with pytest.raises(Killed):
        work_off()

    next_hour = Workplace(read(Settings), lambda: datetime.now(UTC) + timedelta(hours=1))
    monkeypatch.setattr(handler, "workplace", lambda: next_hour)
    order("booking")
    work_off()

    assert landed("booking") == truth(hotel, "booking")


# -- Orders ----------------------------------------------------------------------------------------


def test_of_a_batch_only_what_failed_comes_back(hotel: RunningSimulator) -> None:
    client = boto3.client("sqs")
    order("room")
    bad = [
        client.send_message(QueueUrl=queue_url(), MessageBody=body)["MessageId"]
        for body in ("not an order", '{"vendor":"hostpms","property_id":"nobody","entity":"room"}')
    ]
    bad.append(
        client.send_message(
            QueueUrl=queue_url(),
            MessageBody=json.dumps({"vendor": "hostpms", "property_id": HOTEL, "entity": "review"}),
        )["MessageId"]
    )

    (failures,) = work_off()

    assert sorted(failures) == sorted(bad)
    assert landed("room") == truth(hotel, "room")


def test_a_paused_hotel_is_not_polled(hotel: RunningSimulator) -> None:
    onboard(hotel, status="paused")
    before = hotel.simulator.requests.total()
    order("room")

    assert work_off() == [[]]
    assert hotel.simulator.requests.total() == before
    assert Cursors(table(SYNC_STATE_TABLE)).get(Stream("hostpms", HOTEL, "room")) is None


def test_a_hotel_that_another_worker_is_at_is_left_to_it(
    hotel: RunningSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, now = Stream("hostpms", HOTEL, "room"), datetime.now(UTC)
    leases = Leases(table(SYNC_STATE_TABLE), lambda: now)
    leases.take(stream, Holder("another worker", "its run", now), now + timedelta(minutes=5))
    order("room")

    assert work_off() == [[]]
    assert landed("room") == {}
    assert metrics(capsys.readouterr().out) == []
