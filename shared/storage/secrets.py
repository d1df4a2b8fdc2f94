"""JSON secrets in Secrets Manager, typed, and kept in memory for five minutes.

``shared.names`` gives the names. A secret's values never reach a representation, a log or an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from shared.decoding import UNREADABLE
from shared.errors import Misconfigured, NotFound, StoreUnavailable

KEPT_SECONDS = 300.0
"""How long a rotated secret may go unnoticed, unless the caller asks for a younger one."""
MISSING_SECONDS = 30.0
"""How long a name without a secret is remembered as such."""
_KEPT_NAMES = 1024
# Secrets Manager's InvalidRequestException on a read means: scheduled for deletion.
_ABSENT = frozenset({"ResourceNotFoundException", "InvalidRequestException"})

# An empty HMAC key is no secret: anybody can sign with it.
NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]


class Secret(msgspec.Struct, frozen=True):
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


SecretKind = TypeVar("SecretKind", bound=Secret)


class Secrets:
    """``connect`` makes the boto3 client at first need; ``clock`` gives seconds that never go back."""

    def __init__(self, connect: Callable[[], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._client: Any = None
        self._known = _Recent[str](clock)
        self._missing = _Recent[None](clock)

    def read(self, name: str, kind: type[SecretKind], max_age: float = KEPT_SECONDS) -> SecretKind:
        """The secret, fetched not longer than ``max_age`` seconds ago.

        Raises NotFound, Misconfigured (there, but not a ``kind``) or StoreUnavailable.
        """
        entry = self._known.get(name, max_age)
        text = entry[0] if entry else self._fetch(name)
        try:
            return msgspec.json.decode(text, type=kind)
        except UNREADABLE:
            # Not the decoder's message: it may quote the secret.
            fields = ", ".join(kind.__struct_fields__)
            raise Misconfigured(
                f"secret {name} is not JSON with {fields}", fix="store it again", reason="bad_secret"
            ) from None

    def write(self, name: str, secret: Secret) -> None:
        """Creates the secret or gives it a new value. Raises StoreUnavailable."""
        text = msgspec.json.encode(secret).decode()
        try:
            try:
                self._secrets_manager().create_secret(Name=name, SecretString=text)
            except self._secrets_manager().exceptions.ResourceExistsException:
                self._secrets_manager().put_secret_value(SecretId=name, SecretString=text)
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable(f"Secrets Manager did not take {name}", store="secretsmanager") from error
        self._known.put(name, text)

    def delete(self, name: str) -> None:
        """At once and for good; one that is not there will do. Raises StoreUnavailable."""
        try:
            self._secrets_manager().delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _ABSENT:
                raise StoreUnavailable(f"Secrets Manager did not delete {name}", store="secretsmanager") from error
        except BotoCoreError as error:
            raise StoreUnavailable(f"Secrets Manager did not delete {name}", store="secretsmanager") from error
        self._known.drop(name)

    def _fetch(self, name: str) -> str:
        # Who guesses property ids gets an answer from memory the second time he tries one.
        if self._missing.get(name, MISSING_SECONDS):
            raise _absent(name)
        text = self._fetch_remembering_absence(name)
        self._known.put(name, text)
        return text

    def _fetch_remembering_absence(self, name: str) -> str:
        try:
            # A binary secret has no text: it is then none of ours, and told like any other that is not.
            return str(self._secrets_manager().get_secret_value(SecretId=name).get("SecretString", ""))
        except ClientError as error:
            if error.response["Error"]["Code"] not in _ABSENT:
                raise _unavailable(name) from error
            self._known.drop(name)
            self._missing.put(name, None)
            raise _absent(name) from None
        except BotoCoreError as error:
            raise _unavailable(name) from error

    def _secrets_manager(self) -> Any:
        if self._client is None:
            self._client = self._connect()
        return self._client


def _absent(name: str) -> NotFound:
    return NotFound(f"no secret {name}", reason="no_such_secret")


def _unavailable(name: str) -> StoreUnavailable:
    return StoreUnavailable(f"Secrets Manager did not give {name}", store="secretsmanager")


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
