"""What the watch works with: clients that outlive the invocation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import boto3

from shared.pipeline.unbatched import Rota
from shared.settings import EnvironmentModel, read
from shared.storage.database_server import DatabaseServer
from shared.storage.dead_letters import DeadLetters
from shared.storage.integrations import Integrations
from shared.storage.manifests import Manifests
from shared.storage.raw_lake import RawLake
from shared.storage.sync_state import SyncRuns


class Settings(EnvironmentModel, frozen=True):
    raw_bucket: str
    work_bucket: str
    integrations_table: str
    sync_state_table: str
    dead_letter_queues: str
    """Names, comma between."""
    poll_every_minutes: int
    watch_every_minutes: int
    raw_cycle_minutes: int
    database_instance: str = ""
    """Of RDS; empty: the database is none of RDS's."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Workplace:
    """One process's stores and connections."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        dynamodb, s3 = boto3.resource("dynamodb"), boto3.client("s3")
        self.clock = clock
        self.polls_every = timedelta(minutes=settings.poll_every_minutes)
        self.rota = Rota(timedelta(minutes=settings.watch_every_minutes), timedelta(minutes=settings.raw_cycle_minutes))
        self.integrations = Integrations(dynamodb.Table(settings.integrations_table))
        self.runs = SyncRuns(dynamodb.Table(settings.sync_state_table), clock)
        self.raw = RawLake(settings.raw_bucket, s3)
        self.manifests = Manifests(settings.work_bucket, s3)
        instance = settings.database_instance
        self.server = DatabaseServer(instance, boto3.client("rds")) if instance else None
        self.dead_letters = DeadLetters(settings.dead_letter_queues.split(","), boto3.client("sqs"))


@cache
def workplace() -> Workplace:
    return Workplace(read(Settings))
