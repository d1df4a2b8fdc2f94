"""What the poller works with: clients that outlive the invocation, and for each order a desk."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from shared.hotel_secrets import OAuthCredentials
from shared.names import oauth_credentials_name
from shared.pipeline.polling import DEFAULT_OVERLAP, Desk
from shared.settings import EnvironmentModel, read
from shared.storage.integrations import Integration, Integrations
from shared.storage.order_queue import OrderQueue
from shared.storage.rate_budget import RateBudget
from shared.storage.raw_lake import RawLake
from shared.storage.secret_stores import hotel_secret_store
from shared.storage.secrets import Secrets
from shared.storage.sync_state import Cursors, Leases, SharedToken, SyncRuns
from shared.streams import Stream
from shared.vendors import registry

if TYPE_CHECKING:
    from shared.vendors.api_contract import ListApi

MARGIN = timedelta(seconds=15)
"""Before the function's end: to put the last page away, save the place and order the continuation."""


class Settings(EnvironmentModel, frozen=True):
    raw_bucket: str
    integrations_table: str
    sync_state_table: str
    poll_queue_url: str
    hotel_secrets_table: str = ""
    """Empty: Secrets Manager."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return secrets.token_hex(6)


class Workplace:
    """One process's stores and connections."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        dynamodb = boto3.resource("dynamodb")
        state = dynamodb.Table(settings.sync_state_table)
        self.queue = OrderQueue(settings.poll_queue_url, boto3.client("sqs"))
        self.integrations = Integrations(dynamodb.Table(settings.integrations_table))
        self._clock = clock
        self._state = state
        self._raw = RawLake(settings.raw_bucket, boto3.client("s3"))
        self._cursors, self._leases, self._runs = Cursors(state), Leases(state, clock), SyncRuns(state, clock)
        self._budget = RateBudget(state, clock, time.sleep)
        self._secrets = Secrets(
            hotel_secret_store(
                settings.hotel_secrets_table,
                # Not the resource's own client: that one writes items in another form.
                lambda: boto3.client("dynamodb"),
                lambda: boto3.client("secretsmanager"),
            )
        )
        self._tokens: dict[tuple[str, str], SharedToken] = {}
        self._http: dict[str, Any] = {}

    def deadline(self, remaining_ms: int) -> datetime:
        return self._clock() + timedelta(milliseconds=remaining_ms) - MARGIN

    def desk(self, stream: Stream, integration: Integration, deadline: datetime) -> Desk:
        """Raises NotFound for a vendor nobody knows."""
        overlaps = registry.part(stream.vendor, "api").OVERLAPS
        return Desk(
            connect=lambda: self._connect(integration, deadline),
            raw=self._raw,
            cursors=self._cursors,
            leases=self._leases,
            runs=self._runs,
            queue=self.queue,
            clock=self._clock,
            deadline=deadline,
            new_id=new_id,
            overlap=overlaps.get(stream.entity, DEFAULT_OVERLAP),
        )

    def _connect(self, integration: Integration, deadline: datetime) -> ListApi:
        vendor, property_id = integration.vendor, integration.property_id
        api: Any = registry.part(vendor, "api")
        if vendor not in self._http:
            self._http[vendor] = api.http_client()
        if (vendor, property_id) not in self._tokens:
            self._tokens[vendor, property_id] = SharedToken(self._state, vendor, property_id)
        client: ListApi = api.connect(
            property_id,
            integration.base_url,
            self._secrets.read(oauth_credentials_name(vendor, property_id), OAuthCredentials),
            tokens=self._tokens[vendor, property_id],
            budget=self._budget,
            deadline=deadline,
            http=self._http[vendor],
            clock=self._clock,
        )
        return client


@cache
def workplace() -> Workplace:
    return Workplace(read(Settings))
