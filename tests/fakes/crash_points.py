"""Every call that a function or job makes to AWS, to PostgreSQL and to a vendor, counted; and a fault at any of them.

The recording adapter sits where all calls pass: botocore's events, psycopg's wait for the server's answer, and httpx's
transport. A fault comes before the call takes effect or after it. One that kills is final: the process makes no
further call, and its connections break, until it is started again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import boto3
import httpx
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


_STATUSES = {"InternalError": 500, "ThrottlingException": 429}


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

    # -- The vendor's API --------------------------------------------------------------------------

    def watch_http(self, patch: pytest.MonkeyPatch) -> None:
        handle, points = httpx.HTTPTransport.handle_request, self

        def watched(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
            fault = points._struck_by(f"http {request.method} {request.url.path}")
            if fault is None:
                return handle(transport, request)
            answer = handle(transport, request) if fault.after else None
            if answer:
                answer.read()
            if fault.kills:
                points._kill()
            if fault.after:
                raise httpx.ReadTimeout("as told", request=request)
            return httpx.Response(_STATUSES[fault.code], headers={"Retry-After": "0"})

        patch.setattr(httpx.HTTPTransport, "handle_request", watched)

    # -- PostgreSQL --------------------------------------------------------------------------------

    def watch_postgresql(self, patch: pytest.MonkeyPatch) -> None:
        wait, points = psycopg.Connection.wait, self

        def watched(connection: psycopg.Connection[Any], *arguments: Any, **named: Any) -> Any:
            if connection not in points._connections:
                points._connections.append(connection)
            fault = points._struck_by("postgresql commit" if _commits(*arguments) else "postgresql")
            if fault is None:
                return wait(connection, *arguments, **named)
            if fault.after:
                wait(connection, *arguments, **named)
            if fault.kills:
                points._kill()
            connection.pgconn.finish()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        patch.setattr(psycopg.Connection, "wait", watched)


def _commits(asking: Any, *_: Any) -> bool:
    """Whether what psycopg waits with is its own ``_commit_gen``."""
    return getattr(asking, "__name__", "") == "_commit_gen"


@contextmanager
def crash_points() -> Iterator[CrashPoints]:
    """Inside an AWS in memory. Waits between tries take no time."""
    points = CrashPoints()
    points.watch_aws()
    with pytest.MonkeyPatch.context() as patch:
        points.watch_postgresql(patch)
        points.watch_http(patch)
        patch.setattr(time, "sleep", lambda seconds: None)
        patch.setattr(_Watching, "points", points)
        try:
            yield points
        finally:
            points.leave_aws()


# -- Clients ---------------------------------------------------------------------------------------


class _Watching:
    points: CrashPoints | None = None
    """Whoever counts the calls at present."""


_KEPT = ("s3", "dynamodb", "secretsmanager", "sqs", "rds")


@contextmanager
def kept_clients(session: boto3.Session) -> Iterator[None]:
    """A client is made once for all runs inside, of ``session``: making one takes longer than most that a run does.

    It remembers nothing of what it was asked. One with a configuration of its own, which may bid it to, is made anew
    each time, and so is one of a service that a test may answer for. Those that are watched are others than those that
    a test prepares and looks with.
    """
    kept: dict[tuple[bool, str, str], Any] = {}
    make = {"client": boto3.client, "resource": boto3.resource}

    def get(kind: str, service: str, **how: Any) -> Any:
        if how or service not in _KEPT:
            return make[kind](service, **how)
        watched = _Watching.points is not None
        if (watched, kind, service) not in kept:
            made = kept[watched, kind, service] = getattr(session, kind)(service)
            if watched:
                _watch((made if kind == "client" else made.meta.client).meta.events)
        return kept[watched, kind, service]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3, "client", partial(get, "client"))
        patch.setattr(boto3, "resource", partial(get, "resource"))
        yield


def _watch(events: Any) -> None:
    def before(**call: Any) -> Any:
        return _Watching.points and _Watching.points._before_aws(**call)

    def after(**call: Any) -> None:
        if _Watching.points:
            _Watching.points._after_aws(**call)

    events.register_first("before-call", before)
    events.register_last("after-call", after)


def until_done(points: CrashPoints, work: Callable[[], bool], tries: int = 5) -> None:
    """``work`` as AWS would have it: again, by a new process if it died, until it says that nothing is left."""
    for _ in range(tries):
        with suppress(Exception, Killed):
            if work():
                return
        points.restart()
    raise AssertionError(f"not done after {tries} deliveries")
