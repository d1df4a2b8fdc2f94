"""At every call to AWS, to PostgreSQL and to a vendor a process may die, or the call fail, before or after its effect:
what comes back is done again, and the end is the undisturbed run's.

A function or job joins by its line in ``SCENARIOS``. All points are tried, and all faults at each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import cache
from io import StringIO
from types import SimpleNamespace
from typing import Any, NamedTuple

import boto3
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec import to_builtins

from glue_jobs import batch, etl, upsert
from lambdas.apply import handler as apply_handler
from lambdas.audit import handler as audit_handler
from lambdas.audit import telemetry as audit_telemetry
from lambdas.audit.workplace import workplace as audit_workplace
from lambdas.etl import handler as etl_handler
from lambdas.manifest import handler as manifest_handler
from lambdas.webhook import handler as webhook_handler
from scripts.cli import quarantine_commands, replaying
from scripts.cli.stage import Stage
from shared.hotel_secrets import WebhookSecret
from shared.model.columns import TABLES
from shared.names import webhook_secret_name
from shared.pipeline import audit_window
from shared.pipeline.audit_orders import EveryHotel, HotelAudit
from shared.pipeline.manifest import ObjectAddress, RawEvent, manifest_of
from shared.settings import read
from shared.storage import quarantine
from shared.storage.manifests import Manifests
from shared.storage.raw_lake import RawLake, RawObject
from tests.deliveries import PROPERTY as WEBHOOK_PROPERTY
from tests.deliveries import SECRET, lambda_context, proxy_event
from tests.factories import GIVEN, PROPERTY, RECEIVED, envelope, minutes, page_key, record, webhook_key
from tests.fakes.crash_points import FAULTS, Fault, crash_points, kept_clients, until_done
from tests.integration import crash_scenarios
from tests.integration.migrate_scenario import Migrate, Surroundings
from tests.integration.moto_aws import RAW_BUCKET, fresh_session, hotel_secrets
from tests.integration.rotation_scenario import Rotate
from tests.integration.storing_aws import Resources, created, sqs_event, storing_aws
from tests.integration.test_two_paths import text_of
from tests.integration.watch_scenario import Watch

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics")


@cache
def signed_at() -> datetime:
    """One moment for all runs of a test, whenever in the suite it comes: a signature grows stale."""
    return datetime.now(UTC)


class Place(NamedTuple):
    """An AWS in memory and a PostgreSQL, both with nothing in them but what every stage has."""

    aws: Resources
    connection: psycopg.Connection[Any]
    bus: set[str]
    """Raw keys whose events it has taken."""
    told: set[Any]
    """What an audit has reported."""
    runs: list[str]
    """The Glue job's, which go on."""


class Scenario(NamedTuple):
    prepare: Callable[[Place], None]
    """What is there before the work begins."""
    work: Callable[[Place], bool]
    """One delivery of the work; whether nothing is left of it."""
    state: Callable[[Place], Any]
    forget: Callable[[], None]
    """As in a new process: nothing is kept from before."""
    at_least: int
    """Calls that an undisturbed run makes: fewer would mean that the recording misses some."""
    afresh: Callable[[Place], None] | None = None
    """Where what is prepared once serves all points: what is done before each."""
    strikes: str = ""
    """The beginning of the names of the calls that are struck; all, where it is empty."""


def nothing(place: Place) -> None:
    pass


# -- Webhook ---------------------------------------------------------------------------------------


def allow_webhooks(place: Place) -> None:
    name = webhook_secret_name("hostpms", WEBHOOK_PROPERTY)
    hotel_secrets().write(name, WebhookSecret(current=SECRET))


def deliver(place: Place) -> bool:
    """As a vendor does: the same delivery again, until it is taken."""
    answer = webhook_handler.handle(proxy_event(at=signed_at()), lambda_context(10_000))
    return bool(answer["statusCode"] == 200)


def landed(place: Place) -> dict[str, Any]:
    """Deliveries by key; when one was received differs."""
    lake = RawLake(RAW_BUCKET, boto3.client("s3"))
    found = {item.key: json.loads(lake.get(item.key)) for item in lake.list("")}
    return {key: {**sent, "received_at": None} for key, sent in found.items()}


# -- Live and batch path ---------------------------------------------------------------------------

OBJECTS = {
    webhook_key(): [envelope(record("booking"), None, event="reservation.created")],
    webhook_key("guest.created"): [envelope(GIVEN["guest"], None, event="guest.created")],
    page_key(): [
        *(envelope(record("booking", reservation_id=f"RSV-{number}")) for number in range(4)),
        b"not an envelope",
    ],
    page_key("payment"): [envelope(GIVEN["payment"], "payment")],
}


