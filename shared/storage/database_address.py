"""Where PostgreSQL is and as whom to log in: the variable ``DATABASE`` of every function and of the job.

    {"secret": "pousada/local/database"}                             the secret says it all
    {"secret": "arn:…", "host": "…", "dbname": "pousada"}            user and password are in a secret that RDS manages
    {"user": "pousada_app", "host": "…", "dbname": "pousada"}        no password: a token for IAM

A token is made in this process, from its own AWS credentials, without a call to anyone. RDS takes it for a quarter of
an hour, and asks for it as a connection begins: each connection has one of its own.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from psycopg.conninfo import make_conninfo

from shared.decoding import UNREADABLE
from shared.errors import Misconfigured
from shared.hotel_secrets import NonEmpty, Secret
from shared.storage.postgres import Database, conninfo_from_secret

Connect = Callable[[str], Any]
"""``boto3.client``: a service's name to its client."""

CERTIFICATES = "certificates.pem"


class _Password(Secret, frozen=True):
    """What RDS keeps in a secret that it manages and rotates itself."""

    username: NonEmpty
    password: str


class DatabaseAddress(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    secret: str | None = None
    """Its name or ARN."""
    user: str | None = None
    """Logs in by IAM."""
    host: str | None = None
    port: int = 5432
    dbname: str | None = None
    hostaddr: str | None = None
    """Where a tunnel to ``host`` begins. The certificate is still ``host``'s."""

    def __post_init__(self) -> None:
        if bool(self.secret) == bool(self.user):
            raise ValueError("either a secret or a user")
        if bool(self.host) != bool(self.dbname) or (self.user and not self.host):
            raise ValueError("host and dbname belong together, and a user needs them")

    def conninfo(self, application: str, connect: Connect) -> str:
        """libpq's connection string, with a password that is good for a connection begun now.

        Raises Misconfigured where the secret is not what it should be.
        """
        if not self.host:
            return conninfo_from_secret(connect("secretsmanager"), str(self.secret), application)
        user, password = self._token(connect) if self.user else self._password(connect)
        return make_conninfo(
            host=self.host,
            hostaddr=self.hostaddr,
            port=self.port,
            dbname=self.dbname,
            user=user,
            password=password,
            sslmode="verify-full",
            sslrootcert=certificates(),
            application_name=application,
            connect_timeout=5,
        )

    def _token(self, connect: Connect) -> tuple[str, str]:
        user = str(self.user)
        return user, connect("rds").generate_db_auth_token(DBHostname=self.host, Port=self.port, DBUsername=user)

    def _password(self, connect: Connect) -> tuple[str, str]:
        text = connect("secretsmanager").get_secret_value(SecretId=self.secret).get("SecretString", "")
        try:
            found = msgspec.json.decode(text, type=_Password)
        except UNREADABLE:
            raise Misconfigured("the database's secret is not {username, password}", fix="rotate it") from None
        return found.username, found.password


def parse(text: str) -> DatabaseAddress:
    """Raises Misconfigured."""
    try:
        return msgspec.json.decode(text, type=DatabaseAddress)
    except UNREADABLE:
        fix = "compare it with shared/storage/database_address.py"
        raise Misconfigured("DATABASE is no database's address", fix=fix) from None


def open_database(text: str, application: str, connect: Connect) -> Database:
    """The database at the address ``text``; not connected yet. Raises Misconfigured."""
    address, client = parse(text), cache(connect)
    return Database(lambda: address.conninfo(application, client))


@cache
def certificates() -> str:
    """The file of the authorities that RDS and its proxy are believed by. On Glue this package is in a zip, and libpq
    reads files: it is then put beside it for as long as the process lives."""
    stack = ExitStack()
    atexit.register(stack.close)
    return str(stack.enter_context(resources.as_file(resources.files(__package__) / CERTIFICATES)))
