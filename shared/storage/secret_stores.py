"""Where secrets are kept, as text: a table for the hotels', Secrets Manager for the database's and the readers'.

A stage may keep its hotels' secrets in Secrets Manager too (``hotel_secrets.store`` in cdk.json). docs/secrets.md has
what either costs and who may read what. Errors name a secret and never quote one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import NotFound, StoreUnavailable
from shared.storage.dynamodb import written

# Secrets Manager's InvalidRequestException on a read means: scheduled for deletion.
_ABSENT = frozenset({"ResourceNotFoundException", "InvalidRequestException"})


class SecretStore(Protocol):
    def fetch(self, name: str) -> str:
        """Raises NotFound or StoreUnavailable."""
        ...

    def write(self, name: str, text: str) -> None:
        """Creates the secret or gives it a new value. Raises StoreUnavailable."""
        ...

    def delete(self, name: str) -> None:
        """At once and for good; one that is not there will do. Raises StoreUnavailable."""
        ...


def hotel_secret_store(table: str, dynamodb: Callable[[], Any], secrets_manager: Callable[[], Any]) -> SecretStore:
    """Of a stage's hotels. ``table`` empty: in Secrets Manager. The others make boto3 clients at first need."""
    return SecretTable(dynamodb, table) if table else SecretsManager(secrets_manager)


class SecretTable:
    """A DynamoDB table: ``name`` (partition key), ``value`` (JSON), ``revision`` (a number), ``changed_at`` (UTC).

    ``revision`` rises with every write; ``changed_at`` tells since when the value in use is in use.
    """

    def __init__(
        self, connect: Callable[[], Any], table: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = _Client(connect)
        self._table = table
        self._clock = clock

    def fetch(self, name: str) -> str:
        with self._reaching("give", name):
            # Consistent: whoever is refused by an older value looks here for the newest.
            answer = self._client().get_item(TableName=self._table, Key=_key(name), ConsistentRead=True)
        if "Item" not in answer:
            raise _absent(name)
        return str(answer["Item"].get("value", {}).get("S", ""))

    def write(self, name: str, text: str) -> None:
        # A value that is there already is not written anew: it would seem younger than it is.
        with suppress(_Meant), self._reaching("take", name, "ConditionalCheckFailedException"):
            self._client().update_item(
                TableName=self._table,
                Key=_key(name),
                UpdateExpression="SET #value = :value, changed_at = :now ADD revision :one",
                ConditionExpression="attribute_not_exists(#value) OR #value <> :value",
                ExpressionAttributeNames={"#value": "value"},
                ExpressionAttributeValues={
                    ":value": {"S": text},
                    ":now": {"S": written(self._clock())},
                    ":one": {"N": "1"},
                },
            )

    def delete(self, name: str) -> None:
        with self._reaching("delete", name):
            self._client().delete_item(TableName=self._table, Key=_key(name))

    def _reaching(self, what: str, name: str, *meaning: str) -> AbstractContextManager[None]:
        return _reaching("dynamodb", f"table {self._table} did not {what} {name}", *meaning)


class SecretsManager:
    def __init__(self, connect: Callable[[], Any]) -> None:
        self._client = _Client(connect)

    def fetch(self, name: str) -> str:
        try:
            with self._reaching("give", name, *_ABSENT):
                # A binary secret has no text: it is then none of ours, and told like any other that is not.
                return str(self._client().get_secret_value(SecretId=name).get("SecretString", ""))
        except _Meant:
            raise _absent(name) from None

    def write(self, name: str, text: str) -> None:
        with self._reaching("take", name):
            try:
                self._client().create_secret(Name=name, SecretString=text)
            except self._client().exceptions.ResourceExistsException:
                self._client().put_secret_value(SecretId=name, SecretString=text)

    def delete(self, name: str) -> None:
        with suppress(_Meant), self._reaching("delete", name, *_ABSENT):
            self._client().delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    def _reaching(self, what: str, name: str, *meaning: str) -> AbstractContextManager[None]:
        return _reaching("secretsmanager", f"Secrets Manager did not {what} {name}", *meaning)


class _Client:
    """Made at first need."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._made: Any = None

    def __call__(self) -> Any:
        if self._made is None:
            self._made = self._connect()
        return self._made


class _Meant(Exception):
    """The store answered with an error that says something about the secret."""


@contextmanager
def _reaching(store: str, failure: str, *meaning: str) -> Iterator[None]:
    """Around each call: raises _Meant for an error code of ``meaning``, StoreUnavailable for all else of boto3."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in meaning:
            raise _Meant from None
        raise StoreUnavailable(failure, store=store) from error
    except BotoCoreError as error:
        raise StoreUnavailable(failure, store=store) from error


def _key(name: str) -> dict[str, dict[str, str]]:
    return {"name": {"S": name}}


def _absent(name: str) -> NotFound:
    return NotFound(f"no secret {name}", reason="no_such_secret")
