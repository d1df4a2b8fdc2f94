"""The live path: raw object, queue, apply function, PostgreSQL; visible within seconds."""

from __future__ import annotations

from aws_cdk import Duration
from constructs import Construct

from infra.capabilities.database import Door
from infra.capabilities.deployment import GradualShift
from infra.capabilities.function import PousadaFunction
from infra.capabilities.permissions import allow, may_read_raw, may_read_with_key, table
from infra.capabilities.queues import WorkQueue
from infra.capabilities.raw_events import DELIVERIES_AND_SMALL_PAGES, RawEvents
from infra.foundation import Foundation
from shared.names import WRITER_LOGIN


class LivePath(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        foundation: Foundation,
        door: Door,
    ) -> None:
        super().__init__(scope, id)
        config, names, live = foundation.config, foundation.names, foundation.config.live
        timeout, window = Duration.seconds(live.timeout_seconds), Duration.seconds(live.window_seconds)
        self.work = WorkQueue(self, "Work", name=names.live_queue, consumer_timeout=timeout, window=window)
        RawEvents(
            self,
            "Events",
            name=names.live_queue,
            raw_bucket=names.raw_bucket,
            which=DELIVERIES_AND_SMALL_PAGES,
            work=self.work,
        )
        self.apply = PousadaFunction(
            self,
            "Apply",
            folder="apply",
            foundation=foundation,
            timeout=timeout,
            memory_mib=1024,
            environment={
                "RAW_BUCKET": names.raw_bucket,
                "INTEGRATIONS_TABLE": names.integrations_table,
                "DATABASE": door.address(WRITER_LOGIN),
            },
        )
        self.apply.consume(
            self.work.queue,
            batch_size=live.batch_size,
            window=window,
            concurrency=live.concurrency,
        )
        may_read_with_key(self.apply.role, foundation.key, config)
        may_read_raw(self.apply.role, config)
        allow(self.apply.role, "dynamodb:GetItem", on=[table(self, names.integrations_table)])
        door.admit(self.apply.role, WRITER_LOGIN)
        GradualShift(
            self,
            "Shift",
            foundation=foundation,
            function=self.apply,
            shift=config.deployment.apply,
        )
