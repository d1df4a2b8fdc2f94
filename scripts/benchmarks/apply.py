"""What the apply function costs: our own work for an event, apart from S3 and from PostgreSQL.

The handler is called in this process, with SQS's own events, on a real PostgreSQL; each event is a raw object with a
reservation that nobody has seen. Raw objects come out of memory, in two ways:

    own     S3 answered in memory: mapping, rules, COPY and upsert as the client does them, log and metrics
    sdk     the same with boto3 included: requests are built and signed, canned answers are parsed

Both are processor time of this process, for the reason that ``scripts.benchmarks.webhook`` gives. What it waits for
PostgreSQL is elapsed time (``postgresql_us``), and says as much of the machine as of the statements; the number of
waits and of gets is exact. All is told for each event: of ten in an invocation, which is what the deployed function
takes, and of one alone (``alone_``), the quiet hour's.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import fmean, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import unquote, urlsplit

import boto3
import psycopg
from botocore.awsrequest import AWSResponse

from lambdas.apply import handler
from scripts.benchmarks.pages import EVENT, PROPERTY, delivered
from scripts.benchmarks.silence import silenced
from scripts.local.embedded_postgres import EmbeddedPostgres
from scripts.simulators.hostpms.bulk import reservations
from shared.pipeline import envelope, raw_keys
from shared.storage import migrations
from shared.storage.integrations import Integration
from shared.storage.postgres import Database
from shared.storage.property_contexts import PropertyContexts
from shared.storage.raw_lake import RawLake
from shared.storage.unified_store import UnifiedStore

BUCKET = "raw"
IN_ONE = 10
"""Events of one invocation: ``live.batch_size`` of infra/config.py."""
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",  # nosec B105 # opens nothing
    "AWS_LAMBDA_FUNCTION_NAME": "apply",
}
_SEED = 7

Objects = dict[str, bytes]
Connect = Callable[[Objects], Any]
"""Raw objects → an S3 client that has them."""


@dataclass
class _Seen:
    """Of each invocation, for one of its events: seconds, or how many."""

    worked: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    gets: list[float] = field(default_factory=list)


def run(events: int = 2000) -> dict[str, float]:
    """Microseconds for each event (``*_us_*``), and how often it asks S3 and waits for PostgreSQL."""
    with mock.patch.dict(os.environ, ENVIRONMENT), database() as dsn:
        together = _measure(dsn, events, IN_ONE, in_memory)
        alone = _measure(dsn, events // IN_ONE, 1, in_memory)
        sdk = _measure(dsn, events, IN_ONE, canned)
    return {
        **_summary("own", together.worked),
        **_summary("alone_own", alone.worked),
        **_summary("sdk", sdk.worked),
        **_summary("postgresql", together.waited),
        **_summary("alone_postgresql", alone.waited),
        "postgresql_waits": round(fmean(together.waits), 2),
        "alone_postgresql_waits": round(fmean(alone.waits), 2),
        "s3_gets": round(fmean(together.gets), 2),
        "events": events,
    }


def _summary(what: str, seconds: list[float]) -> dict[str, float]:
    percentiles = quantiles(seconds, n=100)
    return {f"{what}_us_p50": round(percentiles[49] * 1e6, 1), f"{what}_us_p99": round(percentiles[98] * 1e6, 1)}


@contextlib.contextmanager
def database() -> Iterator[str]:
    """The DSN of a migrated, empty database on a server of its own."""
    with TemporaryDirectory(prefix="pousada-bench-") as folder:
        server = EmbeddedPostgres(Path(folder))
        server.start()
        try:
            migrations.upgrade(server.dsn)
            yield server.dsn
        finally:
            server.stop()


# -- One measurement -----------------------------------------------------------------------------


def _measure(dsn: str, count: int, in_one: int, connect: Connect) -> _Seen:
    """``count`` events, ``in_one`` to an invocation, into empty tables; a tenth as many before, to warm up."""
    _empty(dsn)
    seen, ahead = _Seen(), count // in_one // 10
    for number, invoke in enumerate(invocations(dsn, ahead + count // in_one, in_one, connect)):
        if number < ahead:
            invoke()
            continue
        with _counting_waits() as waits:
            began = process_time()
            gets = invoke()
            worked = process_time() - began
        for kept, amount in ((seen.worked, worked), (seen.waited, sum(waits)), (seen.waits, len(waits))):
            kept.append(amount / in_one)
        seen.gets.append(gets / in_one)
    return seen


def invocations(dsn: str, count: int, in_one: int, connect: Connect) -> Iterator[Callable[[], int]]:
    """``count`` calls of the handler, to be made one after another; each returns how often S3 was asked."""
    objects: Objects = {}
    s3 = _Counted(connect(objects))
    store_database = Database(lambda: dsn)
    made = {
        "_raw_lake": RawLake(BUCKET, s3),
        "_contexts": PropertyContexts(_Onboarded()),
        "_store": UnifiedStore(store_database),
    }
    stream = reservations(count * in_one, _SEED, property_id=PROPERTY)
    with contextlib.ExitStack() as patches:
        for name, value in made.items():
            patches.enter_context(mock.patch.object(handler, name, lambda value=value: value))
        patches.enter_context(silenced(handler.logger, handler.metrics))
        patches.callback(store_database.close)
        for first in range(0, count * in_one, in_one):
            objects.clear()
            objects.update(_landed(list(islice(stream, in_one)), first))
            yield lambda: _applied(s3, list(objects))


def _applied(s3: _Counted, keys: list[str]) -> int:
    before = s3.calls
    answer = handler.handle({"Records": [_message(key) for key in keys]}, _CONTEXT)
    if answer["batchItemFailures"]:
        raise RuntimeError("the benchmark's events were not applied")
    return s3.calls - before


def _landed(records: list[bytes], first: int) -> Objects:
    """Each record as the webhook function lands it."""
    now = datetime.now(UTC)
    return {
        raw_keys.webhook_key("hostpms", PROPERTY, EVENT, now, record, f"EVT-{number}"): envelope.encode(
            delivered(record, now)
        )
        for number, record in enumerate(records, first)
    }


def _message(key: str) -> dict[str, Any]:
    """As SQS brings what EventBridge brings of S3."""
    detail = {"version": "0", "bucket": {"name": BUCKET}, "object": {"key": key, "size": 900, "etag": "0" * 32}}
    event = {"detail-type": "Object Created", "source": "aws.s3", "time": "2026-03-01T10:31:00Z", "detail": detail}
    return {"messageId": key, "body": json.dumps(event)}


_CONTEXT = SimpleNamespace(
    function_name="apply",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:eu-west-1:000000000000:function:apply",
    aws_request_id="request",
)


class _Onboarded:
    """The integrations' table, answered here: it is asked once in five minutes."""

    def get(self, property_id: str, vendor: str) -> Integration:
        return Integration(
            property_id=property_id,
            vendor=vendor,
            time_zone="Europe/Lisbon",
            base_url="https://api.example.com/v3",
            entities=("booking",),
        )


