"""Every call that a function or job makes to AWS and to PostgreSQL, counted; and a fault at any one of them.

The recording adapter sits where all calls pass: botocore's events, and psycopg's wait for the server's answer. A fault
comes before the call takes effect or after it. One that kills is final: the process makes no further call, and its
connections break, until it is started again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, NamedTuple

import boto3
import psycopg
import pytest
from botocore.exceptions import ReadTimeoutError

from tests.fakes.aws_faults import Killed


class Fault(NamedTuple):
    name: str
    kills: bool
    after: bool
    """The call has taken effect already."""
    code: str = ""
    """AWS's error code, where AWS answers."""


FAULTS = (
    Fault("killed before", kills=True, after=False),
    Fault("killed after", kills=True, after=True),
    Fault("error", kills=False, after=False, code="InternalError"),
    Fault("throttled", kills=False, after=False, code="ThrottlingException"),
    Fault("timeout after", kills=False, after=True),
)


class CrashPoints:
    """Counts calls; the one numbered ``at``, from 1, meets ``fault``."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.at = 0
        self.fault: Fault | None = None
        self._dead = False
        self._connections: list[psycopg.Connection[Any]] = []
        self._lock = threading.Lock()
        """Raw objects are fetched by several threads."""

    def plan(self, at: int, fault: Fault) -> None:
        self.at, self.fault = at, fault

    def restart(self) -> None:
        """A new process: the old one's connections break, as the operating system closes them."""
        self._dead = False
        for connection in self._connections:
            with suppress(Exception):
                connection.pgconn.finish()
        self._connections.clear()

    @property
    def struck(self) -> bool:
        return 0 < self.at <= len(self.calls)

    def _struck_by(self, name: str) -> Fault | None:
        """Counts the call ``name``; the fault that it meets."""
        with self._lock:
            if self._dead:
                raise Killed
            self.calls.append(name)
            return self.fault if len(self.calls) == self.at else None

    def _kill(self) -> None:
        self._dead = True
        raise Killed

    # -- AWS -------------------------------------------------------------------------------------

    def watch_aws(self) -> None:
        """The calls of clients that are made of boto3's default session."""
        events = boto3._get_default_session().events
        events.register_first("before-call", self._before_aws)
        events.register_last("after-call", self._after_aws)

    def leave_aws(self) -> None:
        events = boto3._get_default_session().events
        events.unregister("before-call", self._before_aws)
        events.unregister("after-call", self._after_aws)

    def _before_aws(self, model: Any, context: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]] | None:
        fault = self._struck_by(f"aws {model.service_model.service_name} {model.name}")
        if fault is None:
            return None
        if fault.after:
            context["crash_point"] = fault
            return None
        if fault.kills:
            self._kill()
        refusal = {"Error": {"Code": fault.code, "Message": "as told"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
        return SimpleNamespace(status_code=503), refusal

    def _after_aws(self, context: dict[str, Any], **_: Any) -> None:
        fault = context.pop("crash_point", None)
        if fault is not None:
            if fault.kills:
                self._kill()
            raise ReadTimeoutError(endpoint_url="http://as.told")

    # -- PostgreSQL --------------------------------------------------------------------------------

    def watch_postgresql(self, patch: pytest.MonkeyPatch) -> None:
        wait, points = psycopg.Connection.wait, self

        def watched(connection: psycopg.Connection[Any], *arguments: Any, **named: Any) -> Any:
            if connection not in points._connections:
                points._connections.append(connection)
            fault = points._struck_by("postgresql")
            if fault is None:
                return wait(connection, *arguments, **named)
            if fault.after:
                wait(connection, *arguments, **named)
            if fault.kills:
                points._kill()
            connection.pgconn.finish()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        patch.setattr(psycopg.Connection, "wait", watched)


@contextmanager
def crash_points() -> Iterator[CrashPoints]:
    """Inside an AWS in memory. Waits between tries take no time."""
    points = CrashPoints()
    points.watch_aws()
    with pytest.MonkeyPatch.context() as patch:
        points.watch_postgresql(patch)
        patch.setattr(time, "sleep", lambda seconds: None)
        try:
            yield points
        finally:
            points.leave_aws()


def until_done(points: CrashPoints, work: Callable[[], bool], tries: int = 5) -> None:
    """``work`` as AWS would have it: again, by a new process if it died, until it says that nothing is left."""
    for _ in range(tries):
        with suppress(Exception, Killed):
            if work():
                return
        points.restart()
    raise AssertionError(f"not done after {tries} deliveries")
