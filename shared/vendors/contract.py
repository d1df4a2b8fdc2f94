"""What a vendor's folder offers: the shapes that ``registry`` hands out and the contract tests hold.

``shared/vendors/<vendor>/`` has four modules: ``payloads`` (typed raw records), ``mapping`` (raw to
unified), ``api`` (client) and ``webhook`` (signature, event names). This module imports none of them,
and nothing heavy: the webhook function's path runs through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from msgspec import Raw

    from shared.streams import Stream


class Signed(NamedTuple):
    """A delivery whose signature held."""

    signed_at: datetime
    """UTC, from the vendor's signed timestamp."""
    secret: str
    """``current`` or ``previous``: which of the property's secrets it was signed with."""


class WebhookContract(Protocol):
    """``shared.vendors.<vendor>.webhook``."""

    EVENTS: Mapping[str, str]
    """The vendor's event name → the entity its record is."""

    @staticmethod
    def verify(
        headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime
    ) -> Signed:
        """``headers`` have lower-case names; ``secrets`` are current, then previous.

        Raises Unauthenticated with reason ``missing_signature``, ``missing_timestamp``,
        ``malformed_timestamp``, ``stale_timestamp`` or ``wrong_signature``.
        """
        ...

    @staticmethod
    def signed_headers(body: bytes, secret: str, at: datetime) -> dict[str, str]:
        """What the vendor sends with ``body`` signed at ``at`` (UTC): deliveries by hand (``pousada send``)."""
        ...

    @staticmethod
    def delivery_id(headers: Mapping[str, str], body: bytes) -> str | None:
        """The delivery's own id, where the vendor gives one. Raises Malformed where ``body`` is not JSON."""
        ...


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


class ApiContract(Protocol):
    """``shared.vendors.<vendor>.api``."""

    ENTITIES: Mapping[str, str]
    """Entity → the vendor's name of its list."""
    OVERLAPS: Mapping[str, timedelta]
    """Entity → how far its cursor stays behind the newest change seen, where the default will not do."""

    @staticmethod
    def connect(property_id: str, base_url: str, credentials: Credentials, **how: Any) -> ListApi: ...