@contextlib.contextmanager
def _counting_waits() -> Iterator[list[float]]:
    """Seconds of each wait for the server's answer."""
    wait, seconds = psycopg.Connection.wait, list[float]()

    def timed(connection: Any, *arguments: Any, **named: Any) -> Any:
        began = perf_counter()
        try:
            return wait(connection, *arguments, **named)
        finally:
            seconds.append(perf_counter() - began)

    with mock.patch.object(psycopg.Connection, "wait", timed):
        yield seconds


def _empty(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("TRUNCATE hotel.bookings, hotel.guests, hotel.quarantine")


# -- S3, answered here ---------------------------------------------------------------------------


class _Counted:
    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls = 0

    def get_object(self, **named: Any) -> Any:
        self.calls += 1
        return self._client.get_object(**named)


def in_memory(objects: Objects) -> Any:
    """The least a client may be."""
    return SimpleNamespace(get_object=lambda Bucket, Key: {"Body": io.BytesIO(objects[Key])})  # noqa: N803


def canned(objects: Objects) -> Any:
    """A real client whose requests are answered just before they would reach the network."""

    def answer(request: Any, **_: Any) -> AWSResponse:
        body = objects[unquote(urlsplit(request.url).path).lstrip("/").removeprefix(f"{BUCKET}/")]
        return AWSResponse(request.url, 200, {"Content-Length": str(len(body))}, io.BytesIO(body))

    client = boto3.client("s3")
    client.meta.events.register_first("before-send.s3.GetObject", answer)
    return client
