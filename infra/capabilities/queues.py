"""A work queue and its dead letters."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.capabilities.permissions import acknowledge, skip_check
from infra.config import VISIBILITY_PER_TIMEOUT
from shared.names import Names

_MAX_RECEIVES = 10
_ENCRYPTED = "SQS's own key will do: messages are addresses and ids, and a key of ours would be asked for each of them."


class DeadLetterQueue(sqs.Queue):
    """Fourteen days, SQS's longest: over a holiday somebody still finds them (docs/runbook.md)."""

    def __init__(self, scope: Construct, id: str, *, source: str) -> None:
        super().__init__(
            scope,
            id,
            queue_name=Names.dead_letters_of(source),
            # Not the stage's key: messages are addresses and ids, never a guest's data.
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        acknowledge(self, "Serverless-SQSRedrivePolicy", "It is the end of the line: a person reads it.")
        skip_check(self, "CKV_AWS_27", _ENCRYPTED)


class WorkQueue(Construct):
    """``queue`` and, for what fails ten times, ``dead_letters``.

    ``consumer_timeout``: the reading function's; ``window``: how long Lambda gathers a batch.
    """

    def __init__(
        self, scope: Construct, id: str, *, name: str, consumer_timeout: Duration, window: Duration | None = None
    ) -> None:
        super().__init__(scope, id)
        gathering = window.to_seconds() if window else 0
        self.dead_letters = DeadLetterQueue(self, "DeadLetters", source=name)
        self.queue = sqs.Queue(
            self,
            "Queue",
            queue_name=name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            # A message keeps its age when it moves: seven days here leave seven in the dead letters.
            retention_period=Duration.days(7),
            visibility_timeout=Duration.seconds(consumer_timeout.to_seconds() * VISIBILITY_PER_TIMEOUT + gathering),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=_MAX_RECEIVES),
        )
        skip_check(self.queue, "CKV_AWS_27", _ENCRYPTED)
