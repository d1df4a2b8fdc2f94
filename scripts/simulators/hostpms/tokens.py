"""OAuth 2.0 client credentials: tokens that are good for one property and for a while."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scripts.simulators.hostpms.world import Credentials


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    property_id: str
    expires_at: float
    """By the clock the tokens were given."""


class Tokens:
    """``credentials``: property id → its client."""

    def __init__(self, credentials: Mapping[str, Credentials], clock: Callable[[], float]) -> None:
        self._properties = {client: property_id for property_id, client in credentials.items()}
        self._clock = clock
        self._tokens: dict[str, Token] = {}

    def issue(self, client: Credentials, lifetime: float) -> Token | None:
        """None where there is no such client."""
        property_id = self._properties.get(client)
        if property_id is None:
            return None
        token = Token(secrets.token_urlsafe(24), property_id, self._clock() + lifetime)
        self._tokens[token.text] = token
        return token

    @property
    def issued(self) -> set[str]:
        """Every token that was not revoked, good or expired."""
        return set(self._tokens)

    def property_of(self, text: str) -> str | None:
        """Whom the token speaks for; None where it is unknown or has expired."""
        token = self._tokens.get(text)
        return token.property_id if token is not None and self._clock() < token.expires_at else None

    def revoke_all(self) -> None:
        """As after an incident at the vendor: the next request of everybody is answered 401."""
        self._tokens.clear()
