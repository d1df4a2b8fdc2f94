"""The operator's commands against real queues, tables, buckets and PostgreSQL (the embedded ones)."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from scripts.cli.app import app
from scripts.cli.stage import Options, Stage
from scripts.cli.waiting import Patience
from scripts.local.embedded_aws import EmbeddedAws
from scripts.local.environment import ROOT
from shared.hotel_secrets import WebhookSecret
from shared.model.mapping import Refusal
from shared.names import LIVE_ALIAS, Names, webhook_secret_name
from shared.pipeline import rotation_orders
from shared.pipeline.cursors import Cursor
from shared.pipeline.manifest import Manifest, ObjectAddress
from shared.pipeline.poll_orders import decode
from shared.pipeline.sync_runs import SyncRun
from shared.storage import postgres, quarantine
from shared.storage.integrations import Integration
from shared.storage.manifests import Manifests
from shared.storage.raw_lake import RawLake
from shared.storage.sync_state import Cursors, SyncRuns
from shared.streams import Stream

NAMES = Names("local")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "hostpms/PT-LIS-001/polling/booking/2026/03/01/run-00001.ndjson.gz"
BOOKINGS = Stream("hostpms", "PT-LIS-001", "booking")


@dataclass
class Operator:
    endpoint: str
    stage: Stage

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["--endpoint-url", self.endpoint, *arguments])

    def client(self, service: str) -> Any:
        return self.stage.client(service)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """Not the session's: the stage's names are taken here."""
    server = EmbeddedAws(tmp_path_factory.mktemp("aws"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def operator(aws: EmbeddedAws, database: str) -> Operator:
    """On a stage with its buckets, tables, queues and secret, and no function behind them."""
    operator = Operator(aws.endpoint, Options(endpoint_url=aws.endpoint).open())
    for bucket in (NAMES.raw_bucket, NAMES.work_bucket):
        operator.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
    for queue in NAMES.queues:
        operator.client("sqs").create_queue(QueueName=queue)
        operator.client("sqs").create_queue(QueueName=NAMES.dead_letters_of(queue))
    _make_table(operator, NAMES.integrations_table, "property_id", "vendor")
    _make_table(operator, NAMES.sync_state_table, "pk", "sk")
    _make_table(operator, NAMES.hotel_secrets_table, "name")
    _put_database_secret(operator, database)
    return operator


def _make_table(operator: Operator, name: str, *keys: str) -> None:
    operator.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
    )


def _put_database_secret(operator: Operator, dsn: str) -> None:
    fields = conninfo_to_dict(dsn)
    secret = {name: fields[name] for name in ("host", "port", "dbname", "password")}
    text = json.dumps({**secret, "username": fields["user"], "sslmode": "disable"})
    operator.client("secretsmanager").create_secret(Name=NAMES.database_secret, SecretString=text)


@pytest.fixture
def lisbon(operator: Operator) -> Iterator[Integration]:
    hotel = Integration(
        property_id="PT-LIS-001",
        vendor="hostpms",
        time_zone="Europe/Lisbon",
        base_url="https://api.hostpms.example/v3",
        entities=("booking", "room"),
    )
    operator.stage.integrations.put(hotel)
    yield hotel
    operator.stage.table(NAMES.integrations_table).delete_item(Key={"property_id": "PT-LIS-001", "vendor": "hostpms"})


@pytest.fixture
def quarantined(operator: Operator, database: str) -> Iterator[str]:
    """The key of a raw object whose second record was refused."""
    RawLake(NAMES.raw_bucket, operator.client("s3")).put(KEY, b"{}\n{}\n")
    refusal = Refusal("hostpms", "PT-LIS-001", "booking", "total_negative", "total_amount", KEY, 1, 1)
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        quarantine.record(cursor, [refusal])
    yield KEY
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM hotel.quarantine")


@pytest.fixture(autouse=True)
def empty_queues(operator: Operator) -> Iterator[None]:
    """Each test finds them so, whichever ran before."""
    yield
    for queue in NAMES.queues:
        for name in (queue, NAMES.dead_letters_of(queue)):
            operator.client("sqs").purge_queue(
                QueueUrl=operator.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
            )


@pytest.fixture
def messages(operator: Operator) -> Callable[[str], list[str]]:
    """What waits in a queue, taken out."""

    def take(queue: str) -> list[str]:
        url = operator.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
        bodies = []
        while found := operator.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                operator.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                bodies.append(message["Body"])
        return bodies

    return take


def send(operator: Operator, queue: str, body: str) -> None:
    url = operator.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
    operator.client("sqs").send_message(QueueUrl=url, MessageBody=body)


def test_a_poll_orders_every_entity_of_every_active_hotel(
    operator: Operator, lisbon: Integration, messages: Callable[[str], list[str]]
) -> None:
    result = operator.run("poll")

    assert result.exit_code == 0, result.stderr
    assert {decode(body).stream for body in messages(NAMES.poll_queue)} == set(lisbon.streams)


def test_a_poll_can_be_of_one_entity_alone(
    operator: Operator, lisbon: Integration, messages: Callable[[str], list[str]]
) -> None:
    operator.run("poll", "--property-id", "PT-LIS-001", "--entity", "room")

    assert [decode(body).entity for body in messages(NAMES.poll_queue)] == ["room"]


def test_a_poll_of_an_unknown_hotel_orders_nothing(operator: Operator, lisbon: Integration) -> None:
    result = operator.run("poll", "--property-id", "PT-LIS-0001")

    assert result.exit_code == 1
    assert "no active hotel" in result.stderr


def test_a_waiting_poll_shows_the_runs_that_ended_and_fails_with_one(
    operator: Operator, lisbon: Integration, messages: Callable[[str], list[str]]
) -> None:
    runs = SyncRuns(operator.stage.table(NAMES.sync_state_table), lambda: NOW)
    later = datetime(2100, 1, 1, tzinfo=UTC)
    for stream, status in zip(lisbon.streams, ("succeeded", "failed"), strict=True):
        runs.save(SyncRun(**stream._asdict(), run_id="r1", started_at=later, finished_at=later, status=status))

    result = operator.run("poll", "--wait", "--timeout", "5")

    assert result.exit_code == 1
    assert "succeeded" in result.stdout
    assert "failed" in result.stdout
    for run in (runs.last_run(*stream) for stream in lisbon.streams):
        assert run
        key = {"pk": "hostpms#PT-LIS-001", "sk": f"run#{run.entity}#2100-01-01T00:00:00.000000Z#r1"}
        operator.stage.table(NAMES.sync_state_table).delete_item(Key=key)


def test_a_paused_hotel_is_polled_no_more_until_it_is_resumed(operator: Operator, lisbon: Integration) -> None:
    hotel = ("--vendor", lisbon.vendor, "--property-id", lisbon.property_id)

    assert operator.run("pause", *hotel).exit_code == 0
    assert operator.run("poll", "--property-id", lisbon.property_id).exit_code == 1

    assert operator.run("resume", *hotel).exit_code == 0
    assert operator.run("poll", "--property-id", lisbon.property_id).exit_code == 0


def test_migrating_twice_is_as_good_as_once(operator: Operator) -> None:
    assert operator.run("migrate").exit_code == 0
    result = operator.run("migrate")

    assert result.exit_code == 0
    assert "up to date" in result.stderr


# -- Readers -------------------------------------------------------------------------------------------


@pytest.fixture
def porto(operator: Operator) -> Iterator[str]:
    """A property id that two vendors use."""
    for vendor in ("hostpms", "otherpms"):
        item = Integration(property_id="PT-OPO-002", vendor=vendor, time_zone="UTC", base_url="https://x", entities=())
        operator.stage.integrations.put(item)
    yield "PT-OPO-002"
    for vendor in ("hostpms", "otherpms"):
        key = {"property_id": "PT-OPO-002", "vendor": vendor}
        operator.stage.table(NAMES.integrations_table).delete_item(Key=key)


@pytest.fixture
def of_two_hotels(quarantined: str, database: str) -> None:
    """Beside Lisbon's refusal one of Porto's."""
    refusal = Refusal("hostpms", "PT-OPO-002", "booking", "total_negative", "total_amount", f"{KEY}.of-porto", 1, 1)
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        quarantine.record(cursor, [refusal])


@pytest.fixture
def added(operator: Operator, lisbon: Integration, of_two_hotels: None) -> Iterator[Result]:
    yield operator.run("database", "reader", "add", "lisbon-bi", "--hotel", "PT-LIS-001")
    assert operator.run("database", "reader", "remove", "lisbon-bi").exit_code == 0


def credentials(operator: Operator, name: str = "lisbon-bi") -> str:
    secret = operator.client("secretsmanager").get_secret_value(SecretId=NAMES.reader_secret(name))
    return str(secret["SecretString"])


def hotels_seen(operator: Operator) -> set[str]:
    with psycopg.connect(postgres.conninfo(credentials(operator))) as connection:
        return {hotel for (hotel,) in connection.execute("SELECT hotel_id FROM hotel.quarantine").fetchall()}


def test_a_reader_logs_in_with_its_secret_and_sees_its_hotel(operator: Operator, added: Result) -> None:
    assert added.exit_code == 0, added.stderr
    assert added.stdout == "pousada/local/database/readers/lisbon-bi\n"
    assert hotels_seen(operator) == {"PT-LIS-001"}


def test_no_output_shows_a_readers_password(operator: Operator, added: Result) -> None:
    password = json.loads(credentials(operator))["password"]
    again = ("database", "reader", "add", "lisbon-bi", "--hotel", "hostpms/PT-LIS-001")
    results = [operator.run("database", "reader", "list"), operator.run("database", "reader", "list", "--json")]
    results += [added, operator.run(*again), operator.run(*again, "--json"), operator.run("--debug", *again)]

    assert len(password) >= 32
    assert [result.exit_code for result in results] == [0] * len(results)
    assert all(password not in result.output for result in results)
    listed = json.loads(results[1].stdout)
    assert listed.pop("role").endswith(".lisbon-bi")
    assert listed == {"name": "lisbon-bi", "secret": NAMES.reader_secret("lisbon-bi"), "hotels": ["hostpms/PT-LIS-001"]}
    assert json.loads(results[4].stdout)["secret"] == listed["secret"]


def test_added_again_a_reader_has_the_hotels_named_now_and_its_password(
    operator: Operator, added: Result, porto: str
) -> None:
    before = credentials(operator)

    result = operator.run("database", "reader", "add", "lisbon-bi", "--hotel", f"hostpms/{porto}")

    assert result.exit_code == 0, result.stderr
    assert credentials(operator) == before
    assert hotels_seen(operator) == {porto}


def test_a_rotated_password_shuts_out_who_has_the_old_one(operator: Operator, added: Result) -> None:
    before = credentials(operator)

    assert operator.run("database", "reader", "add", "lisbon-bi", "--hotel", "PT-LIS-001", "--rotate").exit_code == 0

    assert hotels_seen(operator) == {"PT-LIS-001"}
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres.conninfo(before))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lisbon-bi", "--hotel", "PT-LIS-0001"), "no hotel PT-LIS-0001 is onboarded"),
        (("lisbon-bi", "--hotel", "PT-OPO-002"), "hostpms/PT-OPO-002, otherpms/PT-OPO-002"),
        (("../database", "--hotel", "hostpms/PT-OPO-002"), "a reader's name begins with"),
        (('x"; DROP ROLE pousada; --', "--hotel", "hostpms/PT-OPO-002"), "a reader's name begins with"),
    ],
)
def test_a_hotel_nobody_knows_and_a_name_that_is_none_are_refused(
    operator: Operator, lisbon: Integration, porto: str, arguments: tuple[str, ...], said: str
) -> None:
    result = operator.run("database", "reader", "add", *arguments)

    assert result.exit_code == 1
    assert said in " ".join(result.stderr.split())
    assert operator.run("database", "reader", "list", "--json").stdout == ""
    names = [secret["Name"] for secret in operator.client("secretsmanager").list_secrets()["SecretList"]]
    assert names == [NAMES.database_secret]


def test_removed_a_reader_is_out_and_may_come_again(operator: Operator, added: Result) -> None:
    before = credentials(operator)

    results = [operator.run("database", "reader", "remove", "lisbon-bi") for _ in range(2)]

    assert [result.exit_code for result in results] == [0, 0]
    assert "there is no reader" in results[1].stderr
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres.conninfo(before))
    with pytest.raises(operator.client("secretsmanager").exceptions.ResourceNotFoundException):
        credentials(operator)
    assert operator.run("database", "reader", "add", "lisbon-bi", "--hotel", "PT-LIS-001").exit_code == 0
    assert hotels_seen(operator) == {"PT-LIS-001"}


def test_dead_letters_are_listed_and_sent_back(operator: Operator, messages: Callable[[str], list[str]]) -> None:
    event = json.dumps(
        {"time": "2026-03-01T10:30:00Z", "detail": {"bucket": {"name": "raw"}, "object": {"key": KEY, "size": 1}}}
    )
    send(operator, NAMES.dead_letters_of(NAMES.live_queue), event)

    listed = operator.run("dead-letters", "list", "live")
    assert KEY in listed.stdout
    assert "1 dead letters" in listed.stderr

    other = operator.run("dead-letters", "redrive", "poll")
    assert (other.exit_code, other.stderr) == (0, "")
    assert messages(NAMES.live_queue) == []


def test_a_redrive_brings_the_message_back_as_it_was(operator: Operator, messages: Callable[[str], list[str]]) -> None:
    send(operator, NAMES.dead_letters_of(NAMES.batch_queue), '{"detail": 1}')

    result = operator.run("dead-letters", "redrive")

    assert result.exit_code == 0, result.stderr
    assert messages(NAMES.batch_queue) == ['{"detail": 1}']
    assert messages(NAMES.dead_letters_of(NAMES.batch_queue)) == []


def test_a_quarantined_record_is_listed_without_its_content(operator: Operator, quarantined: str) -> None:
    shown = operator.run("quarantine", "list")
    (record,) = (json.loads(line) for line in operator.run("quarantine", "list", "--json").stdout.splitlines())

    assert "total_negative" in shown.stdout
    assert (record["raw_key"], record["raw_line"], record["field"]) == (quarantined, 1, "total_amount")
    assert operator.run("quarantine", "list", "--reason", "another").stdout == ""


def test_a_retry_replays_the_raw_object_of_what_waits(
    operator: Operator, quarantined: str, messages: Callable[[str], list[str]]
) -> None:
    _send_replays_to(operator, NAMES.live_queue)

    dry = operator.run("quarantine", "retry", "--dry-run")
    assert dry.stdout.split() == [quarantined]

    result = operator.run("quarantine", "retry")

    assert result.exit_code == 0, result.stderr
    (body,) = messages(NAMES.live_queue)
    detail = json.loads(body)["detail"]
    assert detail["object"]["key"] == quarantined
    assert detail["object"]["size"] > 0


def _send_replays_to(operator: Operator, queue: str) -> None:
    events, sqs = operator.client("events"), operator.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="replays", EventPattern=json.dumps({"source": ["pousada.replay"]}))
    events.put_targets(Rule="replays", Targets=[{"Id": "queue", "Arn": arn}])


def test_a_dry_replay_lists_keys_and_sends_nothing(
    operator: Operator, quarantined: str, messages: Callable[[str], list[str]]
) -> None:
    result = operator.run("replay", "--prefix", "hostpms/PT-LIS-001/", "--dry-run")

    assert result.stdout.split() == [quarantined]
    assert operator.run("replay", "--prefix", "hostpms/", "--since", "2026-03-02", "--dry-run").stdout == ""
    assert operator.run("replay", "--prefix", "hostpms/", "--until", "2026-02-28", "--dry-run").stdout == ""
    day = ("--since", "2026-03-01", "--until", "2026-03-01")
    assert operator.run("replay", "--prefix", "hostpms/", *day, "--dry-run").stdout.split() == [quarantined]
    assert messages(NAMES.live_queue) == []


def test_status_tells_how_each_stream_and_queue_stands(
    operator: Operator, lisbon: Integration, quarantined: str, messages: Callable[[str], list[str]]
) -> None:
    table = operator.stage.table(NAMES.sync_state_table)
    run = SyncRun(**BOOKINGS._asdict(), run_id="r1", started_at=NOW, finished_at=NOW, status="succeeded", fetched=7)
    SyncRuns(table, lambda: NOW).save(run)
    Cursors(table).advance(BOOKINGS, Cursor(NOW))
    send(operator, NAMES.dead_letters_of(NAMES.poll_queue), "{}")
    operator.client("s3").put_object(Bucket=NAMES.work_bucket, Key="manifests/pending/a.json", Body=b"{}")

    report = json.loads(operator.run("status", "--json").stdout)

    by_entity = {stream["entity"]: stream for stream in report["streams"]}
    assert by_entity["booking"]["last_run"]["fetched"] == 7
    assert by_entity["booking"]["cursor"] == "2026-03-01T12:00:00Z"
    assert (by_entity["booking"]["rows"], by_entity["booking"]["quarantined"]) == (0, 1)
    assert (by_entity["room"]["last_run"], by_entity["room"]["quarantined"]) == (None, 0)
    assert {queue["queue"]: queue["dead_letters"] for queue in report["queues"]}[NAMES.poll_queue] == 1
    assert (report["pending_manifests"], report["quarantined"]) == (1, 1)

    shown = operator.run("status").stdout
    assert "PT-LIS-001" in shown
    assert NAMES.live_queue in shown
    operator.client("s3").delete_object(Bucket=NAMES.work_bucket, Key="manifests/pending/a.json")


def test_status_without_postgresql_shows_the_rest(
    operator: Operator, lisbon: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("no route to host")

    monkeypatch.setattr(psycopg, "connect", unreachable)

    result = operator.run("status", "--json")

    assert result.exit_code == 0
    assert "PostgreSQL cannot be asked" in result.stderr
    report = json.loads(result.stdout)
    assert {stream["rows"] for stream in report["streams"]} == {None}
    assert [queue["queue"] for queue in report["queues"]] == list(NAMES.queues)


def test_etl_has_nothing_to_do_where_nothing_is_pending(operator: Operator) -> None:
    result = operator.run("etl")

    assert result.exit_code == 0
    assert "nothing is pending" in result.stderr


@pytest.fixture(scope="module")
def etl_function(operator: Operator) -> None:
    """The function itself, which is to have the Glue job do everything."""
    environment = {
        "RAW_BUCKET": NAMES.raw_bucket,
        "PROCESSED_BUCKET": NAMES.processed_bucket,
        "WORK_BUCKET": NAMES.work_bucket,
        "INTEGRATIONS_TABLE": NAMES.integrations_table,
        "DATABASE": json.dumps({"secret": NAMES.database_secret}),
        "SMALL_BATCH_BYTES": "0",
        "GLUE_JOB": NAMES.glue_job,
    }
    operator.client("lambda").create_function(
        FunctionName=NAMES.function("etl"),
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="lambdas.etl.handler.handle",
        Code={"ZipFile": _code("shared", "glue_jobs", "lambdas")},
        Environment={"Variables": environment},
        Timeout=60,
        Publish=True,
    )
    operator.client("lambda").create_alias(FunctionName=NAMES.function("etl"), Name=LIVE_ALIAS, FunctionVersion="1")


def _code(*packages: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for source in (path for package in packages for path in (ROOT / package).rglob("*.py")):
            zipped.write(source, source.relative_to(ROOT))
    return archive.getvalue()


@pytest.fixture
def pending_manifest(operator: Operator) -> Iterator[str]:
    manifest = Manifest("20260301T120000Z-0123456789abcdef", NOW, (ObjectAddress(KEY, 1),))
    key = Manifests(NAMES.work_bucket, operator.client("s3")).add(manifest)
    yield key
    operator.client("s3").delete_object(Bucket=NAMES.work_bucket, Key=key)


@contextmanager
def job(operator: Operator, script: str) -> Iterator[None]:
    """The Glue job, which does what ``script`` says."""
    operator.client("s3").put_object(Bucket=NAMES.work_bucket, Key="job.py", Body=script.encode())
    command = {"Name": "pythonshell", "ScriptLocation": f"s3://{NAMES.work_bucket}/job.py"}
    operator.client("glue").create_job(Name=NAMES.glue_job, Role="any", Command=command)
    yield
    operator.client("glue").delete_job(JobName=NAMES.glue_job)


@pytest.mark.parametrize(
    ("script", "exit_code", "said"),
    [
        ("print('done')", 0, "succeeded"),
        ("import sys; print('manifest a.json: bucket missing', file=sys.stderr); sys.exit(1)", 1, "bucket missing"),
    ],
)
@pytest.mark.usefixtures("etl_function", "pending_manifest")
def test_etl_waits_for_the_job_and_tells_how_it_ended(
    operator: Operator, script: str, exit_code: int, said: str
) -> None:
    with job(operator, script):
        result = operator.run("etl", "--wait", "--timeout", "120")

    assert result.exit_code == exit_code, result.stderr
    assert said in result.stderr


@pytest.mark.usefixtures("etl_function", "pending_manifest")
def test_etl_beside_a_run_of_the_job_says_that_the_batches_are_being_done(operator: Operator, tmp_path: Path) -> None:
    at_work = tmp_path / "at-work"
    at_work.touch()
    wait = f"import pathlib, time\nwhile pathlib.Path({str(at_work)!r}).exists(): time.sleep(0.05)"

    with job(operator, wait):
        try:
            first = operator.run("etl")
            again = operator.run("etl", "--wait")
        finally:
            at_work.unlink()
        runs = operator.client("glue").get_job_runs(JobName=NAMES.glue_job)["JobRuns"]
        Patience(120, 0.1).until(lambda: ended(operator, runs[-1]["Id"]), "the run's end")

    assert first.exit_code == 0, first.stderr
    assert f"run {runs[-1]['Id']}" in first.stderr
    assert again.exit_code == 1
    assert "being done already" in again.stderr


def ended(operator: Operator, run: str) -> bool:
    state = operator.client("glue").get_job_run(JobName=NAMES.glue_job, RunId=run)["JobRun"]["JobRunState"]
    return bool(state == "SUCCEEDED")


@pytest.mark.usefixtures("etl_function")
def test_etl_tells_what_the_function_fails_by(operator: Operator) -> None:
    operator.client("s3").put_object(Bucket=NAMES.work_bucket, Key="manifests/pending/a.json", Body=b"{}")

    with job(operator, "print('done')"):
        result = operator.run("etl", "--wait")

    operator.client("s3").delete_object(Bucket=NAMES.work_bucket, Key="manifests/pending/a.json")
    assert result.exit_code == 1
    assert "not a manifest" in result.stderr


def test_secrets_are_listed_by_age_and_ordered_to_be_rotated_and_never_shown(
    operator: Operator, lisbon: Integration, messages: Callable[[str], list[str]]
) -> None:
    name = webhook_secret_name("hostpms", lisbon.property_id)
    operator.stage.hotel_secrets.write(name, WebhookSecret("a-value-of-a-secret", next="the-next-value"))

    listed = operator.run("secrets", "list", "--json")
    assert [(row["kind"], row["days"], row["rotation"]) for row in map(json.loads, listed.stdout.splitlines())] == [
        ("oauth-credentials", None, ""),
        ("webhook-secret", 0.0, "at work"),
    ]
    for result in (listed, operator.run("secrets", "list")):
        assert result.exit_code == 0
        assert "value" not in result.stdout + result.stderr

    where = ("--vendor", "hostpms", "--property-id", lisbon.property_id)
    refused = operator.run("secrets", "rotate", *where)
    assert (refused.exit_code, "is not subscribed" in refused.stderr) == (1, True)

    operator.stage.integrations.set_subscription(lisbon.property_id, "hostpms", "SUB-1")
    assert operator.run("secrets", "rotate", *where, "--forget-previous").exit_code == 0
    (order,) = map(rotation_orders.decode, messages(NAMES.rotate_queue))
    assert isinstance(order, rotation_orders.HotelRotation)
    assert (order.property_id, order.forget_previous) == (lisbon.property_id, True)
    operator.stage.hotel_secrets.delete(name)


def test_a_stage_that_is_not_deployed_says_so(operator: Operator) -> None:
    result = operator.run("send", "--vendor", "hostpms", "--property-id", "PT-X", "--event", "guest.created", __file__)

    assert result.exit_code == 1
    assert "not onboarded" in result.stderr
