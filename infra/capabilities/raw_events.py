"""From a raw object to a queue: EventBridge rules over S3's own notifications.

A replay (``pousada replay``) puts the same event under its own source, so that it takes the same roads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from infra.capabilities.queues import WorkQueue

_SOURCES = ["aws.s3", "pousada.replay"]
# A polled page up to this many bytes is applied at once, and not only by the next Glue run.
_SMALL_PAGE_BYTES = 262_144

EVERY_OBJECT: Mapping[str, Any] = {}
DELIVERIES_AND_SMALL_PAGES: Mapping[str, Any] = {
    "$or": [
        {"object": {"key": [{"wildcard": "*/webhooks/*"}]}},
        {"object": {"size": [{"numeric": ["<=", _SMALL_PAGE_BYTES]}]}},
    ]
}


class RawEvents(events.Rule):
    """Sends the raw bucket's ``Object Created`` events that ``which`` matches to ``work``."""

    def __init__(
        self, scope: Construct, id: str, *, name: str, raw_bucket: str, which: Mapping[str, Any], work: WorkQueue
    ) -> None:
        # What EventBridge cannot deliver lies with the queue's own dead letters, in the same words.
        target = targets.SqsQueue(work.queue, dead_letter_queue=work.dead_letters)
        super().__init__(
            scope,
            id,
            rule_name=name,
            event_pattern=events.EventPattern(
                source=_SOURCES,
                detail_type=["Object Created"],
                detail={"bucket": {"name": [raw_bucket]}, **which},
            ),
            targets=[target],
        )
