"""What rotation works with: clients that outlive the invocation, and for each order a desk."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

import boto3

from lambdas.rotate.vendor import Telling, can_be_told
from shared.errors import NotFound
from shared.hotel_secrets import Held, OAuthCredentials, WebhookSecret
from shared.names import oauth_credentials_name, webhook_secret_name
from shared.pipeline.rotation import Desk, since
from shared.pipeline.sync_runs import Holder
from shared.settings import EnvironmentModel, read
from shared.storage.integrations import Integration, Integrations
from shared.storage.order_queue import OrderQueue
from shared.storage.rate_budget import RateBudget
from shared.storage.secret_stores import hotel_secret_store
from shared.storage.secrets import Secrets
from shared.storage.sync_state import Leases, SharedToken
from shared.streams import Stream
from shared.vendors import registry

if TYPE_CHECKING:
    from shared.vendors.api_contract import SubscribingApi

MARGIN = timedelta(seconds=15)
"""Before the function's end: to write down what the vendor was told."""
WEBHOOK_SECRET = "webhook-secret"  # noqa: S105 # nosec B105 # a kind of secret
OAUTH_CREDENTIALS = "oauth-credentials"


class Settings(EnvironmentModel, frozen=True):
    integrations_table: str
    sync_state_table: str
    rotate_queue_url: str
    webhook_url: str
    rotate_days: int
    overlap_hours: int
    notice_seconds: int
    hotel_secrets_table: str = ""
    """Empty: Secrets Manager."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Workplace:
    """One process's stores and connections."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        dynamodb = boto3.resource("dynamodb")
        self._settings, self.clock = settings, clock
        self._state = dynamodb.Table(settings.sync_state_table)
        self._leases = Leases(self._state, clock)
        self._http: dict[str, Any] = {}
        self.queue = OrderQueue(settings.rotate_queue_url, boto3.client("sqs"))
        self.integrations = Integrations(dynamodb.Table(settings.integrations_table))
        store = hotel_secret_store(
            settings.hotel_secrets_table, lambda: boto3.client("dynamodb"), lambda: self.secrets_manager, clock
        )
        self.secrets = Secrets(store)

    @cached_property
    def secrets_manager(self) -> Any:
        return boto3.client("secretsmanager")

    @property
    def is_managed(self) -> bool:
        """Secrets Manager has the secrets, and leads their rotation."""
        return not self._settings.hotel_secrets_table

    @property
    def due(self) -> datetime:
        """What is in use since before then is to be rotated."""
        return self.clock() - timedelta(days=self._settings.rotate_days)

    def deadline(self, remaining_ms: int) -> datetime:
        return self.clock() + timedelta(milliseconds=remaining_ms) - MARGIN

    def ages(self, vendor: str, property_id: str) -> dict[str, timedelta]:
        """By kind; a hotel that lacks one is another's finding (``no_such_secret``, ``unknown_property``)."""
        found: dict[str, timedelta] = {}
        with suppress(NotFound):
            held = self.secrets.held(webhook_secret_name(vendor, property_id), WebhookSecret)
            found[WEBHOOK_SECRET] = self.clock() - since(held)
        with suppress(NotFound):
            credentials = self.secrets.held(oauth_credentials_name(vendor, property_id), OAuthCredentials)
            found[OAUTH_CREDENTIALS] = self.clock() - credentials.changed_at
        return found

    def desk(self, integration: Integration, deadline: datetime) -> Desk:
        connect = partial(self._connect, integration, deadline)
        telling = Telling(integration, connect, self.integrations, self._settings.webhook_url)
        return Desk(
            vault=_Vault(self.secrets, webhook_secret_name(integration.vendor, integration.property_id)),
            tell=telling if can_be_told(integration) else None,
            alone=partial(self._alone, integration, deadline),
            clock=self.clock,
            new_value=partial(secrets.token_urlsafe, 32),
            overlap=timedelta(hours=self._settings.overlap_hours),
            notice=timedelta(seconds=self._settings.notice_seconds),
        )

    @contextmanager
    def _alone(self, integration: Integration, deadline: datetime) -> Iterator[None]:
        stream = Stream(integration.vendor, integration.property_id, WEBHOOK_SECRET)
        holder = Holder(secrets.token_hex(6), secrets.token_hex(6), self.clock())
        self._leases.take(stream, holder, deadline + MARGIN)
        try:
            yield
        finally:
            self._leases.release(stream, holder)

    def _connect(self, integration: Integration, deadline: datetime) -> SubscribingApi:
        vendor, property_id = integration.vendor, integration.property_id
        api: Any = registry.part(vendor, "api")
        if vendor not in self._http:
            self._http[vendor] = api.http_client()
        client: SubscribingApi = api.connect(
            property_id,
            integration.base_url,
            self.secrets.read(oauth_credentials_name(vendor, property_id), OAuthCredentials),
            tokens=SharedToken(self._state, vendor, property_id),
            budget=RateBudget(self._state, self.clock, time.sleep),
            deadline=deadline,
            http=self._http[vendor],
            clock=self.clock,
        )
        return client


class _Vault:
    """One hotel's webhook secret."""

    def __init__(self, kept: Secrets, name: str) -> None:
        self._kept = kept
        self._name = name

    def held(self) -> Held[WebhookSecret]:
        return self._kept.held(self._name, WebhookSecret)

    def replace(self, held: Held[WebhookSecret], secret: WebhookSecret) -> None:
        self._kept.replace(self._name, held, secret)


@cache
def workplace() -> Workplace:
    return Workplace(read(Settings))
