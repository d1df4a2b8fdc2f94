"""The daily audit: one message a day, one for each hotel that comes of it, and the function that takes both."""

from __future__ import annotations

import json

from aws_cdk import Duration
from constructs import Construct

from infra.capabilities.database import Door
from infra.capabilities.function import PousadaFunction
from infra.capabilities.permissions import (
    allow,
    bucket,
    may_read_raw,
    may_read_with_key,
    objects,
    table,
)
from infra.capabilities.queues import WorkQueue
from infra.capabilities.schedule import add_schedule
from infra.foundation import Foundation
from shared.names import AUDIT_LOGIN

_TIMEOUT = Duration.minutes(5)
EVERY_HOTEL = json.dumps({"audit": "every_hotel"})
"""The day's order (``shared.pipeline.audit_orders``)."""


class DailyAudit(Construct):
    """``audit`` reads, compares and tells; it writes nothing but its orders."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        foundation: Foundation,
        door: Door,
    ) -> None:
        super().__init__(scope, id)
        self.work = WorkQueue(self, "Work", name=foundation.names.audit_queue, consumer_timeout=_TIMEOUT)
        self.audit = self._audit(foundation, door)
        self._grant(foundation)
        door.admit(self.audit.role, AUDIT_LOGIN)
        self._schedule(foundation)

    def _audit(self, foundation: Foundation, door: Door) -> PousadaFunction:
        names, how = foundation.names, foundation.config.audit
        audit = PousadaFunction(
            self,
            "Audit",
            folder="audit",
            foundation=foundation,
            timeout=_TIMEOUT,
            memory_mib=1024,
            environment={
                "RAW_BUCKET": names.raw_bucket,
                "WORK_BUCKET": names.work_bucket,
                "INTEGRATIONS_TABLE": names.integrations_table,
                "DATABASE": door.address(AUDIT_LOGIN),
                "AUDIT_QUEUE_URL": self.work.queue.queue_url,
                "AUDIT_DAYS": str(how.days),
                "AUDIT_GRACE_HOURS": str(how.grace_hours),
            },
            continues_itself=True,
        )
        audit.consume(self.work.queue, batch_size=1, concurrency=how.concurrency)
        return audit

    def _grant(self, foundation: Foundation) -> None:
        role, names = self.audit.role, foundation.names
        may_read_with_key(role, foundation.key, foundation.config)
        may_read_raw(role, foundation.config)
        manifests = {"StringLike": {"s3:prefix": "manifests/*"}}
        allow(role, "s3:ListBucket", on=[bucket(self, names.work_bucket)], conditions=manifests)
        why = "Every batch has a manifest of its own."
        allow(role, "s3:GetObject", on=[objects(self, names.work_bucket, "manifests/*")], why=why)
        allow(role, "dynamodb:GetItem", "dynamodb:Scan", on=[table(self, names.integrations_table)])
        # The hotels' orders, and the continuation of one that does not fit into the time limit.
        allow(role, "sqs:SendMessage", on=[self.work.queue.queue_arn])

    def _schedule(self, foundation: Foundation) -> None:
        # To the queue, not to the function: what fails there is tried again, and is a dead letter in the end.
        add_schedule(
            self,
            "Daily",
            foundation=foundation,
            name="audit",
            group="audits",
            expression=foundation.config.audit.schedule,
            description="Accounts for every hotel's raw records",
            action="sqs:SendMessage",
            arn=self.work.queue.queue_arn,
            message=EVERY_HOTEL,
        )
