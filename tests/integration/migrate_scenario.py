"""The migrations of a deployment as scenarios of the crash sweep: the function, CloudFormation and the database.

The server is one of their own: roles are a whole server's, and here there are none before. Its owner is no superuser,
as RDS's is not.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import httpx
import psycopg
import pytest

from lambdas.migrate import answer, handler
from shared.storage import migrations
from shared.storage.logins import GROUPS
from shared.storage.migrations.versions import m0002_readers
from tests.deliveries import lambda_context
from tests.integration.catalog_dump import Dump, dump
from tests.integration.reader_databases import Hotel, Server, refusal_of, row_of, store
from tests.integration.storing_aws import secret_of
from tests.integration.test_migrate_function import NEWEST, CloudFormation

if TYPE_CHECKING:
    from tests.integration.test_crash_sweep import Place

DATABASE, BEFORE = "migrated", "before"
SECRET = "pousada-test/owner"
INVOCATIONS = 2
"""Of one request: Lambda has it run again once where it broke off (infra/capabilities/migrations.py)."""
HOTEL = Hotel("hostpms", "PT-LIS-001")


class _Unwatched(psycopg.Connection[Any]):
    """The test's own, whose calls are no points."""

    wait = psycopg.Connection.wait


class Surroundings:
    """PostgreSQL and CloudFormation, begun when they are first asked for."""

    def __init__(self) -> None:
        self._stack: ExitStack
        self._begun: tuple[Server, CloudFormation] | None = None

    @contextmanager
    def served(self) -> Iterator[None]:
        with ExitStack() as self._stack:
            yield
            self._begun = None

    def begun(self) -> tuple[Server, CloudFormation]:
        if self._begun is None:
            folder = self._stack.enter_context(TemporaryDirectory(prefix="pousada-migrate-"))
            server, cloudformation = Server(Path(folder)), CloudFormation()
            self._stack.callback(server.stop)
            self._stack.callback(cloudformation.stop)
            with server.superuser("postgres") as superuser:
                # Nothing of it is kept, and a database is made and dropped a hundred times.
                superuser.execute("ALTER SYSTEM SET fsync = off")
                superuser.execute("SELECT pg_reload_conf()")
            self._begun = server, cloudformation
        return self._begun


class Outcome(NamedTuple):
    """Of one invocation."""

    answers: list[dict[str, Any]]
    left: Dump

    @property
    def failed(self) -> bool:
        return {told["Status"] for told in self.answers} != {"SUCCESS"}


