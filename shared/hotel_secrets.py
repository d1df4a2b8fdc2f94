"""What a hotel's secrets hold. ``shared.names`` has their names, ``shared.storage.secrets`` reads and writes them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

# An empty HMAC key is no secret: anybody can sign with it.
NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]


class Secret(msgspec.Struct, frozen=True):
    """Its values are in no representation of it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> Any:
        yield "..."


class WebhookSecret(Secret, frozen=True):
    """``names.webhook_secret_name``: both values verify while the secret rotates."""

    current: NonEmpty
    previous: str | None = None

    @property
    def values(self) -> tuple[str, ...]:
        return (self.current, self.previous) if self.previous else (self.current,)


class OAuthCredentials(Secret, frozen=True):
    """``names.oauth_credentials_name``."""

    client_id: NonEmpty
    client_secret: NonEmpty
