"""What a vendor's ``api`` module offers, and what it is given: the shapes that polling and the clients meet in.

Beside ``contract``, not in it: that one is on the webhook function's path, where each class costs a cold start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from msgspec import Raw

from shared.streams import Stream


class Listed(NamedTuple):
    """One record of a vendor's list."""

    payload: Raw
    """The vendor's own text, verbatim."""
    updated_at: datetime | None
    """UTC; None where the record tells no instant that can be trusted to order it."""


class ListPage(NamedTuple):
    """One answer of a vendor's list, as one request saw it."""

    records: Sequence[Listed]
    last: bool
    """Nothing follows this page."""
    pages: int | None
    """How many pages the list has, where the vendor tells: a hint, nothing rests on it."""
    requested_at: datetime
    """UTC, the start of the request that was answered: the records' ``received_at``."""
    waited: float
    """Seconds spent waiting for the rate limit, the vendor's or our own."""


class ListApi(Protocol):
    """A client of one property, made for one run: it is back, with an answer or an error, by its deadline."""

    def page(self, entity: str, updated_since: datetime | None, page: int) -> ListPage:
        """Page ``page`` (from 1) of the records changed since ``updated_since`` (None: all), oldest change first.

        Raises VendorUnavailable, RateLimited, CredentialsRefused, Misconfigured or Malformed.
        """
        ...


class Credentials(Protocol):
    """OAuth 2.0 client credentials (``shared.storage.secrets.OAuthCredentials``)."""

    @property
    def client_id(self) -> str: ...
    @property
    def client_secret(self) -> str: ...


class AccessToken(Protocol):
    @property
    def value(self) -> str: ...
    @property
    def refresh_at(self) -> datetime:
        """UTC; from then on the token is replaced before it is used again."""
        ...


class TokenStore(Protocol):
    """Where a property's access token is kept between requests and shared between workers."""

    def cached(self) -> AccessToken | None:
        """What this process remembers."""
        ...

    def shared(self) -> AccessToken | None:
        """What any worker saved last."""
        ...

    def save(self, value: str, refresh_at: datetime, expires_at: datetime) -> None: ...


class Budget(Protocol):
    """``shared.storage.rate_budget.RateBudget``."""

    def acquire(self, stream: Stream, limit: int, deadline: datetime) -> float:
        """Waits until one request may leave (``limit`` a minute) and returns the seconds waited.

        Raises RateLimited, having waited and booked nothing, where its turn comes only after ``deadline``.
        """
        ...

    def hold(self, stream: Stream, seconds: float, limit: int) -> None:
        """The vendor wants no request for ``seconds``: every worker hears it."""
        ...


class SubscribingApi(Protocol):
    """What a client of one property offers beside ``ListApi``, of a vendor whose ``TAKES_NEW_SECRETS`` is true."""

    def subscribe(self, url: str, events: Sequence[str], secret: str) -> str:
        """Has ``events`` sent to ``url`` signed with ``secret`` from now on; returns the subscription's id.

        Done again with the same address it replaces the subscription, or makes another; then the old one is to end.
        """
        ...

    def unsubscribe(self, subscription_id: str) -> None:
        """Raises NotFound where the vendor has no such subscription."""
        ...


class ApiContract(Protocol):
    """``shared.vendors.<vendor>.api``."""

    ENTITIES: Mapping[str, str]
    """Entity → the vendor's name of its list."""
    OVERLAPS: Mapping[str, timedelta]
    """Entity → how far its cursor stays behind the newest change seen, where the default will not do."""
    TAKES_NEW_SECRETS: bool
    """Whether a subscription's secret can be changed by its API (``SubscribingApi``). Where it cannot, no webhook
    secret is rotated by itself, and its age calls a person (docs/secrets.md)."""

    @staticmethod
    def connect(property_id: str, base_url: str, credentials: Credentials, **how: Any) -> ListApi: ...
