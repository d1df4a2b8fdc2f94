"""Who is told of what: the webhook subscriptions of all properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

EVENTS: Mapping[str, str] = {
    "reservation.created": "booking",
    "reservation.updated": "booking",
    "reservation.cancelled": "booking",
    "reservation.check_in": "booking",
    "reservation.check_out": "booking",
    "reservation.no_show": "booking",
    "payment.received": "payment",
    "guest.created": "guest",
    "room.status_changed": "room",
}
"""Event → the entity its record is."""


@dataclass(frozen=True, slots=True)
class Subscription:
    id: str
    property_id: str
    url: str
    events: frozenset[str]
    secret: str

    def is_of(self, property_id: str, url: str) -> bool:
        return (self.property_id, self.url) == (property_id, url)

    def address(self, event: str) -> str:
        """Where ``event`` is posted: ``{url}/{event}``, or in the places a template marks."""
        url = self.url.replace("{propertyId}", self.property_id)
        return url.replace("{event}", event) if "{event}" in url else f"{url.rstrip('/')}/{event}"


class Subscriptions:
    def __init__(self) -> None:
        self._by_id: dict[str, Subscription] = {}
        self.replaces = True
        """A property's second subscription of one address replaces the first; false: it is one more, of another id.
        HostPMS does not say which: so a secret is rotated either way."""

    def add(self, property_id: str, url: str, events: frozenset[str], secret: str) -> Subscription:
        same = (old.id for old in self._by_id.values() if self.replaces and old.is_of(property_id, url))
        subscription = Subscription(next(same, f"SUB-{uuid4().hex[:12]}"), property_id, url, events, secret)
        self._by_id[subscription.id] = subscription
        return subscription

    def get(self, subscription_id: str) -> Subscription | None:
        return self._by_id.get(subscription_id)

    def remove(self, subscription_id: str) -> None:
        del self._by_id[subscription_id]

    def wanting(self, property_id: str, event: str) -> list[Subscription]:
        return [
            subscription
            for subscription in self._by_id.values()
            if subscription.property_id == property_id and event in subscription.events
        ]
