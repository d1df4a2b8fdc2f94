"""The function etl against the Glue job on Spark: the same rows, the same files, the same manifests.

Also as it is deployed: on the packages of its layers, without what is pruned of them and with nothing besides.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import psycopg
import pytest

from glue_jobs import batch, etl, upsert
from glue_jobs.cluster import distribute
from infra.packages import ARROW, LAYER
from lambdas.etl import handler, telemetry
from scripts.local import environment
from scripts.simulators.hostpms.bulk import reservations
from shared.model.columns import TABLES
from shared.pipeline.manifest import ObjectAddress, RawEvent, manifest_of
from shared.settings import read
from shared.storage.manifests import Manifests
from tests import packages
from tests.deliveries import lambda_context
from tests.factories import GIVEN, envelope, minutes, page_key, record, webhook_key
from tests.integration.storing_aws import Resources
from tests.integration.test_two_paths import text_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from scripts.local.embedded_aws import EmbeddedAws

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics")

RESOURCES = Resources("pousada-etl-function-test")
JOB = "pousada-etl-function-test"
MINUTES_15 = 900_000
# Of each package that a layer has pruned, something: names, codes and numbers from many places.
COUNTRIES = ("PT", "Deutschland", "Germany", "BRA", "Côte d'Ivoire", "Viet Nam", "nowhere")
PHONES = ("+351912345678", "912 345 678", "+49 30 901820", "+8613800138000", "00442079460000", "12")
CURRENCIES = ("EUR", "JPY", "KWD", "XXX", "euro")


class End(NamedTuple):
    """Everything that a batch leaves."""

    rows: dict[str, list[dict[str, Any]]]
    files: dict[str, bytes]
    manifests: dict[str, bytes]


@pytest.fixture
def aws(aws_environment: EmbeddedAws, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedAws]:
    # A session remembers the endpoint of the environment it was made in.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for made in (batch._raw_lake, batch._processed_lake, upsert._store, batch._s3):
        made.cache_clear()
    for name, value in variables().items():
        monkeypatch.setenv(name, value)
    if RESOURCES.raw not in {bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]}:
        RESOURCES.make(database)
        boto3.client("glue").create_job(Name=JOB, Role="any", Command={"Name": "glueetl", "ScriptLocation": "s3://x/y"})
    yield aws_environment
    upsert._store.cache_clear()


def variables() -> dict[str, str]:
    return {**RESOURCES.environment, "GLUE_JOB": JOB, "SMALL_BATCH_BYTES": str(2**20)}


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def hour(aws: EmbeddedAws, connection: psycopg.Connection[Any]) -> Iterator[Callable[[], None]]:
    """Makes everything as before the batches are done: raw objects landed, two manifests pending, all else empty."""
    sizes = {key: land(key, lines) for key, lines in raw_objects().items()}

    def begin() -> None:
        connection.execute(f"TRUNCATE {', '.join(f'hotel.{table}' for table in TABLES.values())}")
        empty(RESOURCES.processed, RESOURCES.work)
        for number, keys in enumerate((list(sizes)[:2], list(sizes)[2:])):
            make_pending([ObjectAddress(key, sizes[key]) for key in keys], number)

    yield begin
    empty(RESOURCES.raw, RESOURCES.processed, RESOURCES.work)


def raw_objects() -> dict[str, list[bytes]]:
    """An hour of every entity, with what is odd or refused among it."""
    guests = [
        record("guest", guest_id=f"G-{n}", pais=country, telefone=phone)
        for n, (country, phone) in enumerate((c, p) for c in COUNTRIES for p in PHONES)
    ]
    payments = [record("payment", payment_id=f"P-{n}", moeda=code) for n, code in enumerate(CURRENCIES)]
    changed = record("booking", status="cancelado", dates={"updated_at": "2024-03-01T11:00:00Z"})
    return {
        page_key(): [envelope(one) for one in reservations(1_500, seed=7)],
        page_key("guest"): [envelope(guest, "guest") for guest in guests],
        page_key("payment"): [*(envelope(payment, "payment") for payment in payments), b"not an envelope"],
        page_key("room"): [envelope(GIVEN["room"], "room")],
        webhook_key(): [envelope(record("booking"), None, event="reservation.created")],
        webhook_key("reservation.updated"): [envelope(changed, None, event="reservation.updated")],
    }


def land(key: str, lines: list[bytes]) -> int:
    RESOURCES.land(key, lines)
    return int(boto3.client("s3").head_object(Bucket=RESOURCES.raw, Key=key)["ContentLength"])


def make_pending(objects: list[ObjectAddress], at: float) -> None:
    bucket = RawEvent.Detail.Bucket(RESOURCES.raw)
    events = [RawEvent(minutes(at), RawEvent.Detail(bucket, address)) for address in objects]
    Manifests(RESOURCES.work, boto3.client("s3")).add(manifest_of(events))


def empty(*buckets: str) -> None:
    for bucket in buckets:
        for key in RESOURCES.files(bucket):
            boto3.client("s3").delete_object(Bucket=bucket, Key=key)


def end(connection: psycopg.Connection[Any]) -> End:
    rows = {table: text_of(connection, table) for table in TABLES.values()}
    return End(rows, RESOURCES.files(RESOURCES.processed), RESOURCES.files(RESOURCES.work))


def by_spark(spark: SparkSession) -> None:
    settings = read(etl.Settings, {**variables(), "SMALL_BATCH_BYTES": "0"})
    etl.run(settings, lambda: partial(distribute, spark.sparkContext))


def called(event: dict[str, Any] | None = None, remaining_ms: int = MINUTES_15) -> dict[str, Any]:
    return handler.handle(event or {}, lambda_context(remaining_ms))


AS_LAMBDA_DOES = """
import json
from types import SimpleNamespace
from lambdas.etl.handler import handle
import glue_jobs, numpy, phonenumbers, pyarrow, pycountry
context = SimpleNamespace(
    function_name="etl", memory_limit_in_mb=1769, invoked_function_arn="arn", aws_request_id="r",
    get_remaining_time_in_millis=lambda: 900_000,
)
answer = handle({}, context)
found = [module.__file__ for module in (glue_jobs, numpy, phonenumbers, pyarrow, pycountry)]
print(json.dumps({"answer": answer, "found": found}))
"""


def test_the_function_ends_as_the_job_on_spark_does_also_on_its_own_pruned_packages(
    hour, connection, spark, aws, tmp_path
) -> None:
    hour()
    by_spark(spark)
    wanted = end(connection)

    hour()
    answer = called()
    here = end(connection)

    hour()
    deployed = packages.unpack(tmp_path, (LAYER, ARROW), "shared", "glue_jobs", "lambdas/etl")
    powertools = {"POWERTOOLS_TRACE_DISABLED": "1", "POWERTOOLS_METRICS_NAMESPACE": "pousada/local"}
    run = deployed.run(AS_LAMBDA_DOES, **environment.aws(aws.endpoint), **variables(), **powertools)
    assert run.returncode == 0, run.stderr
    there = end(connection)

    told = json.loads(run.stdout.splitlines()[-1])
    assert told["answer"] == answer == {"stored": 1, "records": 1_551, "started": None, "at_work": None}
    assert all(Path(path).is_relative_to(tmp_path) for path in told["found"])
    assert len(wanted.rows["bookings"]) > 1_000
    assert {len(wanted.rows[table]) > 0 for table in TABLES.values()} == {True}
    for found in (here, there):
        assert found.rows == wanted.rows
        assert found.files.keys() == wanted.files.keys()
        assert found.files == wanted.files, "to the byte"
        assert found.manifests == wanted.manifests
    assert [key.split("/")[1] for key in wanted.manifests] == ["done"]


def test_what_is_above_the_limit_is_left_to_the_job_which_is_started_once(hour, connection) -> None:
    hour()

    started = called({"small_batch_bytes": 100})

    (run,) = boto3.client("glue").get_job_runs(JobName=JOB)["JobRuns"][-1:]
    assert started == {"stored": 0, "records": 0, "started": run["Id"], "at_work": None}
    assert end(connection).rows["bookings"] == []
    assert [key.split("/")[1] for key in RESOURCES.files(RESOURCES.work)] == ["pending"]


def test_a_batch_that_fails_fails_the_invocation_and_stays_pending(hour, connection) -> None:
    hour()
    boto3.client("s3").put_object(Bucket=RESOURCES.work, Key="manifests/pending/00000000.json", Body=b"not json")
    connection.execute("ALTER TABLE hotel.rooms ADD CONSTRAINT odd CHECK (number <> '201')")
    try:
        with pytest.raises(Exception, match="not a manifest"):
            called()
    finally:
        connection.execute("ALTER TABLE hotel.rooms DROP CONSTRAINT odd")
    assert [key.split("/")[1] for key in RESOURCES.files(RESOURCES.work)] == ["pending", "pending"]


def test_the_jobs_lines_are_in_the_functions_log(hour, monkeypatch) -> None:
    hour()
    stream = io.StringIO()
    monkeypatch.setattr(telemetry.logger.registered_handler, "stream", stream)

    called()

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = [line["message"] for line in lines if line["level"] == "INFO"]
    assert [line["message"] for line in told if isinstance(line, dict)] == ["stored"]
    assert told[-1] == "batches taken"
