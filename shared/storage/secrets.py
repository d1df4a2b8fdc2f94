"""JSON secrets, typed, and kept in memory for five minutes.

``shared.names`` gives the names, a store (``shared.storage.secret_stores``) keeps the texts. A secret's values never
reach a representation, a log or an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

import msgspec

from shared.decoding import UNREADABLE
from shared.errors import Misconfigured, NotFound
from shared.hotel_secrets import Held, NonEmpty, Secret, SecretKind
from shared.storage.secret_stores import SecretStore

KEPT_SECONDS = 300.0
"""How long a rotated secret may go unnoticed, unless the caller asks for a younger one."""
MISSING_SECONDS = 30.0
"""How long a name without a secret is remembered as such."""
_KEPT_NAMES = 1024


class DatabaseCredentials(Secret, frozen=True):
    """``names.database_secret``, as RDS writes it, and ``names.reader_secret``."""

    host: NonEmpty
    port: int | str  # written by hand, it may be either: the connection takes both
    dbname: NonEmpty
    username: NonEmpty
    password: str
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "require"

    def __post_init__(self) -> None:
        # libpq's connection string would end there, and with it what follows: sslmode too.
        if any("\0" in text for text in (self.host, self.dbname, self.username, self.password)):
            raise ValueError("a value has a NUL")


class Secrets:
    """``clock`` gives seconds that never go back."""

    def __init__(self, store: SecretStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._known = _Recent[str](clock)
        self._missing = _Recent[None](clock)

    def read(self, name: str, kind: type[SecretKind], max_age: float = KEPT_SECONDS) -> SecretKind:
        """The secret, fetched not longer than ``max_age`` seconds ago.

        Raises NotFound, Misconfigured (there, but not a ``kind``) or StoreUnavailable.
        """
        entry = self._known.get(name, max_age)
        return _decoded(name, entry[0] if entry else self._fetch(name), kind)

    def write(self, name: str, secret: Secret) -> None:
        """Creates the secret or gives it a new value. Raises StoreUnavailable."""
        text = msgspec.json.encode(secret).decode()
        self._store.write(name, text)
        self._known.put(name, text)

    def held(self, name: str, kind: type[SecretKind]) -> Held[SecretKind]:
        """The secret as it is now, to be replaced or to have its age told. Raises as ``read``."""
        kept = self._store.fetch(name)
        return Held(_decoded(name, kept.text, kind), kept.revision, kept.changed_at)

    def replace(self, name: str, held: Held[SecretKind], secret: SecretKind) -> None:
        """Gives it a new value if it is still as it was ``held``. Raises Superseded or StoreUnavailable."""
        text = msgspec.json.encode(secret).decode()
        self._store.replace(name, text, held.revision)
        self._known.put(name, text)

    def delete(self, name: str) -> None:
        """At once and for good; one that is not there will do. Raises StoreUnavailable."""
        self._store.delete(name)
        self._known.drop(name)

    def _fetch(self, name: str) -> str:
        # Who guesses property ids gets an answer from memory the second time he tries one.
        if self._missing.get(name, MISSING_SECONDS):
            raise NotFound(f"no secret {name}", reason="no_such_secret")
        try:
            text = self._store.fetch(name).text
        except NotFound:
            self._known.drop(name)
            self._missing.put(name, None)
            raise
        self._known.put(name, text)
        return text


def _decoded(name: str, text: str, kind: type[SecretKind]) -> SecretKind:
    try:
        return msgspec.json.decode(text, type=kind)
    except UNREADABLE:
        # Not the decoder's message: it may quote the secret.
        fields = ", ".join(kind.__struct_fields__)
        raise Misconfigured(
            f"secret {name} is not JSON with {fields}", fix="store it again", reason="bad_secret"
        ) from None


Value = TypeVar("Value")


class _Recent(Generic[Value]):
    """What was learnt about a name, and when; of too many names the one learnt longest ago is forgotten."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[Value, float]] = {}

    def get(self, name: str, max_age: float) -> tuple[Value] | None:
        """In a tuple, since None may be what was learnt."""
        entry = self._entries.get(name)
        return (entry[0],) if entry and self._clock() - entry[1] <= max_age else None

    def put(self, name: str, value: Value) -> None:
        self.drop(name)
        self._entries[name] = (value, self._clock())
        if len(self._entries) > _KEPT_NAMES:
            del self._entries[next(iter(self._entries))]

    def drop(self, name: str) -> None:
        self._entries.pop(name, None)
