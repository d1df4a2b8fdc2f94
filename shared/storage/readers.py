"""Readers of PostgreSQL: login roles that see the rows of named hotels, and no other.

What they may do is the migrations' to say (``m0002_readers``): each is a member of ``pousada_reader``, and the rows
of ``hotel.reader_hotels`` under its name are the hotels it sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg import sql

from shared.errors import Malformed, Misconfigured

GROUP = "pousada_reader"
CONNECTIONS = 5
"""How many a reader may have at once."""
SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "60s",
    # Who forgets a transaction keeps PostgreSQL from clearing away old versions of every hotel's rows.
    "idle_in_transaction_session_timeout": "60s",
    "search_path": "hotel",
}
"""Defaults, against accidents: a session can set others. What it may read and write hangs on none of them."""

# No dot: see ``role_of``. As a segment of the secret's name, nothing that leads elsewhere.
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}", re.ASCII)
_LONGEST_ROLE = 63  # bytes; PostgreSQL would cut it, and two readers could become one
_LOCK = 7_207_732_302


class Hotel(NamedTuple):
    vendor: str
    property_id: str

    def __str__(self) -> str:
        return f"{self.vendor}/{self.property_id}"


class Reader(msgspec.Struct, frozen=True):
    name: str
    role: str
    """PostgreSQL's login role."""
    hotels: tuple[Hotel, ...]


def role_of(database: str, name: str) -> str:
    """The login role of the reader ``name``: ``{database}.{name}``.

    Roles are of the whole server, and two databases on it may each have a reader of one name: they must not become
    one role, which sees the hotels of both. A name has no dot, so that no two pairs make the same role.
    Raises Malformed.
    """
    if not _NAME.fullmatch(name):
        raise Malformed("a reader's name begins with a small letter; then small letters, digits, _ and -, 31 at most")
    role = f"{database}.{name}"
    if len(role.encode()) > _LONGEST_ROLE:
        raise Malformed(f"{role} is longer than PostgreSQL's {_LONGEST_ROLE} bytes", fix="give a shorter name")
    return role


class Readers:
    """Of the database that ``connection`` leads to, as its owner, who may make roles (CREATEROLE)."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._database = connection.info.dbname

    def role(self, name: str) -> str:
        return role_of(self._database, name)

    def put(self, name: str, password: str, hotels: Sequence[Hotel]) -> Reader:
        """Makes the reader, or brings it to this: ``hotels`` are those it sees from now on, and no other.

        Raises Malformed, and Misconfigured where the role is another's or the owner may make none.
        """
        role = self.role(name)
        with self._changing():
            if not self._is_there(role):
                self._run("CREATE ROLE {role}", role)
            elif role not in self._members():
                raise Misconfigured(f"the role {role} is there, and is no reader", fix="choose another name")
            # PostgreSQL is given the verifier, not the password: a statement may end up in its log.
            verifier = self._connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
            limits = "ALTER ROLE {role} LOGIN CONNECTION LIMIT {limit} PASSWORD {verifier}"
            self._run(limits, role, limit=sql.Literal(CONNECTIONS), verifier=sql.Literal(verifier.decode()))
            self._run("GRANT {group} TO {role}", role)
            self._run("GRANT CONNECT ON DATABASE {database} TO {role}", role)
            for setting, value in SETTINGS.items():
                self._run("ALTER ROLE {role} SET {name} = {value}", role, name=sql.Identifier(setting), value=value)
            self._set_hotels(role, hotels)
        return Reader(name, role, tuple(hotels))

    def all(self) -> list[Reader]:
        """By name."""
        found = self._connection.execute(
            """SELECT role_name::text, array_agg(ARRAY[source, hotel_id] ORDER BY source, hotel_id)
            FROM hotel.reader_hotels GROUP BY 1"""
        ).fetchall()
        hotels = {role: tuple(Hotel(*pair) for pair in pairs) for role, pairs in found}
        own = f"{self._database}."
        roles = sorted(role for role in self._members() if role.startswith(own))
        return [Reader(role.removeprefix(own), role, hotels.get(role, ())) for role in roles]

    def remove(self, name: str) -> bool:
        """Ends the reader's sessions, takes all from it and drops its role. Whether it was there.

        Raises Malformed, and Misconfigured where the role is another's or the owner may not drop it.
        """
        role = self.role(name)
        with self._changing():
            self._set_hotels(role, ())
            if not self._is_there(role):
                return False
            if role not in self._members():
                raise Misconfigured(f"the role {role} is there, and is no reader", fix="choose another name")
            # As a member the owner may end its sessions, and drop what it may have made (large objects).
            self._run("ALTER ROLE {role} NOLOGIN", role)
            self._run("GRANT {role} TO CURRENT_USER", role)
            self._connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,)
            )
            self._run("DROP OWNED BY {role}", role)
            self._run("DROP ROLE {role}", role)
        return True

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One at a time, wholly or not at all."""
        try:
            with self._connection.transaction():
                self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                yield
        except psycopg.errors.InsufficientPrivilege as error:
            raise Misconfigured(
                "the database's user may not manage readers",
                fix=f"it must own the database, have CREATEROLE, and have made {GROUP} or have its ADMIN option",
            ) from error

    def _is_there(self, role: str) -> bool:
        return bool(self._connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchall())

    def _members(self) -> set[str]:
        found = self._connection.execute(
            """SELECT member.rolname FROM pg_auth_members AS m JOIN pg_roles AS member ON member.oid = m.member
            JOIN pg_roles AS part ON part.oid = m.roleid WHERE part.rolname = %s""",
            (GROUP,),
        )
        return {name for (name,) in found}

    def _set_hotels(self, role: str, hotels: Sequence[Hotel]) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute("DELETE FROM hotel.reader_hotels WHERE role_name = %s", (role,))
            cursor.executemany(
                "INSERT INTO hotel.reader_hotels VALUES (%s, %s, %s)", [(role, *hotel) for hotel in hotels]
            )

    def _run(self, statement: str, role: str, **parts: sql.Composable | str) -> None:
        """Of these statements PostgreSQL takes no parameters."""
        names = {"role": role, "group": GROUP, "database": self._database}
        identifiers = {place: sql.Identifier(name) for place, name in names.items()}
        self._connection.execute(sql.SQL(statement).format(**identifiers, **parts))
