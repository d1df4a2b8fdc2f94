"""What the audit works with: clients that outlive the invocation, and for each order a desk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import boto3

from shared.pipeline.daily_audit import Desk
from shared.settings import EnvironmentModel, read
from shared.storage.database_address import open_database
from shared.storage.integrations import Integrations
from shared.storage.ledger import Ledger
from shared.storage.manifests import Manifests
from shared.storage.order_queue import OrderQueue
from shared.storage.property_contexts import PropertyContexts
from shared.storage.raw_lake import RawLake

MARGIN = timedelta(seconds=90)
"""Before the function's end: to finish a part that has been begun, and order the continuation."""


class Settings(EnvironmentModel, frozen=True):
    raw_bucket: str
    work_bucket: str
    integrations_table: str
    database: str
    audit_queue_url: str
    audit_days: int
    audit_grace_hours: int


def utc_now() -> datetime:
    return datetime.now(UTC)


class Workplace:
    """One process's stores and connections."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        s3 = boto3.client("s3")
        self.days = settings.audit_days
        self.grace = timedelta(hours=settings.audit_grace_hours)
        self.clock = clock
        self.queue = OrderQueue(settings.audit_queue_url, boto3.client("sqs"))
        self.integrations = Integrations(boto3.resource("dynamodb").Table(settings.integrations_table))
        self.raw = RawLake(settings.raw_bucket, s3)
        self.database = open_database(settings.database, "pousada-audit", boto3.client)
        self._manifests = Manifests(settings.work_bucket, s3)
        self._contexts = PropertyContexts(self.integrations)

    def deadline(self, remaining_ms: int) -> datetime:
        return self.clock() + timedelta(milliseconds=remaining_ms) - MARGIN

    def desk(self, deadline: datetime) -> Desk:
        return Desk(self.raw, self._manifests, self._contexts, Ledger(self.database), self.clock, deadline)


@cache
def workplace() -> Workplace:
    return Workplace(read(Settings))
