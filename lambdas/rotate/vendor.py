"""Has a hotel's vendor sign with another secret: a subscription with the new one, and the old one's end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from shared.errors import NotFound
from shared.storage.integrations import Integration
from shared.vendors import registry
from shared.vendors.api_contract import SubscribingApi


class Register(Protocol):
    def set_subscription(self, property_id: str, vendor: str, subscription_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Telling:
    integration: Integration
    connect: Callable[[], SubscribingApi]
    register: Register
    webhook_url: str
    """``…/webhooks``."""

    def __call__(self, secret: str) -> None:
        """Done again with the same secret, it does no harm: of two subscriptions the deliveries are duplicates."""
        vendor, property_id, old = self._subscription
        events: Mapping[str, str] = registry.part(vendor, "webhook").EVENTS
        api = self.connect()
        new = api.subscribe(f"{self.webhook_url}/{vendor}/{property_id}", list(events), secret)
        if new == old:
            return
        # Ended before the new one is written down: were the old one forgotten here, it would sign with the secret
        # before for ever, and be refused.
        if old is not None:
            with suppress(NotFound):
                api.unsubscribe(old)
        self.register.set_subscription(property_id, vendor, new)

    @property
    def _subscription(self) -> tuple[str, str, str | None]:
        return self.integration.vendor, self.integration.property_id, self.integration.subscription_id


def can_be_told(integration: Integration) -> bool:
    """Who has not subscribed by the API cannot be told by it."""
    takes: bool = registry.part(integration.vendor, "api").TAKES_NEW_SECRETS
    return takes and integration.subscription_id is not None
