"""A vendor's client for a single errand of the operator: no shared token, no budget, no long wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from shared.hotel_secrets import OAuthCredentials
from shared.streams import Stream
from shared.vendors.registry import part

ERRAND = timedelta(minutes=1)


class _Token(NamedTuple):
    value: str
    refresh_at: datetime


class ForgetfulTokens:
    """A new token for each errand: that credentials given just now work is part of what is to be shown."""

    def __init__(self) -> None:
        self._token: _Token | None = None

    def cached(self) -> _Token | None:
        return self._token

    def shared(self) -> _Token | None:
        return None

    def save(self, value: str, refresh_at: datetime, expires_at: datetime) -> None:
        self._token = _Token(value, refresh_at)


class NoBudget:
    """For calls that no vendor limits."""

    def acquire(self, stream: Stream, limit: int, deadline: datetime) -> float:
        return 0.0

    def hold(self, stream: Stream, seconds: float, limit: int) -> None:
        return None


def connect(vendor: str, property_id: str, base_url: str, credentials: OAuthCredentials) -> Any:
    """Raises Misconfigured where ``base_url`` is not one a secret may be sent to."""
    api = part(vendor, "api")
    return api.connect(
        property_id,
        base_url,
        credentials,
        tokens=ForgetfulTokens(),
        budget=NoBudget(),
        deadline=datetime.now(UTC) + ERRAND,
        http=api.http_client(),
        clock=lambda: datetime.now(UTC),
    )
