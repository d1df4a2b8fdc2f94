"""Where secrets are kept, as text: a table for the hotels', Secrets Manager for the database's and the readers'.

A stage may keep its hotels' secrets in Secrets Manager too (``hotel_secrets.store`` in cdk.json). docs/secrets.md has
what either costs and who may read what. Errors name a secret and never quote one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import NotFound, StoreUnavailable, Superseded
from shared.hotel_secrets import Revision
from shared.storage.dynamodb import written

# Secrets Manager's InvalidRequestException on a read means: scheduled for deletion.
_ABSENT = frozenset({"ResourceNotFoundException", "InvalidRequestException"})
_PROPOSED = "POUSADA-PROPOSED"
# Of what was written by hand nobody knows since when it is there.
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Kept:
    """A secret as its store has it."""

    text: str = field(repr=False)
    revision: Revision
    """Another after each write."""
    changed_at: datetime
    """UTC, of the last write."""


class SecretStore(Protocol):
    def fetch(self, name: str) -> Kept:
        """Raises NotFound or StoreUnavailable."""
        ...

    def write(self, name: str, text: str) -> None:
        """Creates the secret or gives it a new value. Raises StoreUnavailable."""
        ...

    def replace(self, name: str, text: str, revision: Revision) -> None:
        """As ``write``, of a secret that is still at ``revision``. Raises Superseded or StoreUnavailable."""
        ...

    def delete(self, name: str) -> None:
        """At once and for good; one that is not there will do. Raises StoreUnavailable."""
        ...


def hotel_secret_store(
    table: str,
    dynamodb: Callable[[], Any],
    secrets_manager: Callable[[], Any],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    *,
    key: str | None = None,
) -> SecretStore:
    """Of a stage's hotels. ``table`` empty: in Secrets Manager. The next two make boto3 clients at first need.

    ``key``: whoever makes secrets in Secrets Manager names it (``Names.secrets_key``); who changes one need not.
    """
    return SecretTable(dynamodb, table, clock) if table else SecretsManager(secrets_manager, key)


class SecretTable:
    """A DynamoDB table: ``name`` (its key), ``value`` (JSON), ``revision`` (rises with every write), ``changed_at``."""

    def __init__(
        self, connect: Callable[[], Any], table: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = _Client(connect)
        self._table = table
        self._clock = clock

    def fetch(self, name: str) -> Kept:
        with self._reaching("give", name):
            # Consistent: whoever is refused by an older value looks here for the newest.
            answer = self._client().get_item(TableName=self._table, Key=_key(name), ConsistentRead=True)
        if "Item" not in answer:
            raise _absent(name)
        return _kept(answer["Item"])

    def write(self, name: str, text: str) -> None:
        # A value that is there already is not written anew: it would seem younger than it is.
        with suppress(Meant):
            self._put(name, text, "attribute_not_exists(#value) OR #value <> :value", {})

    def replace(self, name: str, text: str, revision: Revision) -> None:
        try:
            self._put(name, text, "revision = :seen", {":seen": {"N": str(revision)}})
        except Meant:
            raise superseded(name) from None

    def _put(self, name: str, text: str, condition: str, values: dict[str, Any]) -> None:
        """Raises Meant where ``condition`` does not hold."""
        with self._reaching("take", name, "ConditionalCheckFailedException"):
            self._client().update_item(
                TableName=self._table,
                Key=_key(name),
                UpdateExpression="SET #value = :value, changed_at = :now ADD revision :one",
                ConditionExpression=condition,
                ExpressionAttributeNames={"#value": "value"},
                ExpressionAttributeValues={
                    ":value": {"S": text},
                    ":now": {"S": written(self._clock())},
                    ":one": {"N": "1"},
                    **values,
                },
            )

    def delete(self, name: str) -> None:
        with self._reaching("delete", name):
            self._client().delete_item(TableName=self._table, Key=_key(name))

    def _reaching(self, what: str, name: str, *meaning: str) -> AbstractContextManager[None]:
        return _reaching("dynamodb", f"table {self._table} did not {what} {name}", *meaning)


class SecretsManager:
    """``key``: of KMS, for what is made here; None: AWS's own for Secrets Manager."""

    def __init__(self, connect: Callable[[], Any], key: str | None = None) -> None:
        self._client = _Client(connect)
        self._encrypted = {"KmsKeyId": key} if key else {}

    def fetch(self, name: str) -> Kept:
        try:
            with self._reaching("give", name, *_ABSENT):
                found = self._client().get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
        except Meant:
            raise _absent(name) from None
        # A binary secret has no text: it is then none of ours, and told like any other that is not.
        return Kept(found.get("SecretString", ""), found.get("VersionId", ""), found.get("CreatedDate", _LONG_AGO))

    def write(self, name: str, text: str) -> None:
        try:
            with self._reaching("take", name, "ResourceExistsException"):
                self._client().create_secret(Name=name, SecretString=text, **self._encrypted)
        except Meant:
            self._write_over(name, text)

    def _write_over(self, name: str, text: str) -> None:
        # A value that is there already is no new version: it would seem younger than it is.
        with suppress(NotFound):
            if self.fetch(name).text == text:
                return
        with self._reaching("take", name):
            self._client().put_secret_value(SecretId=name, SecretString=text)

    def replace(self, name: str, text: str, revision: Revision) -> None:
        """The label AWSCURRENT is moved only if it is where it is said to be: that makes it a compare-and-set."""
        try:
            with self._reaching("take", name, *_ABSENT, "InvalidParameterException"):
                put = self._client().put_secret_value(SecretId=name, SecretString=text, VersionStages=[_PROPOSED])
                self._client().update_secret_version_stage(
                    SecretId=name,
                    VersionStage="AWSCURRENT",
                    MoveToVersionId=put["VersionId"],
                    RemoveFromVersionId=str(revision),
                )
        except Meant:
            raise superseded(name) from None

    def delete(self, name: str) -> None:
        with suppress(Meant), self._reaching("delete", name, *_ABSENT):
            self._client().delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    def _reaching(self, what: str, name: str, *meaning: str) -> AbstractContextManager[None]:
        return reaching_secrets_manager(what, name, *meaning)


class _Client:
    """Made at first need."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._made: Any = None

    def __call__(self) -> Any:
        if self._made is None:
            self._made = self._connect()
        return self._made


class Meant(Exception):
    """The store answered with an error that says something about the secret."""


@contextmanager
def _reaching(store: str, failure: str, *meaning: str) -> Iterator[None]:
    """Around each call: raises Meant for an error code of ``meaning``, StoreUnavailable for all else of boto3."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in meaning:
            raise Meant from None
        raise StoreUnavailable(failure, store=store) from error
    except BotoCoreError as error:
        raise StoreUnavailable(failure, store=store) from error


def reaching_secrets_manager(what: str, name: str, *meaning: str) -> AbstractContextManager[None]:
    return _reaching("secretsmanager", f"Secrets Manager did not {what} {name}", *meaning)


def _key(name: str) -> dict[str, dict[str, str]]:
    return {"name": {"S": name}}


def _kept(item: dict[str, dict[str, str]]) -> Kept:
    text, revision, changed_at = (item.get(name, {}) for name in ("value", "revision", "changed_at"))
    written_at = datetime.fromisoformat(changed_at["S"]) if "S" in changed_at else _LONG_AGO
    return Kept(text.get("S", ""), int(revision.get("N", "0")), written_at)


def superseded(name: str) -> Superseded:
    return Superseded(f"secret {name} was written meanwhile", fix="it is looked at anew")


def _absent(name: str) -> NotFound:
    return NotFound(f"no secret {name}", reason="no_such_secret")
