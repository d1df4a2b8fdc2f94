"""Polling: on schedule the dispatcher queues one message per property and entity, and pollers work them off."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.capabilities.function import PousadaFunction
from infra.capabilities.network import Network
from infra.capabilities.permissions import (
    allow,
    may_put_raw,
    may_read_hotel_secrets,
    may_read_with_key,
    may_use_key,
    table,
)
from infra.capabilities.queues import DeadLetterQueue, WorkQueue
from infra.capabilities.schedule import add_schedule
from infra.config import StageConfig
from infra.target import Target

_POLLER_TIMEOUT = Duration.minutes(5)


class Polling(Construct):
    """``dispatcher`` and ``poller``, the queue between them and the schedule before them."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: StageConfig,
        target: Target,
        network: Network | None,
        key: kms.IKey,
        secrets_key: kms.IKey,
        layer: lambda_.LayerVersion | None,
    ) -> None:
        super().__init__(scope, id)
        self.work = WorkQueue(self, "Work", name=config.names.poll_queue, consumer_timeout=_POLLER_TIMEOUT)
        self.dispatcher = self._dispatcher(config, network, key, layer)
        self.poller = self._poller(config, network, key, secrets_key, layer)
        self._schedule(config, target)

    def _dispatcher(
        self, config: StageConfig, network: Network | None, key: kms.IKey, layer: lambda_.LayerVersion | None
    ) -> PousadaFunction:
        names = config.names
        dispatcher = PousadaFunction(
            self,
            "Dispatcher",
            folder="dispatcher",
            config=config,
            network=network,
            layer=layer,
            # The longest that Lambda has. Orders are sent ten at a time: docs/scale.md says for how many hotels.
            timeout=Duration.minutes(15),
            memory_mib=256,
            environment={"INTEGRATIONS_TABLE": names.integrations_table, "POLL_QUEUE_URL": self.work.queue.queue_url},
            # The scheduler does not wait for the answer; what fails three times would be gone.
            dead_letter_queue=DeadLetterQueue(self, "DispatcherDeadLetters", source=names.function("dispatcher")),
        )
        may_read_with_key(dispatcher.role, key, config)
        allow(dispatcher.role, "dynamodb:Scan", on=[table(self, names.integrations_table)])
        allow(dispatcher.role, "sqs:SendMessage", on=[self.work.queue.queue_arn])
        return dispatcher

    def _poller(
        self,
        config: StageConfig,
        network: Network | None,
        key: kms.IKey,
        secrets_key: kms.IKey,
        layer: lambda_.LayerVersion | None,
    ) -> PousadaFunction:
        names = config.names
        poller = PousadaFunction(
            self,
            "Poller",
            folder="poller",
            config=config,
            network=network,
            layer=layer,
            timeout=_POLLER_TIMEOUT,
            memory_mib=512,
            environment={
                "RAW_BUCKET": names.raw_bucket,
                "INTEGRATIONS_TABLE": names.integrations_table,
                "SYNC_STATE_TABLE": names.sync_state_table,
                "HOTEL_SECRETS_TABLE": names.hotel_secrets_table if config.hotel_secrets.in_table else "",
                "POLL_QUEUE_URL": self.work.queue.queue_url,
            },
            continues_itself=True,
        )
        poller.consume(self.work.queue, batch_size=1, concurrency=config.polling.concurrency)
        may_use_key(poller.role, key, config)
        may_read_hotel_secrets(poller.role, secrets_key, config, "oauth-credentials")
        may_put_raw(poller.role, config, "polling")
        items = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
        allow(poller.role, *items, on=[table(self, names.sync_state_table)])
        allow(poller.role, "dynamodb:GetItem", on=[table(self, names.integrations_table)])
        # A run that nears the time limit queues its own continuation.
        allow(poller.role, "sqs:SendMessage", on=[self.work.queue.queue_arn])
        return poller

    def _schedule(self, config: StageConfig, target: Target) -> None:
        add_schedule(
            self,
            "Poll",
            config=config,
            target=target,
            name="poll",
            group="schedules",
            expression=config.polling.schedule,
            description="Polls every active integration",
            action="lambda:InvokeFunction",
            arn=self.dispatcher.alias.function_arn,
        )
