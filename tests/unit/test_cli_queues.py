"""Dead letters: what each is about, and the way back, also where SQS cannot move them itself."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError

from scripts.cli.queues import Depth, Queue, about
from shared.errors import NotFound
from shared.pipeline.audit_orders import EveryHotel, HotelAudit

EVENT = json.dumps(
    {
        "source": "aws.s3",
        "time": "2024-03-01T10:30:00Z",
        "detail": {"bucket": {"name": "raw"}, "object": {"key": "a/b.json", "size": 1}},
    }
)
ORDER = json.dumps({"vendor": "hostpms", "property_id": "PT-LIS-001", "entity": "booking"})


class QueueDoesNotExist(Exception):
    pass


class Sqs:
    """Queues in memory. ``moves``: whether it has StartMessageMoveTask."""

    class exceptions:
        QueueDoesNotExist = QueueDoesNotExist

    def __init__(self, moves: bool, **queues: list[str]) -> None:
        self.queues = {name: list(bodies) for name, bodies in queues.items()}
        self.moved: list[tuple[str, str]] = []
        self.log: list[str] = []
        self.breaks_at: str | None = None
        self._moves = moves

    def get_queue_url(self, QueueName: str) -> dict[str, str]:
        if QueueName not in self.queues:
            raise QueueDoesNotExist
        return {"QueueUrl": QueueName}

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        count = str(len(self.queues[QueueUrl]))
        return {"Attributes": {"QueueArn": f"arn:{QueueUrl}", "ApproximateNumberOfMessages": count}}

    def start_message_move_task(self, SourceArn: str, DestinationArn: str) -> None:
        if not self._moves:
            raise ClientError({"Error": {"Code": "InvalidAction"}}, "StartMessageMoveTask")
        self.moved.append((SourceArn, DestinationArn))

    def receive_message(self, QueueUrl: str, **_: object) -> dict[str, Any]:
        bodies = self.queues[QueueUrl][:10]
        return {"Messages": [{"MessageId": b, "ReceiptHandle": b, "Body": b} for b in bodies]} if bodies else {}

    def send_message(self, QueueUrl: str, MessageBody: str) -> None:
        self._log("send")
        self.queues[QueueUrl].append(MessageBody)

    def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:
        self._log("delete")
        self.queues[QueueUrl].remove(ReceiptHandle)

    def _log(self, what: str) -> None:
        if self.breaks_at == what:
            raise ConnectionError
        self.log.append(what)


def queues(sqs: Sqs) -> tuple[Queue, Queue]:
    return Queue(sqs, "dead"), Queue(sqs, "work")


def test_a_dead_letter_is_about_a_raw_object_a_poll_or_an_audit() -> None:
    assert about(EVENT) == "a/b.json"
    assert about(ORDER) == "hostpms/PT-LIS-001/booking"
    order = HotelAudit(
        vendor="hostpms",
        property_id="PT-LIS-001",
        since=date(2026, 3, 1),
        settled_before=datetime(2026, 3, 2, tzinfo=UTC),
    )
    assert about(msgspec.json.encode(order).decode()) == "hostpms/PT-LIS-001"
    assert about(msgspec.json.encode(EveryHotel()).decode()) == "(the day's order of all audits)"


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        EVENT.replace('"a/b.json"', '{"guest": "João Silva"}'),
        '{"audit": 1}',
        '{"detail": {}}',
        '{"guest": "João Silva"}',
    ],
)
def test_of_anything_else_nothing_is_quoted(body: str) -> None:
    assert about(body) == "(neither an object's event nor an order)"


def test_a_redrive_is_left_to_sqs_where_sqs_can() -> None:
    sqs = Sqs(moves=True, dead=[EVENT], work=[])
    dead, work = queues(sqs)

    assert dead.redrive(work) is None
    assert sqs.moved == [("arn:dead", "arn:work")]
    assert sqs.log == []


def test_where_it_cannot_every_message_is_sent_back_once() -> None:
    letters = [f'{ORDER[:-1]}, "n": {number}}}' for number in range(23)]
    sqs = Sqs(moves=False, dead=letters, work=[])
    dead, work = queues(sqs)

    assert dead.redrive(work) == 23
    assert (sqs.queues["dead"], sqs.queues["work"]) == ([], letters)


def test_a_crash_half_way_leaves_a_message_twice_and_never_loses_it() -> None:
    sqs = Sqs(moves=False, dead=[EVENT], work=[])
    sqs.breaks_at = "delete"
    dead, work = queues(sqs)

    with pytest.raises(ConnectionError):
        dead.redrive(work)

    assert (sqs.queues["dead"], sqs.queues["work"]) == ([EVENT], [EVENT])


def test_a_refusal_of_another_kind_is_not_taken_for_a_missing_operation() -> None:
    sqs = Sqs(moves=False, dead=[EVENT], work=[])
    sqs.start_message_move_task = _denied  # type: ignore[method-assign]
    dead, work = queues(sqs)

    with pytest.raises(ClientError, match="AccessDenied"):
        dead.redrive(work)
    assert sqs.queues["dead"] == [EVENT]


def _denied(**_: str) -> None:
    raise ClientError({"Error": {"Code": "AccessDenied"}}, "StartMessageMoveTask")


def test_a_missing_queue_says_what_to_do() -> None:
    with pytest.raises(NotFound, match="deploy"):
        _ = Queue(Sqs(moves=True), "nowhere").url


def test_a_depth_counts_what_is_hidden_too() -> None:
    assert Depth(waiting=1, in_flight=2, delayed=3).total == 6
