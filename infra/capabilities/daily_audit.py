"""The daily audit: one message a day, one for each hotel that comes of it, and the function that takes both."""

from __future__ import annotations

import json

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.capabilities.database import Door
from infra.capabilities.function import PousadaFunction
from infra.capabilities.network import Network
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
from infra.config import StageConfig
from infra.target import Target
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
        config: StageConfig,
        target: Target,
        network: Network | None,
        door: Door,
        key: kms.IKey,
        layer: lambda_.LayerVersion | None,
    ) -> None:
        super().__init__(scope, id)
        self.work = WorkQueue(self, "Work", name=config.names.audit_queue, consumer_timeout=_TIMEOUT)
        self.audit = self._audit(config, network, door, layer)
        self._grant(config, key)
        door.admit(self.audit.role, AUDIT_LOGIN)
        self._schedule(config, target)

    def _audit(
        self, config: StageConfig, network: Network | None, door: Door, layer: lambda_.LayerVersion | None
    ) -> PousadaFunction:
        names = config.names
        audit = PousadaFunction(
            self,
            "Audit",
            folder="audit",
            config=config,
            network=network,
            layer=layer,
            timeout=_TIMEOUT,
            memory_mib=1024,
            environment={
                "RAW_BUCKET": names.raw_bucket,
                "WORK_BUCKET": names.work_bucket,
                "INTEGRATIONS_TABLE": names.integrations_table,
                "DATABASE": door.address(AUDIT_LOGIN),
                "AUDIT_QUEUE_URL": self.work.queue.queue_url,
                "AUDIT_DAYS": str(config.audit.days),
                "AUDIT_GRACE_HOURS": str(config.audit.grace_hours),
            },
            continues_itself=True,
        )
        audit.consume(self.work.queue, batch_size=1, concurrency=config.audit.concurrency)
        return audit

    def _grant(self, config: StageConfig, key: kms.IKey) -> None:
        role, names = self.audit.role, config.names
        may_read_with_key(role, key, config)
        may_read_raw(role, config)
        manifests = {"StringLike": {"s3:prefix": "manifests/*"}}
        allow(role, "s3:ListBucket", on=[bucket(self, names.work_bucket)], conditions=manifests)
        why = "Every batch has a manifest of its own."
        allow(role, "s3:GetObject", on=[objects(self, names.work_bucket, "manifests/*")], why=why)
        allow(role, "dynamodb:GetItem", "dynamodb:Scan", on=[table(self, names.integrations_table)])
        # The hotels' orders, and the continuation of one that does not fit into the time limit.
        allow(role, "sqs:SendMessage", on=[self.work.queue.queue_arn])

    def _schedule(self, config: StageConfig, target: Target) -> None:
        # To the queue, not to the function: what fails there is tried again, and is a dead letter in the end.
        add_schedule(
            self,
            "Daily",
            config=config,
            target=target,
            name="audit",
            group="audits",
            expression=config.audit.schedule,
            description="Accounts for every hotel's raw records",
            action="sqs:SendMessage",
            arn=self.work.queue.queue_arn,
            message=EVERY_HOTEL,
        )
