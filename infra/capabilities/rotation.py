"""Rotation of secrets: one message a day, one for each hotel that comes of it, and the function that takes both."""

from __future__ import annotations

import json

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.capabilities.function import PousadaFunction
from infra.capabilities.permissions import (
    allow,
    may_read_hotel_secrets,
    may_rotate_hotel_secrets,
    may_use_key,
    table,
)
from infra.capabilities.queues import WorkQueue
from infra.capabilities.schedule import add_schedule
from infra.foundation import Foundation

_TIMEOUT = Duration.minutes(2)
_CONCURRENCY = 2
EVERY_HOTEL = json.dumps({"rotate": "every_hotel"})
"""The day's order (``shared.pipeline.rotation_orders``)."""


class Rotation(Construct):
    """``rotate`` takes the ages of secrets, and has vendors sign with new ones."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        foundation: Foundation,
        webhook_url: str,
    ) -> None:
        super().__init__(scope, id)
        self.work = WorkQueue(self, "Work", name=foundation.names.rotate_queue, consumer_timeout=_TIMEOUT)
        self.rotate = self._rotate(foundation, webhook_url)
        self._grant(foundation)
        if not foundation.config.hotel_secrets.in_table:
            self._let_secrets_manager_invoke()
        self._schedule(foundation)

    def _rotate(self, foundation: Foundation, webhook_url: str) -> PousadaFunction:
        names, how = foundation.names, foundation.config.hotel_secrets
        rotate = PousadaFunction(
            self,
            "Rotate",
            folder="rotate",
            foundation=foundation,
            timeout=_TIMEOUT,
            memory_mib=512,
            environment={
                "INTEGRATIONS_TABLE": names.integrations_table,
                "SYNC_STATE_TABLE": names.sync_state_table,
                "HOTEL_SECRETS_TABLE": foundation.hotel_secrets_table,
                "ROTATE_QUEUE_URL": self.work.queue.queue_url,
                "WEBHOOK_URL": webhook_url,
                "ROTATE_DAYS": str(how.rotate_days),
                "OVERLAP_HOURS": str(how.overlap_hours),
                "NOTICE_SECONDS": str(how.notice_seconds),
            },
            continues_itself=True,
        )
        rotate.consume(self.work.queue, batch_size=1, concurrency=_CONCURRENCY)
        return rotate

    def _grant(self, foundation: Foundation) -> None:
        role, config, names = self.rotate.role, foundation.config, foundation.names
        may_use_key(role, foundation.key, config)
        may_rotate_hotel_secrets(role, foundation.secrets_key, config, "webhook-secret")
        # By which the vendor is told; their age is taken as well.
        may_read_hotel_secrets(role, foundation.secrets_key, config, "oauth-credentials")
        subscriptions = ("dynamodb:GetItem", "dynamodb:Scan", "dynamodb:UpdateItem")
        allow(role, *subscriptions, on=[table(self, names.integrations_table)])
        # A hotel's lease and its access token.
        items = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem")
        allow(role, *items, on=[table(self, names.sync_state_table)])
        # The hotels' orders, and those that are to come again.
        allow(role, "sqs:SendMessage", on=[self.work.queue.queue_arn])

    def _let_secrets_manager_invoke(self) -> None:
        self.rotate.alias.add_permission(
            "SecretsManager",
            principal=iam.ServicePrincipal("secretsmanager.amazonaws.com"),
            # Else whoever has a secret, in whatever account, could have it invoked.
            source_account=Stack.of(self).account,
        )

    def _schedule(self, foundation: Foundation) -> None:
        # To the queue, not to the function: what fails there is tried again, and is a dead letter in the end.
        add_schedule(
            self,
            "Daily",
            foundation=foundation,
            name="rotate",
            group="rotations",
            expression=foundation.config.hotel_secrets.schedule,
            description="Takes the ages of every hotel's secrets and rotates what is due",
            action="sqs:SendMessage",
            arn=self.work.queue.queue_arn,
            message=EVERY_HOTEL,
        )
