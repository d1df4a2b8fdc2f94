"""A queue of orders (to poll, to audit), as SQS messages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import StoreUnavailable

_BATCH = 10
_TRIES = 3


class OrderQueue:
    """``client`` is a boto3 SQS client; an order is a struct such as ``shared.pipeline.poll_orders.PollOrder``."""

    def __init__(self, url: str, client: Any) -> None:
        self._url = url
        self._client = client

    def send(self, order: msgspec.Struct, delay: float = 0) -> None:
        """``delay``: seconds, at most SQS's 900. Raises StoreUnavailable."""
        with _queue_errors():
            self._client.send_message(QueueUrl=self._url, MessageBody=_body(order), DelaySeconds=math.ceil(delay))

    def send_all(self, orders: Iterable[msgspec.Struct]) -> int:
        """Sends each, ten at a time, and returns how many. Raises StoreUnavailable where some were not taken."""
        waiting, sent = iter(orders), 0
        while bodies := [_body(order) for order in islice(waiting, _BATCH)]:
            self._send_batch(bodies)
            sent += len(bodies)
        return sent

    def postpone(self, receipt_handle: str, seconds: float) -> None:
        """Has a message that was received, and will not be deleted, come back after ``seconds``."""
        with _queue_errors():
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=math.ceil(seconds)
            )

    def _send_batch(self, bodies: list[str]) -> None:
        # SQS may take some of a batch and not the others.
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        for _ in range(_TRIES):
            with _queue_errors():
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            refused = {failure["Id"] for failure in answer.get("Failed", ())}
            entries = [entry for entry in entries if entry["Id"] in refused]
            if not entries:
                return
        raise StoreUnavailable(f"the queue did not take {len(entries)} orders", store="sqs")


def _body(order: msgspec.Struct) -> str:
    return msgspec.json.encode(order).decode()


@contextmanager
def _queue_errors() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise StoreUnavailable(f"the queue did not answer ({type(error).__name__})", store="sqs") from error
