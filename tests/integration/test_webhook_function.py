"""The webhook function with its real clients, against S3, DynamoDB and Secrets Manager (moto)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambdas.webhook import handler
from lambdas.webhook.landing import Landing
from shared.hotel_secrets import WebhookSecret
from shared.names import webhook_secret_name
from shared.pipeline import envelope
from shared.pipeline.delivery import RawDelivery
from shared.storage.raw_lake import RawLake
from tests.deliveries import BODY, GUEST_EMAIL, PROPERTY, SECRET, lambda_context, proxy_event, wrapped
from tests.fakes.aws_faults import Fault, Killed
from tests.hostile import rest_event
from tests.integration.moto_aws import IDEMPOTENCY_TABLE, RAW_BUCKET, hotel_secrets, moto_aws

# Powertools warns where a call that raised counted nothing.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics")

ACCEPTED = (200, {"result": "accepted"})
DUPLICATE = (200, {"result": "duplicate"})
UNAVAILABLE = (503, {"error": "unavailable"})


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with moto_aws():
        name = webhook_secret_name("hostpms", PROPERTY)
        hotel_secrets().write(name, WebhookSecret(current=SECRET))
        forget()
        yield
    forget()


def forget() -> None:
    """As on a new worker: no client, no cached secret, no cached result."""
    handler.receiver.cache_clear()


def call(body: bytes = BODY, remaining_ms: int = 10_000, **how: Any) -> tuple[int, dict[str, str]]:
    event = proxy_event(body, **{"at": datetime.now(UTC), **how})
    answer = handler.handle(event, lambda_context(remaining_ms))
    return answer["statusCode"], json.loads(answer["body"])


def landed() -> dict[str, bytes]:
    lake = RawLake(RAW_BUCKET, boto3.client("s3"))
    return {item.key: lake.get(item.key) for item in lake.list("")}


def records() -> list[dict[str, Any]]:
    return list(boto3.client("dynamodb").scan(TableName=IDEMPOTENCY_TABLE)["Items"])


# -- the ordinary way ----------------------------------------------------------------------------


def test_a_delivery_is_accepted_once_it_lies_in_the_raw_bucket() -> None:
    assert call() == ACCEPTED

    [(key, content)] = landed().items()
    assert key.startswith(f"hostpms/{PROPERTY}/webhooks/reservation.created/")
    assert bytes(envelope.decode(content).payload) == BODY


@pytest.mark.parametrize("worker", ["same", "another"])
def test_a_retry_is_a_duplicate_and_lands_nothing_new(worker: str) -> None:
    now = datetime.now(UTC)
    puts = Fault("s3.PutObject")
    assert call(at=now) == ACCEPTED
    if worker == "another":
        forget()

    assert call(at=now) == DUPLICATE
    assert puts.calls == 1


def test_the_same_worker_knows_a_duplicate_without_asking_dynamodb() -> None:
    writes = Fault("dynamodb.PutItem")
    now = datetime.now(UTC)

    assert [call(at=now), call(at=now)] == [ACCEPTED, DUPLICATE]
    assert writes.calls == 1


def test_a_delivery_id_makes_a_freshly_signed_retry_a_duplicate() -> None:
    now = datetime.now(UTC)
    body = wrapped("evt-1", reservation_id="RSV-1")

    assert call(body, at=now - timedelta(minutes=4)) == ACCEPTED
    forget()
    assert call(body, at=now) == DUPLICATE
    assert len(landed()) == 1


def test_a_retry_signed_after_midnight_is_still_a_duplicate() -> None:
    lake = RawLake(RAW_BUCKET, boto3.client("s3"))
    landing = Landing(lake, boto3.client("dynamodb"), IDEMPOTENCY_TABLE)
    before, after = (
        RawDelivery(("hostpms", PROPERTY, "id", "evt-1"), f"hostpms/{PROPERTY}/2024/03/{day}/evt-1-digest.json", b"{}")
        for day in ("01", "02")
    )

    results = [landing.land(delivery, lambda_context()) for delivery in (before, after)]

    assert results == ["accepted", "duplicate"]
    assert list(landed()) == [before.key]


def test_a_delivery_id_used_for_another_body_loses_nothing() -> None:
    assert call(wrapped("evt-1", reservation_id="RSV-1")) == ACCEPTED
    forget()

    assert call(wrapped("evt-1", reservation_id="RSV-2")) == ACCEPTED
    assert len(landed()) == 2


def test_the_same_body_signed_at_another_moment_is_another_delivery() -> None:
    now = datetime.now(UTC)

    assert [call(at=now), call(at=now - timedelta(seconds=1))] == [ACCEPTED, ACCEPTED]
    assert len(landed()) == 2


def test_a_delivery_is_remembered_for_seven_days_without_its_content() -> None:
    call()

    [record] = records()
    expected = time.time() + timedelta(days=7).total_seconds()
    assert abs(int(record["expiration"]["N"]) - expected) < 10
    assert record["status"]["S"] == "COMPLETED"
    assert record["id"]["S"].startswith("webhook#")
    assert len(record["id"]["S"].removeprefix("webhook#")) == 64, "a SHA-256"
    assert GUEST_EMAIL not in str(record)
    assert json.loads(record["data"]["S"]) == {"raw_key": next(iter(landed()))}


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"secret": "guessed"}, 401),
        ({"at": datetime.now(UTC) - timedelta(hours=1)}, 401),
        ({"property_id": "PT-LIS-999"}, 404),
        ({"body": b"<xml/>"}, 400),
        ({"body": b"x" * (1024 * 1024 + 1)}, 413),
    ],
)
def test_a_refused_delivery_leaves_no_trace(how: dict[str, Any], status: int) -> None:
    assert call(**how)[0] == status
    assert (landed(), records()) == ({}, [])


def test_no_stranger_leaves_a_trace() -> None:
    """The seeds of the fuzzing (tests/unit/test_webhook_hostile.py), with the function's own clients."""
    for seed in json.loads((Path(__file__).parents[1] / "seeds" / "webhook.json").read_text(encoding="utf-8")):
        answer = handler.handle(rest_event(seed["event"]), lambda_context())
        assert answer["statusCode"] in (400, 401, 404), seed["what"]
    assert (landed(), records()) == ({}, [])


