"""How many messages lie in queues that a person has to look at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import StoreUnavailable

_COUNTS = (
    "ApproximateNumberOfMessages",
    # Somebody looks at them at this moment: they are still there.
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class DeadLetters:
    """``client`` is a boto3 SQS client, ``queues`` the names of dead-letter queues."""

    def __init__(self, queues: Iterable[str], client: Any) -> None:
        self._queues = tuple(queues)
        self._client = client
        self._urls: dict[str, str] = {}

    def counts(self) -> dict[str, int]:
        """By queue; SQS counts approximately. Raises StoreUnavailable."""
        return {queue: self._count(queue) for queue in self._queues}

    def _count(self, queue: str) -> int:
        try:
            if queue not in self._urls:
                self._urls[queue] = self._client.get_queue_url(QueueName=queue)["QueueUrl"]
            answer = self._client.get_queue_attributes(QueueUrl=self._urls[queue], AttributeNames=list(_COUNTS))
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable(f"the queue {queue} did not answer ({type(error).__name__})", store="sqs") from error
        return sum(int(answer["Attributes"].get(name, 0)) for name in _COUNTS)