def land(place: Place) -> None:
    for key, lines in OBJECTS.items():
        place.aws.land(key, lines)


def rows(place: Place) -> dict[str, Any]:
    return {table: text_of(place.connection, table) for table in TABLES.values()}


def apply(place: Place) -> bool:
    answer = apply_handler.handle(sqs_event(*map(created, OBJECTS)), lambda_context())
    return not answer["batchItemFailures"]


def forget_apply() -> None:
    for made in (apply_handler._raw_lake, apply_handler._contexts, apply_handler._store):
        made.cache_clear()


def make_manifest(place: Place) -> bool:
    answer = manifest_handler.handle(sqs_event(*map(created, OBJECTS)), lambda_context())
    return not answer["batchItemFailures"]


def manifests(place: Place) -> dict[str, bytes]:
    return place.aws.files(place.aws.work)


def land_with_manifests(place: Place) -> None:
    """Two pending manifests: they are merged first."""
    land(place)
    bucket = RawEvent.Detail.Bucket(place.aws.raw)
    for number, keys in enumerate((list(OBJECTS)[:2], list(OBJECTS)[2:])):
        events = [RawEvent(minutes(number), RawEvent.Detail(bucket, ObjectAddress(key, 100))) for key in keys]
        Manifests(place.aws.work, boto3.client("s3")).add(manifest_of(events))


def run_job(place: Place) -> bool:
    etl.run(read(etl.Settings, place.aws.environment), _no_spark)
    return True


def _no_spark() -> etl.Distribute:
    raise AssertionError("the batch is small")


def forget_job() -> None:
    for made in (batch._raw_lake, batch._processed_lake, upsert._store, batch._s3):
        made.cache_clear()


def rows_files_and_manifests(place: Place) -> dict[str, Any]:
    files = place.aws.files(place.aws.processed)
    lake = {key: pq.read_table(pa.BufferReader(content)).to_pylist() for key, content in files.items()}
    return {"rows": rows(place), "lake": lake, "manifests": sorted(manifests(place))}


# -- The function etl ------------------------------------------------------------------------------


def land_with_the_job(place: Place) -> None:
    """One manifest pending, which is more than the function does itself; and a Glue whose runs go on."""

    def answer(model: Any, **_: Any) -> tuple[Any, dict[str, Any]] | None:
        if model.service_model.service_name != "glue":
            return None
        if model.name == "GetJobRuns":
            started = {"JobRunState": "RUNNING", "StartedOn": datetime.now(UTC)}
            return said(JobRuns=[{"Id": run, **started} for run in place.runs])
        if place.runs:
            return said(Error={"Code": "ConcurrentRunsExceededException", "Message": "one runs already"})
        place.runs.append("jr_1")
        return said(JobRunId="jr_1")

    # Not for glue alone: what is registered for less is asked before the points are counted.
    boto3._get_default_session().events.register("before-call", answer)
    event = RawEvent(minutes(0), RawEvent.Detail(RawEvent.Detail.Bucket(place.aws.raw), ObjectAddress(page_key(), 100)))
    Manifests(place.aws.work, boto3.client("s3")).add(manifest_of([event]))


def said(**parsed: Any) -> tuple[Any, dict[str, Any]]:
    status = 400 if "Error" in parsed else 200
    return SimpleNamespace(status_code=status), {**parsed, "ResponseMetadata": {"HTTPStatusCode": status}}