class Migrate:
    """A database of the version ``since``, None for a blank one, is brought to the newest.

    CloudFormation asks once for each deployment; one that it is told has failed the operator does again.
    """

    def __init__(self, surroundings: Surroundings, since: str | None, at_least: int) -> None:
        self.at_least = at_least
        self._surroundings, self._since = surroundings, since
        self._looker: psycopg.Connection[Any] | None = None
        self._start: Dump
        self._left: Dump | None = None
        """What is there; None where nobody has looked since a process died."""
        self._roles: list[str]
        """That are there before."""
        self._repeated: dict[Dump, Outcome] = {}
        """What comes of the database as a fault has left it: an undisturbed run's end depends on nothing else."""
        self._invocations: Counter[str] = Counter()
        """By request."""
        self._deployments = 0
        self._wrong: list[str] = []
        self._last: Outcome

    # -- What is there before ------------------------------------------------------------------

    def prepare(self, place: Place) -> None:
        self._repeated.clear()
        boto3.client("secretsmanager").create_secret(
            Name=SECRET, SecretString=secret_of(self._server.conninfo(DATABASE))
        )
        self._roles = []
        self._drop(DATABASE, BEFORE)
        with self._server.owner("postgres") as owner:
            owner.execute("CREATE ROLE rds_iam NOLOGIN")
            owner.execute(f"CREATE DATABASE {BEFORE} TEMPLATE template0")
        if self._since:
            migrations.upgrade(self._server.conninfo(BEFORE), self._since)
            with self._server.owner(BEFORE) as owner:
                store(owner, {"room": [row_of("room", HOTEL, 1)]}, [refusal_of(HOTEL, 1)])
        with self._server.superuser("postgres") as superuser:
            self._roles = [name for (name,) in superuser.execute("SELECT rolname FROM pg_roles").fetchall()]
        self._make()
        self._start = self._left = self._found()

    def afresh(self, place: Place) -> None:
        """The database as it was, unless it still is."""
        if self._left != self._start:
            self._make()
            self._left = self._start
        self._cloudformation.answers.clear()
        self._invocations.clear()
        self._deployments, self._wrong = 1, []

    def _make(self) -> None:
        self._drop(DATABASE)
        with self._server.owner("postgres") as owner:
            owner.execute(f"CREATE DATABASE {DATABASE} TEMPLATE {BEFORE}")
        if self._since:
            with self._server.owner(DATABASE) as owner:
                # Who may enter a database is no part of it, and not copied.
                owner.execute(m0002_readers._DATABASE)

    def _drop(self, *databases: str) -> None:
        self._looker = None
        with self._server.superuser("postgres") as superuser:
            for database in databases:
                superuser.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            ours = "SELECT rolname FROM pg_roles WHERE rolname ~ '^(pousada_|rds_)' AND rolname <> ALL (%s)"
            for (role,) in superuser.execute(ours, (self._roles,)).fetchall():
                superuser.execute(f"DROP ROLE {role}")

    # -- A deployment --------------------------------------------------------------------------

    def work(self, place: Place) -> bool:
        """One invocation. A fault strikes in the first of them."""
        first, request = not self._invocations, f"deployment {self._deployments}"
        self._invocations[request] += 1
        try:
            self._last = self._invoke(request) if first else self._repeat(request)
        except BaseException:
            self._left = None
            raise
        if self._last.failed:
            self._deployments += 1
        return not self._last.failed

    def _repeat(self, request: str) -> Outcome:
        left = self._left = self._left or self._found()
        told_before = any(one["RequestId"] == request for one in self._cloudformation.answers)
        if left not in self._repeated:
            self._repeated[left] = self._invoke(request)
        else:
            told = self._repeated[left].answers
            self._cloudformation.answers.extend({**answer, "RequestId": request} for answer in told)
        if told_before and self._repeated[left].left != left:
            self._wrong.append("CloudFormation was told that it is done before it was")
        return self._repeated[left]

    def _invoke(self, request: str) -> Outcome:
        answers = self._cloudformation.answers
        before = len(answers)
        event = self._cloudformation.event("Update" if self._since else "Create")
        # The world's certificates take longer to read than all the rest.
        plain = SimpleNamespace(Client=httpx.Client, HTTPTransport=partial(httpx.HTTPTransport, verify=False))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE", f'{{"secret": "{SECRET}"}}')
            patch.setattr(answer, "httpx", plain)
            handler.handle({**event, "RequestId": request}, lambda_context(remaining_ms=900_000))
        self._left = self._found()
        return Outcome(answers[before:], self._left)

    # -- What comes of it ----------------------------------------------------------------------

    def state(self, place: Place) -> Dump:
        assert self._wrong == []
        assert max(self._invocations.values()) <= INVOCATIONS
        told: dict[str, set[str]] = {request: set() for request in self._invocations}
        for one in self._cloudformation.answers:
            told[one["RequestId"]].add(one["Status"])
        *failed, last = told.values()
        assert last == {"SUCCESS"}
        assert all(statuses == {"FAILED"} for statuses in failed), "each is answered, and in one way"
        self._assert_whole(self._last.left)
        return self._last.left

    def _assert_whole(self, found: Dump) -> None:
        assert {line for line in found if line.startswith("schema_version ")} == {f"schema_version ({NEWEST})"}
        logins = {f"login ({login},{group})" for login, own in GROUPS.items() for group in (own, "rds_iam")}
        assert {line for line in found if line.startswith("login (pousada_")} == logins

    def _found(self) -> Dump:
        """Once those are gone whose connections have ended: what holds a lock is a connection."""
        if self._looker is None:
            self._looker = _Unwatched.connect(self._server.superuser_conninfo(DATABASE), autocommit=True)
        deadline = time.monotonic() + 60
        while others := self._looker.execute(_OTHERS).fetchall():
            if time.monotonic() > deadline:
                self._wrong.append(f"still connected, with whatever lock it holds: {others}")
                break
        return dump(self._looker)

    def forget(self) -> None:
        """It keeps nothing."""

    @property
    def _server(self) -> Server:
        return self._surroundings.begun()[0]

    @property
    def _cloudformation(self) -> CloudFormation:
        return self._surroundings.begun()[1]


_OTHERS = """
    SELECT query FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