# -- our stores fail -----------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["InternalError", "SlowDown", "AccessDenied", RuntimeError("a bug")])
def test_a_delivery_whose_put_failed_can_be_retried_at_once(error: str | BaseException) -> None:
    now = datetime.now(UTC)
    Fault("s3.PutObject").fail(error=error)
    if isinstance(error, RuntimeError):
        with pytest.raises(RuntimeError):
            call(at=now)
    else:
        assert call(at=now) == UNAVAILABLE
    assert (landed(), records()) == ({}, [])

    assert [call(at=now), call(at=now)] == [ACCEPTED, DUPLICATE]
    assert len(landed()) == 1


def test_a_delivery_whose_worker_was_killed_can_be_retried_at_once() -> None:
    now = datetime.now(UTC)
    Fault("s3.PutObject").fail(error=Killed())
    with pytest.raises(Killed):
        call(at=now)
    assert [record["status"]["S"] for record in records()] == ["INPROGRESS"]
    forget()

    assert call(at=now) == ACCEPTED
    assert len(landed()) == 1


def test_once_a_killed_workers_time_is_up_its_record_is_taken_over() -> None:
    now = datetime.now(UTC)
    Fault("s3.PutObject").fail(error=Killed())
    with pytest.raises(Killed):
        call(at=now, remaining_ms=0)
    forget()
    time.sleep(0.01)

    assert [call(at=now), call(at=now)] == [ACCEPTED, DUPLICATE]
    assert [record["status"]["S"] for record in records()] == ["COMPLETED"]


def test_a_retry_while_the_first_is_under_way_is_accepted_under_the_same_key() -> None:
    now = datetime.now(UTC)
    during: list[tuple[int, dict[str, str]]] = []

    class Overtaken(Fault):
        def _before_call(self, **_: Any) -> None:
            self.calls += 1
            if self.calls == 1:
                during.append(call(at=now))

    Overtaken("s3.PutObject")

    assert call(at=now) == ACCEPTED
    assert during == [ACCEPTED]
    assert len(landed()) == 1
    assert call(at=now) == DUPLICATE


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem"])
def test_where_dynamodb_fails_the_vendors_retry_is_accepted(operation: str) -> None:
    now = datetime.now(UTC)
    Fault(f"dynamodb.{operation}").fail()
    assert call(at=now) == UNAVAILABLE

    assert call(at=now) == ACCEPTED
    assert len(landed()) == 1


def test_where_both_stores_fail_the_vendors_retry_is_accepted() -> None:
    now = datetime.now(UTC)
    Fault("s3.PutObject").fail()
    Fault("dynamodb.DeleteItem").fail()
    assert call(at=now) == UNAVAILABLE

    assert call(at=now) == ACCEPTED
    assert len(landed()) == 1


def test_where_the_secrets_table_fails_nothing_is_judged() -> None:
    Fault("dynamodb.GetItem").fail()

    assert call() == UNAVAILABLE
    assert call() == ACCEPTED


def test_where_a_stage_keeps_its_secrets_in_secrets_manager_they_are_read_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOTEL_SECRETS_TABLE", "")
    name, kept = webhook_secret_name("hostpms", PROPERTY), '{"current": "of-secrets-manager"}'
    boto3.client("secretsmanager").create_secret(Name=name, SecretString=kept)

    assert call() == (401, {"error": "unauthenticated"})
    assert call(secret="of-secrets-manager") == ACCEPTED


def test_a_function_that_lacks_a_setting_says_so_and_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAW_BUCKET")

    assert call() == UNAVAILABLE
