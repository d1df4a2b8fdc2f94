"""A connection to PostgreSQL that outlives an invocation, and comes back where the server dropped it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shared.decoding import UNREADABLE
from shared.errors import Misconfigured, StoreUnavailable
from shared.storage.secrets import DatabaseCredentials


class SecretReader(Protocol):
    """boto3's Secrets Manager client."""

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]: ...  # noqa: N803 - boto3's name


def conninfo(secret: str, application: str = "pousada") -> str:
    """libpq's connection string from the database's secret (``{host, port, dbname, username, password}``).

    Raises Misconfigured.
    """
    try:
        # Not strict: a port may be written as a text.
        found = msgspec.json.decode(secret, type=DatabaseCredentials, strict=False)
    except UNREADABLE:
        raise Misconfigured(
            "the database's secret is not {host, port, dbname, username, password}",
            fix="write it as RDS does, and sslmode where TLS is not wanted",
        ) from None
    return make_conninfo(
        host=found.host,
        port=found.port,
        dbname=found.dbname,
        user=found.username,
        password=found.password,
        sslmode=found.sslmode,
        application_name=application,
        connect_timeout=5,
    )


def conninfo_from_secret(secrets: SecretReader, name: str, application: str = "pousada") -> str:
    # A binary secret has no text.
    return conninfo(secrets.get_secret_value(SecretId=name).get("SecretString", ""), application)


class Database:
    """One connection, opened at first use. ``read_conninfo`` is asked anew for each connection: secrets rotate."""

    def __init__(self, read_conninfo: Callable[[], str]) -> None:
        self._read_conninfo = read_conninfo
        self._connection: psycopg.Connection[Any] | None = None

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Cursor[Any]]:
        """A cursor inside one transaction: committed at the end, rolled back on an exception.

        Raises StoreUnavailable where the server cannot be reached or went away.
        """
        try:
            with self._open().transaction(), self._open().cursor() as cursor:
                yield cursor
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self.close()
            raise StoreUnavailable(f"PostgreSQL: {type(error).__name__}", fix="it is tried again") from error

    def run(self, work: Callable[[psycopg.Cursor[Any]], Any]) -> Any:
        """``work`` in a transaction, begun again where the server dropped us or another one stood in its way."""

        def once() -> Any:
            with self.transaction() as cursor:
                return work(cursor)

        again = Retrying(
            retry=retry_if_exception_type((StoreUnavailable, psycopg.errors.DeadlockDetected)),
            stop=stop_after_attempt(3),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            reraise=True,
        )
        return again(once)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._read_conninfo(), autocommit=True)
        return self._connection
