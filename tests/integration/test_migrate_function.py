"""The function migrate as CloudFormation calls it, on the embedded PostgreSQL."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from subprocess import CompletedProcess
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.packages import LAYER, MIGRATIONS
from lambdas.migrate import handler, preparation
from lambdas.migrate.answer import PHYSICAL_ID, reason
from shared.errors import StoreUnavailable
from shared.storage import migrations
from shared.storage.logins import GROUPS
from tests.conftest import TemplatedPostgres
from tests.deliveries import lambda_context
from tests.packages import Unpacked, unpack

NEWEST = "0003"


class CloudFormation:
    """Takes the answers that are put to its address."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        answering = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answering.answers.append(json.loads(body))
                answering.content_types.append(self.headers["content-type"])
                self.send_response(403 if "refuse" in self.path else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def event(self, kind: str = "Create", path: str = "answer?signature=secret") -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._server.server_port}/{path}"
        about = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "Run"}
        return {"RequestType": kind, "ResponseURL": url, "ResourceProperties": {"Migrations": "digest"}, **about}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def cloudformation() -> Iterator[CloudFormation]:
    taking = CloudFormation()
    yield taking
    taking.stop()


@pytest.fixture
def blank(postgres: TemplatedPostgres) -> Iterator[str]:
    """The DSN of a database without any schema of ours."""
    name = f"migrate_{uuid4().hex[:8]}"
    with psycopg.connect(postgres.server.dsn_of("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield postgres.server.dsn_of(name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def at(dsn: str) -> Iterator[None]:
    """The function's database is that at ``dsn``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE", '{"secret": "database"}')
        patch.setattr(handler.boto3, "client", lambda _service: Secrets(dsn))
        yield


class Secrets:
    def __init__(self, dsn: str) -> None:
        self._dsn = conninfo_to_dict(dsn)

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:
        names = {"host": "host", "port": "port", "dbname": "dbname", "username": "user", "password": "password"}
        found = {name: str(self._dsn[key]) for name, key in names.items()}
        return {"SecretString": json.dumps({**found, "sslmode": "disable"})}


def version(dsn: str) -> str | None:
    with psycopg.connect(dsn) as connection:
        if connection.execute("SELECT to_regclass('schema_version')").fetchone() == (None,):
            return None
        ((found,),) = connection.execute("SELECT version_num FROM schema_version").fetchall()
        return str(found)


def test_what_it_answers_is_what_cloudformation_waits_for(cloudformation: CloudFormation, blank: str) -> None:
    for kind in ("Create", "Update"):
        with at(blank):
            handler.handle(cloudformation.event(kind), lambda_context(remaining_ms=60_000))

        assert cloudformation.answers[-1] == {
            "Status": "SUCCESS",
            "Reason": "the database is up to date",
            "PhysicalResourceId": PHYSICAL_ID,
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Run",
        }
        assert not cloudformation.content_types[-1]
        assert version(blank) == NEWEST
    with psycopg.connect(blank) as connection:
        # This server gathers no statements; that it was asked is all that can be seen here.
        assert connection.execute("SELECT to_regnamespace('monitoring')").fetchone() == (None,)
        logins = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(GROUPS),)).fetchall()
    assert {name for (name,) in logins} == GROUPS.keys()


def test_a_migration_that_fails_fails_the_deployment_and_says_why(cloudformation: CloudFormation, blank: str) -> None:
    with psycopg.connect(blank, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA hotel; CREATE TABLE hotel.rooms (id int)")

    with at(blank):
        handler.handle(cloudformation.event(), lambda_context(remaining_ms=60_000))

    assert cloudformation.answers[-1]["Status"] == "FAILED"
    assert cloudformation.answers[-1]["Reason"] == 'DuplicateTable (42P07): relation "rooms" already exists'
    with psycopg.connect(blank) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'hotel'").fetchall()
    assert found == [("rooms",)], "nothing of the migration stays"


def test_a_database_that_a_later_version_has_migrated_is_up_to_date(cloudformation: CloudFormation, blank: str) -> None:
    with at(blank):
        handler.handle(cloudformation.event(), lambda_context(remaining_ms=60_000))
        with psycopg.connect(blank) as connection:
            connection.execute("UPDATE schema_version SET version_num = '9999'")
        handler.handle(cloudformation.event("Update"), lambda_context(remaining_ms=60_000))

    assert cloudformation.answers[-1]["Status"] == "SUCCESS"
    assert version(blank) == "9999"


def test_of_a_version_that_nobody_knows_alembic_s_own_words_are_told(
    cloudformation: CloudFormation, blank: str
) -> None:
    with at(blank):
        handler.handle(cloudformation.event(), lambda_context(remaining_ms=60_000))
        with psycopg.connect(blank) as connection:
            connection.execute("UPDATE schema_version SET version_num = '0000'")
        handler.handle(cloudformation.event("Update"), lambda_context(remaining_ms=60_000))

    assert cloudformation.answers[-1]["Status"] == "FAILED"
    assert cloudformation.answers[-1]["Reason"] == "Can't locate revision identified by '0000'"


@contextmanager
def read(dsn: str, table: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody reads ``table`` and does not end the transaction."""
    with psycopg.connect(dsn) as reader:
        reader.execute(f"SELECT FROM {table} LIMIT 1")
        yield reader


def test_one_who_reads_and_does_not_end_stops_neither_the_answer_nor_the_others(
    cloudformation: CloudFormation, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "LOCK_SECONDS", 0.3)
    migrations.upgrade(blank, "0001")
    seconds, waited = 6.0, []
    with at(blank), read(blank, "hotel.bookings"), psycopg.connect(blank, autocommit=True) as other:
        context = lambda_context(remaining_ms=int((handler.MARGIN_SECONDS + seconds) * 1000))
        migrating = threading.Thread(target=handler.handle, args=(cloudformation.event(), context))
        begun = time.monotonic()
        migrating.start()
        while migrating.is_alive():
            asked = time.monotonic()
            other.execute("SELECT FROM hotel.bookings LIMIT 1")
            waited.append(time.monotonic() - asked)
        assert time.monotonic() - begun < seconds + 20

    assert cloudformation.answers[-1]["Status"] == "FAILED"
    assert cloudformation.answers[-1]["Reason"].startswith(("LockNotAvailable (55P03)", "QueryCanceled (57014)"))
    assert 0.1 < max(waited) < seconds / 2, "behind the migration, which waits, and not for long"
    assert version(blank) == "0001"


def test_one_who_ends_reading_in_time_only_delays_it(
    cloudformation: CloudFormation, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "LOCK_SECONDS", 0.2)
    migrations.upgrade(blank, "0001")
    with at(blank), read(blank, "hotel.bookings") as reader:
        threading.Timer(1.0, reader.rollback).start()
        handler.handle(cloudformation.event(), lambda_context(remaining_ms=60_000))

    assert cloudformation.answers[-1]["Status"] == "SUCCESS"
    assert version(blank) == NEWEST


def test_nor_does_the_making_of_logins_wait_past_the_end(blank: str) -> None:
    migrations.upgrade(blank)  # so that on a slow machine, too, the end comes while the logins are made
    with psycopg.connect(blank, autocommit=True) as another:
        # Gone before the test would wait for ever.
        another.execute("SET idle_session_timeout = '60s'")
        another.execute("SELECT pg_advisory_lock(7207732303)")
        begun = time.monotonic()
        with pytest.raises(psycopg.OperationalError):
            preparation.prepare(lambda: blank, seconds=3)
        assert time.monotonic() - begun < 30


def test_the_owner_is_shown_which_statements_take_the_time(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This server gathers none: tests/unit/test_statements.py has what is done where one does."""
    shown: list[str] = []
    monkeypatch.setattr(preparation, "show_statements", shown.append)
    preparation.prepare(lambda: blank, seconds=30)
    assert [conninfo_to_dict(conninfo)["dbname"] for conninfo in shown] == [conninfo_to_dict(blank)["dbname"]]


def test_delete_leaves_everything_as_it_is(cloudformation: CloudFormation, blank: str) -> None:
    with at(blank):
        handler.handle(cloudformation.event("Delete"), lambda_context(remaining_ms=60_000))

    assert cloudformation.answers[-1]["Status"] == "SUCCESS"
    assert version(blank) is None


def test_a_database_that_is_not_there_is_waited_for_and_then_told(
    cloudformation: CloudFormation, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "PATIENCE_SECONDS", 1.0)
    with at(make_conninfo(blank, dbname="not_there")):
        handler.handle(cloudformation.event(), lambda_context(remaining_ms=60_000))

    assert cloudformation.answers[-1]["Status"] == "FAILED"
    assert cloudformation.answers[-1]["Reason"].startswith("OperationalError")
    assert str(conninfo_to_dict(blank)["password"]) not in json.dumps(cloudformation.answers[-1])


def test_one_that_comes_up_late_is_migrated(postgres: TemplatedPostgres) -> None:
    name = f"late_{uuid4().hex[:8]}"
    dsn = postgres.server.dsn_of(name)
    with psycopg.connect(postgres.server.dsn_of("postgres"), autocommit=True) as admin:
        asked: list[str] = []

        def conninfo() -> str:
            if len(asked) == 1:
                admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            asked.append(name)
            return dsn

        try:
            preparation.prepare(conninfo, seconds=30)
            assert version(dsn) == NEWEST
        finally:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def test_an_answer_that_is_not_taken_is_an_error_so_that_lambda_tries_again(
    cloudformation: CloudFormation, blank: str
) -> None:
    with at(blank), pytest.raises(StoreUnavailable, match="did not take the answer"):
        handler.handle(cloudformation.event("Delete", path="refuse"), lambda_context(remaining_ms=60_000))


def test_neither_the_address_nor_a_password_is_logged(
    cloudformation: CloudFormation, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(handler.logger.registered_handler, "stream", written)
    monkeypatch.setattr(preparation, "PATIENCE_SECONDS", 0.1)
    with at(make_conninfo(blank, user="nobody")):
        handler.handle(cloudformation.event(), lambda_context(remaining_ms=60_000))

    assert "not migrated" in written.getvalue()
    assert "signature" not in written.getvalue()
    assert str(conninfo_to_dict(blank)["password"]) not in written.getvalue()


def test_what_postgresql_quotes_of_a_row_is_not_told(blank: str) -> None:
    with psycopg.connect(blank) as connection, pytest.raises(psycopg.DataError) as quoted:
        connection.execute("SELECT 'Maria Silva'::date")

    assert "Maria" in str(quoted.value)
    assert reason(quoted.value) == "InvalidDatetimeFormat (22007)"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    return unpack(tmp_path_factory.mktemp("migrate"), (LAYER, MIGRATIONS), "shared", "lambdas/migrate")


def test_on_its_own_packages_two_at_once_migrate_a_blank_database(deployed: Unpacked, blank: str) -> None:
    """Processes, since alembic is one to a process."""
    code = f"from lambdas.migrate.preparation import prepare; prepare(lambda: {blank!r}, 30)"

    def run(_number: int) -> CompletedProcess[str]:
        return deployed.run(code)

    with ThreadPoolExecutor(2) as both:
        runs = list(both.map(run, range(2)))

    assert [run.stderr for run in runs if run.returncode] == []
    assert version(blank) == NEWEST