def start_job(place: Place) -> bool:
    """What it does itself are the same calls as the batch job's: it runs the same code."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GLUE_JOB", "etl")
        environment.setenv("SMALL_BATCH_BYTES", "0")
        taken = etl_handler.handle({}, lambda_context(900_000))
    return bool(taken["started"] or taken["at_work"])


def runs_and_manifests(place: Place) -> dict[str, Any]:
    """There is one run, and no manifest is gone."""
    return {"runs": list(place.runs), "manifests": manifests(place)}


# -- Replay ----------------------------------------------------------------------------------------


def replay(place: Place) -> bool:
    keys = [RawObject(f"hostpms/x/{number}.json", 1) for number in range(25)]
    for number in replaying.replay(boto3.client("events"), place.aws.raw, keys, pause=lambda seconds: None):
        assert number
    return True


def watch_the_bus(place: Place) -> None:
    """Keeps what the bus has taken."""

    def sent(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        entries = json.loads(params["body"])["Entries"]
        context["keys"] = {json.loads(entry["Detail"])["object"]["key"] for entry in entries}

    def taken(context: dict[str, Any], **_: Any) -> None:
        place.bus.update(context["keys"])

    events = boto3._get_default_session().events
    events.register_first("before-call.events.PutEvents", sent)
    events.register_first("after-call.events.PutEvents", taken)


def replayed(place: Place) -> set[str]:
    assert len(place.bus) == 25
    return place.bus


# -- Audit -----------------------------------------------------------------------------------------

AUDITED = {page_key("payment", page=number): [envelope(GIVEN["payment"], "payment")] for number in (1, 2)}
AUDIT = HotelAudit(
    vendor="hostpms", property_id=PROPERTY, since=RECEIVED.date(), settled_before=datetime(2100, 1, 1, tzinfo=UTC)
)


def lose_a_row(place: Place) -> None:
    """And leave one for another leg."""
    place.aws.make_audit_queue()
    for key, lines in AUDITED.items():
        place.aws.land(key, lines)
    bucket = RawEvent.Detail.Bucket(place.aws.raw)
    events = [RawEvent(minutes(0), RawEvent.Detail(bucket, ObjectAddress(key, 100))) for key in AUDITED]
    Manifests(place.aws.work, boto3.client("s3")).finish(manifest_of(events))


def audit(place: Place) -> bool:
    """The day's order, and a hotel's, as two messages."""
    log, event = StringIO(), sqs_event(*map(to_builtins, (EveryHotel(), AUDIT)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_window, "KEYS", 1)
        patch.setattr(audit_telemetry.logger.registered_handler, "stream", log)
        try:
            answer = audit_handler.handle(event, lambda_context(300_000))
        finally:
            place.told.update(map(report, log.getvalue().splitlines()))
    return not answer["batchItemFailures"]


def report(line: str) -> Any:
    told = json.loads(line)
    return tuple((name, str(told.get(name))) for name in ("message", "kind", "raw_key", "objects", "records", "found"))


def reported(place: Place) -> Any:
    """What has been told of what is lost, and who has been ordered to be audited from where on; since the last look."""
    told = {line for line in place.told if line[0][1] != "order given back"}
    place.told.clear()
    assert ("kind", "row_missing") in {fact for line in told for fact in line}
    queue = boto3.resource("sqs").Queue(place.aws.environment["AUDIT_QUEUE_URL"])
    orders = set()
    while messages := queue.receive_messages(MaxNumberOfMessages=10):
        for message in messages:
            order = json.loads(message.body)
            orders.add((order["property_id"], order.get("after")))
            message.delete()
    return told, orders


# -- Retry of what is quarantined ------------------------------------------------------------------

LATE_HOTEL = "ES-MAD-002"
REFUSED = [webhook_key(delivery=str(number), property_id=LATE_HOTEL) for number in range(3)]


def refuse(place: Place) -> None:
    """Deliveries of a hotel that is onboarded only when they have been refused."""
    forget_apply()
    for number, key in enumerate(REFUSED):
        sent = record("booking", reservation_id=f"RSV-{number}", property_id=LATE_HOTEL)
        place.aws.land(key, [envelope(sent, None, event="reservation.created", property_id=LATE_HOTEL)])
    apply_handler.handle(sqs_event(*map(created, REFUSED)), lambda_context())
    assert len(list(quarantine.waiting(place.connection))) == len(REFUSED)
    place.aws.onboard(LATE_HOTEL)
    watch_the_bus(place)


def retry(place: Place) -> bool:
    """As an operator does: the command again, until it ends well."""
    names = SimpleNamespace(raw_bucket=place.aws.raw, database_secret=place.aws.secret)
    session = SimpleNamespace(client=lambda service, endpoint_url: boto3.client(service))
    stage = Stage(names, session)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replaying, "BATCH", 2)
        quarantine_commands.retry(SimpleNamespace(obj=SimpleNamespace(open=lambda: stage)))  # type: ignore[arg-type]
    return True


def resolved(place: Place) -> dict[str, Any]:
    """What comes of the events that the bus has taken."""
    apply_handler.handle(sqs_event(*map(created, sorted(place.bus))), lambda_context())
    assert list(quarantine.waiting(place.connection)) == []
    return rows(place)


POLL, DISPATCH, REDRIVE = crash_scenarios.Poll(), crash_scenarios.Dispatch(), crash_scenarios.Redrive()
AGAIN, ROTATE = crash_scenarios.PollAgain(POLL), Rotate(POLL)
DEPLOYED = Surroundings()
WATCH, MIGRATE, CREATE = Watch(), Migrate(DEPLOYED, "0002", 60), Migrate(DEPLOYED, None, 200)

SCENARIOS: dict[str, Scenario] = {
    "webhook": Scenario(allow_webhooks, deliver, landed, webhook_handler.receiver.cache_clear, 4),
    "apply": Scenario(land, apply, rows, forget_apply, 30),
    "manifest": Scenario(nothing, make_manifest, manifests, manifest_handler._manifests.cache_clear, 1),
    "batch job": Scenario(land_with_manifests, run_job, rows_files_and_manifests, forget_job, 50),
    "etl function": Scenario(land_with_the_job, start_job, runs_and_manifests, lambda: None, 4),
    "replay": Scenario(watch_the_bus, replay, replayed, lambda: None, 3),
    "audit": Scenario(lose_a_row, audit, reported, audit_workplace.cache_clear, 18, afresh=nothing),
    "quarantine retry": Scenario(refuse, retry, resolved, forget_apply, 9),
    "dispatcher": Scenario(DISPATCH.prepare, DISPATCH.work, DISPATCH.state, DISPATCH.forget, DISPATCH.at_least),
    "poller": Scenario(POLL.prepare, POLL.work, POLL.state, POLL.forget, POLL.at_least),
    "poller, again": Scenario(AGAIN.prepare, AGAIN.work, AGAIN.state, AGAIN.forget, AGAIN.at_least),
    "rotate": Scenario(ROTATE.prepare, ROTATE.work, ROTATE.state, ROTATE.forget, ROTATE.at_least),
    "watch": Scenario(WATCH.prepare, WATCH.work, WATCH.state, WATCH.forget, WATCH.at_least, WATCH.afresh),
    "migrate": Scenario(MIGRATE.prepare, MIGRATE.work, MIGRATE.state, MIGRATE.forget, MIGRATE.at_least, MIGRATE.afresh),
    "migrate, at first": Scenario(
        CREATE.prepare, CREATE.work, CREATE.state, CREATE.forget, CREATE.at_least, CREATE.afresh, "postgresql commit"
    ),
    "redrive": Scenario(REDRIVE.prepare, REDRIVE.work, REDRIVE.state, REDRIVE.forget, REDRIVE.at_least),
}


@contextmanager
def place(database: str) -> Iterator[Place]:
    with psycopg.connect(database, autocommit=True) as connection, storing_aws(database) as aws:
        connection.execute(f"TRUNCATE {', '.join(f'hotel.{table}' for table in TABLES.values())}")
        yield Place(aws, connection, set(), set(), [])


@contextmanager
def prepared(scenario: Scenario, database: str) -> Iterator[Place]:
    with place(database) as where:
        scenario.prepare(where)
        yield where


def run(scenario: Scenario, where: Place, at: int = 0, fault: Fault = FAULTS[0]) -> tuple[Any, list[str]]:
    """The state in the end, and the calls that were made."""
    scenario.forget()
    with crash_points() as points:
        points.plan(at, fault)

        def work() -> bool:
            try:
                return scenario.work(where)
            except BaseException:
                scenario.forget()
                raise

        until_done(points, work)
        calls, struck = list(points.calls), points.struck
        points.restart()
    assert struck or not at
    scenario.forget()
    return scenario.state(where), calls


@pytest.fixture(scope="module", autouse=True)
def vendor() -> Iterator[None]:
    with POLL.served(), DEPLOYED.served():
        yield


@pytest.fixture(autouse=True)
def clients() -> Iterator[None]:
    with kept_clients(fresh_session()):
        yield


@pytest.mark.parametrize("name", SCENARIOS)
def test_at_every_call_every_fault_ends_as_the_undisturbed_run(name, database, record_property) -> None:
    signed_at.cache_clear()
    scenario = SCENARIOS[name]
    with ExitStack() as kept:
        shared = kept.enter_context(prepared(scenario, database)) if scenario.afresh else None

        def run_at(at: int = 0, fault: Fault = FAULTS[0]) -> tuple[Any, list[str]]:
            with nullcontext(shared) if shared else prepared(scenario, database) as where:
                if scenario.afresh:
                    scenario.afresh(where)
                return run(scenario, where, at, fault)

        wanted, calls = run_at()
        assert len(calls) >= scenario.at_least
        struck = [at for at, call in enumerate(calls, 1) if call.startswith(scenario.strikes)]
        points = [(at, fault) for at in struck for fault in FAULTS]
        failed = []
        for at, fault in points:
            try:
                found, _ = run_at(at, fault)
            except AssertionError as error:
                failed.append(f"{fault.name} at {at} ({calls[at - 1]}): {error}")
                continue
            if found != wanted:
                failed.append(f"{fault.name} at {at} ({calls[at - 1]}): another end")
    record_property("points", len(points))
    print(f"{name}: {len(struck)} of {len(calls)} calls, {len(points)} points")
    assert failed == []
