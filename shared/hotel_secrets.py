"""What secrets hold. ``shared.names`` has their names, ``shared.storage.secrets`` reads and writes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

import msgspec

from shared.model.calendar import Instant

# An empty HMAC key is no secret: anybody can sign with it.
NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]


class Secret(msgspec.Struct, frozen=True):
    """Its values are in no representation of it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> Any:
        yield "..."


class WebhookSecret(Secret, frozen=True, omit_defaults=True):
    """``names.webhook_secret_name``. How it rotates: ``shared.pipeline.rotation``."""

    current: NonEmpty
    """What the vendor signs with."""
    previous: str | None = None
    """What it signed with before."""
    previous_until: Instant | None = None
    """From then on the previous one verifies no more; None: it verifies until it is replaced."""
    next: str | None = None
    """What the vendor is about to be told, or has been told: verifies as well."""
    next_since: Instant | None = None
    since: Instant | None = None
    """When ``current`` came into use, where that is not when the secret was last written."""

    def verifying(self, now: datetime) -> tuple[str, ...]:
        """What a delivery may be signed with: current, previous, next, as ``WebhookContract.verify`` takes them."""
        previous = self.previous if self.previous_until is None or now < self.previous_until else None
        if self.next:
            # Each has its place by which it is named: where there is no previous one, the current stands in.
            return (self.current, previous or self.current, self.next)
        return (self.current, previous) if previous else (self.current,)


class OAuthCredentials(Secret, frozen=True):
    """``names.oauth_credentials_name``."""

    client_id: NonEmpty
    client_secret: NonEmpty


SecretKind = TypeVar("SecretKind", bound=Secret)
Revision: TypeAlias = int | str
"""Another after each write: of a table a number, of Secrets Manager a version's id."""


@dataclass(frozen=True, slots=True)
class Held(Generic[SecretKind]):
    """A secret as it was read."""

    secret: SecretKind
    revision: Revision
    changed_at: datetime
    """UTC, of the last write."""
