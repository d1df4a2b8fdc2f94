"""Takes a hotel in: its secrets, its integration item, its webhook subscription at the vendor.

Every step can be taken again. The order makes a half-done onboarding harmless: what a delivery or a poll needs is in
place before the vendor is asked to send, and an old subscription ends only once the new one is written down.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from shared.errors import Malformed, NotFound
from shared.hotel_secrets import OAuthCredentials, WebhookSecret
from shared.model.mapping import is_time_zone
from shared.names import oauth_credentials_name, webhook_secret_name
from shared.segments import is_segment
from shared.storage.integrations import Integration, Integrations
from shared.storage.secrets import Secrets
from shared.vendors.api_contract import SubscribingApi
from shared.vendors.registry import part


@dataclass(frozen=True, slots=True)
class Hotel:
    """What the operator tells. ``webhook_secret`` None: the one there is, else a new one."""

    vendor: str
    property_id: str
    base_url: str
    time_zone: str
    client_id: str
    client_secret: str = field(repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    entities: Sequence[str] = ()
    """What to poll; none named: all that the vendor lists."""


class Onboarded(NamedTuple):
    integration: Integration
    subscribed: bool
    """False: the subscription that was there goes on."""
    rotated: bool
    """The webhook secret is another than before; the one before verifies for ``overlap`` longer."""


@dataclass(frozen=True, slots=True)
class Reception:
    """Where hotels are taken in. ``connect`` makes the vendor's client from base URL and credentials."""

    secrets: Secrets
    integrations: Integrations
    webhook_url: str
    connect: Callable[[str, str, OAuthCredentials], SubscribingApi]
    clock: Callable[[], datetime]
    overlap: timedelta
    """How long a secret verifies after another took its place."""
    keep_rotating: Callable[[str], None]
    """Given a webhook secret's name, which is there: has it rotated from time to time."""

    def take_in(self, hotel: Hotel, resubscribe: bool = False) -> Onboarded:
        """Raises NotFound or Malformed (what was told is wrong), CredentialsRefused, and what the stores raise."""
        done = self._take_in(hotel, resubscribe)
        if part(hotel.vendor, "api").TAKES_NEW_SECRETS:
            # Last: the function that rotates looks at the hotel's integration, and is tried at once.
            self.keep_rotating(webhook_secret_name(hotel.vendor, hotel.property_id))
        return done

    def _take_in(self, hotel: Hotel, resubscribe: bool) -> Onboarded:
        checked = _checked(hotel)
        credentials = OAuthCredentials(hotel.client_id, hotel.client_secret)
        self.secrets.write(oauth_credentials_name(hotel.vendor, hotel.property_id), credentials)
        secret, rotated = self._webhook_secret(hotel)
        before = self._integration(hotel)
        integration = self._item(hotel, checked, before)
        self.integrations.put(integration)
        if _may_keep(before, hotel) and not (resubscribe or rotated):
            return Onboarded(integration, subscribed=False, rotated=False)
        api = self.connect(hotel.property_id, hotel.base_url, credentials)
        return Onboarded(self._subscribe(api, integration, secret, before), subscribed=True, rotated=rotated)

    def _webhook_secret(self, hotel: Hotel) -> tuple[str, bool]:
        """What the vendor is to sign with, and whether it took another's place."""
        name = webhook_secret_name(hotel.vendor, hotel.property_id)
        try:
            held = self.secrets.held(name, WebhookSecret)
        except NotFound:
            first = hotel.webhook_secret or randomness.token_urlsafe(32)
            self.secrets.write(name, WebhookSecret(first))
            return first, False
        before = held.secret
        if hotel.webhook_secret in (None, before.current):
            # While a rotation is at work, what it tells the vendor: it will be the current one.
            return before.next or before.current, False
        until = self.clock() + self.overlap
        # Of a rotation at work the next one still verifies, since the vendor may have been told it.
        self.secrets.replace(
            name, held, WebhookSecret(hotel.webhook_secret, before.current, until, before.next, before.next_since)
        )
        return hotel.webhook_secret, True

    def _integration(self, hotel: Hotel) -> Integration | None:
        try:
            return self.integrations.get(hotel.property_id, hotel.vendor)
        except NotFound:
            return None

    def _item(self, hotel: Hotel, entities: Sequence[str], before: Integration | None) -> Integration:
        return Integration(
            property_id=hotel.property_id,
            vendor=hotel.vendor,
            time_zone=hotel.time_zone,
            base_url=hotel.base_url,
            entities=tuple(entities),
            subscription_id=before.subscription_id if before else None,
            onboarded_at=before.onboarded_at if before and before.onboarded_at else self.clock(),
        )

    def _subscribe(
        self, api: SubscribingApi, integration: Integration, secret: str, before: Integration | None
    ) -> Integration:
        url = f"{self.webhook_url}/{integration.vendor}/{integration.property_id}"
        events: Mapping[str, str] = part(integration.vendor, "webhook").EVENTS
        subscription_id = api.subscribe(url, list(events), secret)
        subscribed = msgspec.structs.replace(integration, subscription_id=subscription_id)
        self.integrations.put(subscribed)
        # A vendor may answer a second subscription of one address with the first one's id.
        old = before.subscription_id if before and before.base_url == integration.base_url else None
        if old not in (None, subscription_id):
            with suppress(NotFound):  # the vendor has forgotten it: that may be why it is subscribed anew
                api.unsubscribe(old)
        return subscribed


def _may_keep(before: Integration | None, hotel: Hotel) -> bool:
    return before is not None and before.subscription_id is not None and before.base_url == hotel.base_url


def _checked(hotel: Hotel) -> Sequence[str]:
    """The entities to poll. Raises NotFound or Malformed before anything is written."""
    listed: Mapping[str, Any] = part(hotel.vendor, "api").ENTITIES
    if unknown := [entity for entity in hotel.entities if entity not in listed]:
        raise NotFound(f"{hotel.vendor} lists no {', '.join(unknown)}; the known are {', '.join(listed)}")
    if not is_segment(hotel.property_id):
        raise Malformed("a property id has letters, digits, dot, dash and underscore, and no other characters")
    if not is_time_zone(hotel.time_zone):
        raise NotFound(f"unknown time zone {hotel.time_zone}", fix="as IANA names it, e.g. Europe/Lisbon")
    return hotel.entities or list(listed)
