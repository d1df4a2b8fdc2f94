"""Takes one delivery: whose it is, whether to trust it, where it lands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from lambdas.webhook.landing import Result
from shared.errors import NotFound, Unauthenticated
from shared.hotel_secrets import WebhookSecret
from shared.names import webhook_secret_name
from shared.pipeline.delivery import Address, Delivery, RawDelivery, raw_delivery, verify
from shared.storage.secrets import Secrets
from shared.vendors.contract import Signed

REMEMBERED_SECONDS = 60.0
"""How long a worker goes by what it has read, and so how long a stolen secret outlives its rotation."""
REFRESH_SECONDS = 10.0
"""A refused signature has the secret fetched anew at most this often: it may have been rotated."""


class Lands(Protocol):
    def land(self, delivery: RawDelivery, context: Any) -> Result: ...


class Receipt(NamedTuple):
    result: Result
    raw_key: str
    signed_with: str
    """``current``, ``previous`` or ``next``: how far the vendor is with a rotation."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Receiver:
    def __init__(self, secrets: Secrets, landing: Lands, clock: Callable[[], datetime] = utc_now) -> None:
        self._secrets = secrets
        self._landing = landing
        self._clock = clock

    def receive(self, delivery: Delivery, context: Any) -> Receipt:
        """Raises Unauthenticated, NotFound, Malformed, StoreUnavailable or Misconfigured (the secret)."""
        now = self._clock()
        signed = self._verify(delivery, now)
        raw = raw_delivery(delivery, signed, received_at=now)
        return Receipt(self._landing.land(raw, context), raw.key, signed.secret)

    def _verify(self, delivery: Delivery, now: datetime) -> Signed:
        secret = self._secret(delivery.address)
        try:
            return verify(delivery, secret.verifying(now), now)
        except Unauthenticated as refusal:
            if refusal.reason != "wrong_signature":
                raise
            newer = self._secret(delivery.address, max_age=REFRESH_SECONDS)
            if newer == secret:
                raise
            return verify(delivery, newer.verifying(now), now)

    def _secret(self, address: Address, max_age: float = REMEMBERED_SECONDS) -> WebhookSecret:
        """Who has no secret is no property of ours."""
        name = webhook_secret_name(address.vendor, address.property_id)
        try:
            return self._secrets.read(name, WebhookSecret, max_age)
        except NotFound:
            raise NotFound("the property has no webhook secret", reason="unknown_property") from None
