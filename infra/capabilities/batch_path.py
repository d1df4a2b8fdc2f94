"""The batch path's first half: raw objects gathered into manifests. ``etl_job`` works them off."""

from __future__ import annotations

from aws_cdk import Duration
from constructs import Construct

from infra.capabilities.function import PousadaFunction
from infra.capabilities.permissions import allow, may_use_key, objects
from infra.capabilities.queues import WorkQueue
from infra.capabilities.raw_events import EVERY_OBJECT, RawEvents
from infra.foundation import Foundation

_TIMEOUT = Duration.minutes(1)
# Few hands, so that each comes away with a large batch: Lambda starts with five and shares the queue out among them.
_CONCURRENCY = 2


class Manifests(Construct):
    def __init__(self, scope: Construct, id: str, *, foundation: Foundation) -> None:
        super().__init__(scope, id)
        config, names = foundation.config, foundation.names
        window = Duration.seconds(config.batches.window_seconds)
        self.work = WorkQueue(self, "Work", name=names.batch_queue, consumer_timeout=_TIMEOUT, window=window)
        RawEvents(
            self, "Events", name=names.batch_queue, raw_bucket=names.raw_bucket, which=EVERY_OBJECT, work=self.work
        )
        self.manifest = PousadaFunction(
            self,
            "Manifest",
            folder="manifest",
            foundation=foundation,
            timeout=_TIMEOUT,
            memory_mib=512,
            environment={"WORK_BUCKET": names.work_bucket},
        )
        self.manifest.consume(
            self.work.queue,
            batch_size=config.batches.objects,
            window=window,
            concurrency=_CONCURRENCY,
        )
        may_use_key(self.manifest.role, foundation.key, config)
        allow(
            self.manifest.role,
            "s3:PutObject",
            on=[objects(self, names.work_bucket, "manifests/pending/*")],
            why="Every batch has a manifest of its own.",
        )
