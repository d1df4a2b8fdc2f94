"""Polling: on schedule the dispatcher queues one message per property and entity, and pollers work them off."""

from __future__ import annotations

from aws_cdk import Duration
from constructs import Construct

from infra.capabilities.function import PousadaFunction
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
from infra.foundation import Foundation

_POLLER_TIMEOUT = Duration.minutes(5)


class Polling(Construct):
    """``dispatcher`` and ``poller``, the queue between them and the schedule before them."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        foundation: Foundation,
    ) -> None:
        super().__init__(scope, id)
        names = foundation.names
        self.work = WorkQueue(self, "Work", name=names.poll_queue, consumer_timeout=_POLLER_TIMEOUT)
        self.dispatcher = self._dispatcher(foundation)
        self.poller = self._poller(foundation)
        self._schedule(foundation)

    def _dispatcher(self, foundation: Foundation) -> PousadaFunction:
        names = foundation.names
        dispatcher = PousadaFunction(
            self,
            "Dispatcher",
            folder="dispatcher",
            foundation=foundation,
            # The longest that Lambda has. Orders are sent ten at a time: docs/scale.md says for how many hotels.
            timeout=Duration.minutes(15),
            memory_mib=256,
            environment={"INTEGRATIONS_TABLE": names.integrations_table, "POLL_QUEUE_URL": self.work.queue.queue_url},
            # The scheduler does not wait for the answer; what fails three times would be gone.
            dead_letter_queue=DeadLetterQueue(self, "DispatcherDeadLetters", source=names.function("dispatcher")),
        )
        may_read_with_key(dispatcher.role, foundation.key, foundation.config)
        allow(dispatcher.role, "dynamodb:Scan", on=[table(self, names.integrations_table)])
        allow(dispatcher.role, "sqs:SendMessage", on=[self.work.queue.queue_arn])
        return dispatcher

    def _poller(self, foundation: Foundation) -> PousadaFunction:
        config, names = foundation.config, foundation.names
        poller = PousadaFunction(
            self,
            "Poller",
            folder="poller",
            foundation=foundation,
            timeout=_POLLER_TIMEOUT,
            memory_mib=512,
            environment={
                "RAW_BUCKET": names.raw_bucket,
                "INTEGRATIONS_TABLE": names.integrations_table,
                "SYNC_STATE_TABLE": names.sync_state_table,
                "HOTEL_SECRETS_TABLE": foundation.hotel_secrets_table,
                "POLL_QUEUE_URL": self.work.queue.queue_url,
            },
            continues_itself=True,
        )
        poller.consume(self.work.queue, batch_size=1, concurrency=config.polling.concurrency)
        may_use_key(poller.role, foundation.key, config)
        may_read_hotel_secrets(poller.role, foundation.secrets_key, config, "oauth-credentials")
        may_put_raw(poller.role, config, "polling")
        items = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
        allow(poller.role, *items, on=[table(self, names.sync_state_table)])
        allow(poller.role, "dynamodb:GetItem", on=[table(self, names.integrations_table)])
        # A run that nears the time limit queues its own continuation.
        allow(poller.role, "sqs:SendMessage", on=[self.work.queue.queue_arn])
        return poller

    def _schedule(self, foundation: Foundation) -> None:
        add_schedule(
            self,
            "Poll",
            foundation=foundation,
            name="poll",
            group="schedules",
            expression=foundation.config.polling.schedule,
            description="Polls every active integration",
            action="lambda:InvokeFunction",
            arn=self.dispatcher.alias.function_arn,
        )
