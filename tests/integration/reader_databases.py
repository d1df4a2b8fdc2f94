"""Two databases on one PostgreSQL, migrated and given readers by a master user such as RDS's: no superuser.

RDS makes its master ``LOGIN NOSUPERUSER INHERIT CREATEDB CREATEROLE NOREPLICATION``; so is this one. What RDS does
beyond that (its own roles, its patches of PostgreSQL) is not here.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from scripts.local.embedded_postgres import EmbeddedPostgres
from scripts.local.environment import ROOT
from shared.model.columns import TABLES, columns, row_type
from shared.model.identity import record_id
from shared.model.mapping import Refusal, Row
from shared.storage import quarantine
from shared.storage.readers import Hotel, Reader, Readers
from shared.storage.upsert import upsert_rows
from tests import factories

Connection = psycopg.Connection[Any]
MASTER = "master"
PASSWORD = "a password with 'quotes' and \\"
DATABASES = ("first", "second")


class Server:
    def __init__(self, folder: Path) -> None:
        self._postgres = EmbeddedPostgres(folder)
        self._postgres.start()
        with psycopg.connect(self._postgres.dsn_of("postgres"), autocommit=True) as superuser:
            superuser.execute(f"CREATE ROLE {MASTER} LOGIN NOSUPERUSER CREATEDB CREATEROLE PASSWORD 'p'")
        with self._connected("postgres", MASTER, "p") as master:
            for database in DATABASES:
                master.execute(f"CREATE DATABASE {database} TEMPLATE template0")

    def stop(self) -> None:
        self._postgres.stop()

    def conninfo(self, database: str, user: str = MASTER, password: str = "p") -> str:
        return make_conninfo(host="127.0.0.1", port=self._postgres.port, dbname=database, user=user, password=password)

    def _connected(self, database: str, user: str, password: str) -> Connection:
        return psycopg.connect(self.conninfo(database, user, password), autocommit=True)

    def owner(self, database: str = "first") -> Connection:
        return self._connected(database, MASTER, "p")

    def login(self, reader: Reader, database: str = "first") -> Connection:
        return self._connected(database, reader.role, PASSWORD)

    def superuser(self, database: str) -> Connection:
        return psycopg.connect(self.superuser_conninfo(database), autocommit=True)

    def superuser_conninfo(self, database: str) -> str:
        return self._postgres.dsn_of(database)

    def migrate_all_while_another_makes_the_roles(self) -> list[str]:
        """Each migration finds the role missing, and then there: what they raised."""
        # Processes, since alembic is one to a process.
        code = "import sys; from shared.storage import migrations; migrations.upgrade(sys.argv[1])"
        with self._connected("postgres", MASTER, "p") as another, another.transaction():
            another.execute("CREATE ROLE pousada_reader NOLOGIN")
            migrating = [
                subprocess.Popen([sys.executable, "-c", code, self.conninfo(name)], stderr=subprocess.PIPE, cwd=ROOT)
                for name in DATABASES
            ]
            self._wait_for_waiting(len(migrating))
        errors = [process.communicate(timeout=60)[1].decode() for process in migrating]
        return [error for process, error in zip(migrating, errors, strict=True) if process.returncode]

    def _wait_for_waiting(self, count: int) -> None:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid' AND query LIKE '%pousada_%'"
        deadline = time.monotonic() + 60
        with self.superuser("postgres") as superuser:
            while superuser.execute(waiting).fetchone() != (count,):
                assert time.monotonic() < deadline, "no migration came to the role"
                time.sleep(0.02)


def put_reader(owner: Connection, name: str, *hotels: Hotel) -> Reader:
    return Readers(owner).put(name, PASSWORD, hotels)


@contextmanager
def session(connection: Connection) -> Iterator[Connection]:
    """What it sets ends with it."""
    yield connection
    connection.execute("RESET ROLE; RESET ALL")


def row_of(entity: str, hotel: Hotel, number: int, **content: Any) -> Row:
    """A row with no more than it must have."""
    values = {str: "x", int: 1, bool: True}
    made = row_type(entity)()
    for column in columns(entity):
        if not column.nullable:
            setattr(made, column.name, values.get(column.kind, factories.RECEIVED))
    made.external_id, made.source, made.hotel_id = f"R-{number}", hotel.vendor, hotel.property_id
    made.id = record_id(hotel.vendor, hotel.property_id, entity, made.external_id)
    made.raw_key = f"{hotel}/{number}"
    if entity == "payment":
        made.amount = 1
    for name, value in content.items():
        setattr(made, name, value)
    return made


def refusal_of(hotel: Hotel, number: int, reason: str = "malformed_json", external_id: str | None = None) -> Refusal:
    key = f"{hotel}/quarantined"
    return Refusal(*hotel, "booking", reason, None, key, number, 1, external_id=external_id)


def store(connection: Connection, rows: dict[str, Sequence[Row]], refusals: Sequence[Refusal] = ()) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        for entity, some in rows.items():
            upsert_rows(cursor, entity, some)
        quarantine.record(cursor, refusals)


def clear(owner: Connection) -> None:
    owner.execute("; ".join(f"DELETE FROM hotel.{table}" for table in [*TABLES.values(), "reader_hotels"]))
