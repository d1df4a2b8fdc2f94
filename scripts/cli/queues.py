"""What the commands ask of a queue: how much waits in it, what its dead letters are, and to send those back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from shared.errors import Malformed, NotFound
from shared.pipeline import audit_orders, poll_orders, rotation_orders
from shared.pipeline.manifest import read_event

# An emulator's words for an operation that it does not have.
_UNSUPPORTED = frozenset(
    {"UnsupportedOperation", "InvalidAction", "UnknownOperationException", "UnknownOperation", "NotImplemented"}
)
_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class Depth(NamedTuple):
    """SQS counts approximately: two looks a few seconds apart are more than one."""

    waiting: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        return sum(self)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What a dead letter is about. Addresses only: a payload is not in the queue, nor is a guest's datum."""

    about: str
    sent_at: datetime
    receives: int


class Queue:
    """``sqs`` is a boto3 client."""

    def __init__(self, sqs: Any, name: str) -> None:
        self.name = name
        self._sqs = sqs
        self._url: str | None = None

    @property
    def url(self) -> str:
        """Raises NotFound."""
        if self._url is None:
            try:
                self._url = str(self._sqs.get_queue_url(QueueName=self.name)["QueueUrl"])
            except self._sqs.exceptions.QueueDoesNotExist:
                raise NotFound(f"there is no queue {self.name}", fix="deploy the stage first") from None
        return self._url

    def depth(self) -> Depth:
        found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(_COUNTS))["Attributes"]
        return Depth(*(int(found.get(name, 0)) for name in _COUNTS))

    def send(self, body: bytes) -> None:
        self._sqs.send_message(QueueUrl=self.url, MessageBody=body.decode())

    def peek(self, limit: int) -> list[DeadLetter]:
        """Some of what waits, which goes on waiting: SQS shows no order and no whole."""
        letters: dict[str, DeadLetter] = {}
        while len(letters) < limit:
            # A hold of some seconds, so that the next call shows others; it ends by itself.
            messages = self._receive(min(10, limit - len(letters)), hold=5)
            if not messages:
                break
            letters |= {message["MessageId"]: _dead_letter(message) for message in messages}
        return sorted(letters.values(), key=lambda letter: letter.sent_at)

    def _receive(self, limit: int, hold: int) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=limit,
            VisibilityTimeout=hold,
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def redrive(self, to: Queue) -> int | None:
        """Sends all that waits here back to ``to``. None: SQS does it in the background and does not say how many."""
        attributes = ["QueueArn"]
        mine, theirs = (
            self._sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=attributes)["Attributes"]["QueueArn"]
            for queue in (self, to)
        )
        try:
            self._sqs.start_message_move_task(SourceArn=mine, DestinationArn=theirs)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _UNSUPPORTED:
                raise
            return sum(1 for _ in self._moved_one_by_one(to))
        return None

    def _moved_one_by_one(self, to: Queue) -> Iterator[str]:
        """Sent first, deleted then: a crash in between leaves a message twice, never lost."""
        while messages := self._receive(10, hold=60):
            for message in messages:
                self._sqs.send_message(QueueUrl=to.url, MessageBody=message["Body"])
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                yield message["MessageId"]


def _dead_letter(message: dict[str, Any]) -> DeadLetter:
    attributes = message.get("Attributes", {})
    return DeadLetter(
        about=about(message["Body"]),
        sent_at=datetime.fromtimestamp(int(attributes.get("SentTimestamp", 0)) / 1000, UTC),
        receives=int(attributes.get("ApproximateReceiveCount", 0)),
    )


def about(body: str) -> str:
    """A raw object's key, or what an order is of; of anything else only what kind of thing it is."""
    with suppress(Malformed):
        return read_event(body).detail.object.key
    with suppress(Malformed):
        return "/".join(poll_orders.decode(body).stream)
    with suppress(Malformed):
        return _hotel_of(audit_orders.decode(body), "audits")
    with suppress(Malformed):
        return _hotel_of(rotation_orders.decode(body), "rotations")
    return "(neither an object's event nor an order)"


def _hotel_of(order: audit_orders.Order | rotation_orders.Order, kind: str) -> str:
    match order:
        case audit_orders.HotelAudit() | rotation_orders.HotelRotation():
            return f"{order.vendor}/{order.property_id}"
        case _:
            return f"(the day's order of all {kind})"
