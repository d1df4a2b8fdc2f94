"""The function watch with its real clients: S3, DynamoDB and SQS (moto). What it counts, and what it asks for."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.alarms import alarms
from infra.config import StageConfig
from lambdas.watch import handler, telemetry
from lambdas.watch.workplace import Settings, Workplace, workplace
from shared.errors import StoreUnavailable
from shared.pipeline.manifest import Manifest, ObjectAddress
from shared.pipeline.sync_runs import Status, SyncRun
from shared.settings import read
from shared.storage.integrations import Integration, Integrations
from shared.storage.manifests import Manifests
from shared.storage.raw_lake import RawLake
from shared.storage.sync_state import SharedToken, SyncRuns
from shared.streams import Stream
from tests.deliveries import lambda_context
from tests.fakes.aws_faults import Fault
from tests.integration.moto_aws import RAW_BUCKET, REGION
from tests.integration.polling_aws import INTEGRATIONS_TABLE, SYNC_STATE_TABLE, polling_aws, table

WORK_BUCKET, DEAD_LETTERS = "pousada-test-work", ("pousada-test-live-dead-letters", "pousada-test-etl-dead-letters")
HOTEL, OTHER, PAUSED = "PT-LIS-001", "PT-LIS-002", "PT-LIS-003"
SERVER = "pousada-test-database"
STAGE = StageConfig(name="local", target="local", region=REGION, vendors=("hostpms",))
(WATCH_SILENT,) = (alarm for alarm in alarms(STAGE, ["any"]) if alarm.name == "watch-silent")
EVERY_READ = {"GetObject", "ListObjectsV2", "Query", "Scan", "GetQueueUrl", "GetQueueAttributes"}


@dataclass
class Watched:
    """A stage of two active hotels and a paused one; ``later`` is how far the watch's clock is ahead."""

    stream: io.StringIO
    later: timedelta = timedelta()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.later

    def ran(self, minutes_ago: float, status: Status, entity: str = "booking", property_id: str = HOTEL) -> None:
        at = self.now - timedelta(minutes=minutes_ago)
        run = SyncRun(
            vendor="hostpms", property_id=property_id, entity=entity, run_id="r", started_at=at, status=status
        )
        SyncRuns(table(SYNC_STATE_TABLE), lambda: at).save(run)

    def land(self, key: str) -> str:
        RawLake(RAW_BUCKET, boto3.client("s3")).put(key, b"{}")
        return key

    def gauges(self, capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
        """What a pass counts, of all vendors together."""
        capsys.readouterr()
        handler.handle({}, lambda_context())
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
        alone = [line for line in lines if line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]]
        return {name: value[0] for line in alone for name, value in line.items() if isinstance(value, list)}

    def about(self, message: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["message"] == message]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    stream = io.StringIO()
    with polling_aws():
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(telemetry.logger.registered_handler, "stream", stream)
        boto3.client("s3").create_bucket(Bucket=WORK_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        for queue in DEAD_LETTERS:
            boto3.client("sqs").create_queue(QueueName=queue)
        stage = Watched(stream)
        for property_id, status in ((HOTEL, "active"), (OTHER, "active"), (PAUSED, "paused")):
            onboard(property_id, status)
        open_anew(stage, monkeypatch)
        yield stage


def open_anew(stage: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """With clients of which what has been hung on boto3's session meanwhile knows."""
    at = Workplace(read(Settings), lambda: stage.now)
    monkeypatch.setattr(handler, "workplace", lambda: at)


ENVIRONMENT = {
    "WORK_BUCKET": WORK_BUCKET,
    "DEAD_LETTER_QUEUES": ",".join(DEAD_LETTERS),
    "POLL_EVERY_MINUTES": "60",
    "WATCH_EVERY_MINUTES": "5",
    # Every hotel has its turn at every pass.
    "RAW_CYCLE_MINUTES": "5",
}


def onboard(property_id: str, status: str) -> None:
    integration = Integration(
        property_id=property_id,
        vendor="hostpms",
        status=status,  # type: ignore[arg-type]
        time_zone="Europe/Lisbon",
        base_url="https://api.example.com/v3",
        entities=("booking", "guest"),
        onboarded_at=datetime.now(UTC) - timedelta(days=1),
    )
    Integrations(table(INTEGRATIONS_TABLE)).put(integration)


@pytest.fixture
def well(watched: Watched) -> Watched:
    """Every list was polled ten minutes ago."""
    for property_id in (HOTEL, OTHER):
        for entity in ("booking", "guest"):
            watched.ran(10, "succeeded", entity, property_id)
    return watched


@pytest.fixture
def on_rds(well: Watched, monkeypatch: pytest.MonkeyPatch) -> Watched:
    boto3.client("rds").create_db_instance(
        DBInstanceIdentifier=SERVER, DBInstanceClass="db.t4g.small", Engine="postgres", AllocatedStorage=20
    )
    monkeypatch.setenv("DATABASE_INSTANCE", SERVER)
    open_anew(well, monkeypatch)
    return well


def test_where_all_is_well_every_gauge_is_counted_and_is_nought(well: Watched, capsys) -> None:
    assert well.gauges(capsys) == {
        "WatchedHotels": 2,
        "IntegrationsDown": 0,
        "PollsFailingInARow": 0,
        "SyncFailurePercent": 0,
        "SyncLagMinutes": 0,
        "DeadLetters": 0,
        "OldestPendingManifestMinutes": 0,
        "RawObjectsUnbatched": 0,
    }
    assert [line["level"] for line in map(json.loads, well.stream.getvalue().splitlines())] == []


def test_a_stage_without_a_hotel_is_watched_all_the_same(watched: Watched, capsys) -> None:
    for property_id in (HOTEL, OTHER):
        Integrations(table(INTEGRATIONS_TABLE)).set_status(property_id, "hostpms", "paused")
    assert watched.gauges(capsys)["WatchedHotels"] == 0


def test_a_list_that_fails_is_counted_and_its_hotel_is_not_down(well: Watched, capsys) -> None:
    for minutes_ago in (6, 7, 8):
        well.ran(minutes_ago, "failed")
    gauges = well.gauges(capsys)
    assert (gauges["PollsFailingInARow"], gauges["SyncFailurePercent"], gauges["IntegrationsDown"]) == (3, 25, 0)


def test_a_hotel_of_which_nothing_comes_is_down_until_a_delivery_lands(well: Watched, capsys) -> None:
    for entity in ("booking", "guest"):
        well.ran(6, "failed", entity)
    assert well.gauges(capsys)["IntegrationsDown"] == 1
    assert [line["property_id"] for line in well.about("integration down")] == [HOTEL]

    well.land(f"hostpms/{HOTEL}/webhooks/reservation.updated/{datetime.now(UTC):%Y/%m/%d}/1-a.json")
    assert well.gauges(capsys)["IntegrationsDown"] == 0


def test_lag_is_that_of_the_list_that_is_furthest_behind(well: Watched, capsys) -> None:
    well.later = timedelta(minutes=50 + 125)
    assert 125 <= well.gauges(capsys)["SyncLagMinutes"] < 126


def test_an_integration_that_cannot_be_read_is_down_and_hides_no_other(well: Watched, capsys) -> None:
    table(INTEGRATIONS_TABLE).put_item(Item={"property_id": "PT-BAD", "vendor": "hostpms", "status": "active"})
    gauges = well.gauges(capsys)
    assert (gauges["WatchedHotels"], gauges["IntegrationsDown"]) == (2, 1)
    assert "PT-BAD" in well.about("an integration cannot be read")[0]["cause"]


def test_each_vendor_has_its_own_gauges(well: Watched, capsys) -> None:
    handler.handle({}, lambda_context())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    (of_vendor,) = [line for line in lines if "vendor" in line]
    assert (of_vendor["vendor"], of_vendor["PollsFailingInARow"]) == ("hostpms", [0.0])


def test_dead_letters_of_all_queues_are_counted_also_while_somebody_looks_at_them(well: Watched, capsys) -> None:
    for queue in DEAD_LETTERS:
        url = boto3.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
        boto3.client("sqs").send_message(QueueUrl=url, MessageBody="marker@example.pt")
    boto3.client("sqs").receive_message(QueueUrl=url)
    assert well.gauges(capsys)["DeadLetters"] == 2
    assert [(line["queue"], line["count"]) for line in well.about("dead letters")] == [(q, 1) for q in DEAD_LETTERS]
    assert "marker" not in well.stream.getvalue()


def test_a_batch_that_waits_is_counted_from_when_its_objects_were_announced(well: Watched, capsys) -> None:
    manifests = Manifests(WORK_BUCKET, boto3.client("s3"))
    for minutes_ago in (30, 150):
        at = well.now - timedelta(minutes=minutes_ago)
        manifests.add(Manifest(f"{at:%Y%m%dT%H%M%SZ}-x", at, (ObjectAddress("key", 1),)))
    boto3.client("s3").put_object(Bucket=WORK_BUCKET, Key="manifests/pending/00-not-one.json", Body=b"x")
    assert 150 <= well.gauges(capsys)["OldestPendingManifestMinutes"] < 151


@pytest.mark.parametrize("property_id", [HOTEL, PAUSED, "PT-GONE"])
def test_a_raw_object_in_no_manifest_is_found_whose_ever_it_is(well: Watched, capsys, property_id: str) -> None:
    day = f"{datetime.now(UTC):%Y/%m/%d}"
    lost, batched = (well.land(f"hostpms/{property_id}/polling/room/{day}/run-{n}.ndjson.gz") for n in (1, 2))
    Manifests(WORK_BUCKET, boto3.client("s3")).finish(
        Manifest(f"{well.now:%Y%m%dT%H%M%SZ}-x", well.now, (ObjectAddress(batched, 1),))
    )
    assert well.gauges(capsys)["RawObjectsUnbatched"] == 0

    well.later = timedelta(hours=2, minutes=1)
    assert well.gauges(capsys)["RawObjectsUnbatched"] == 1
    assert [line["raw_key"] for line in well.about("in no manifest")] == [lost]


def test_it_changes_nothing_and_asks_for_no_object_s_content_but_manifests(well: Watched, capsys, monkeypatch) -> None:
    called: list[tuple[str, str]] = []
    events = boto3._get_default_session().events
    events.register("before-call", lambda model, params, **_: called.append((model.name, params["url_path"])))
    open_anew(well, monkeypatch)
    well.land(f"hostpms/{HOTEL}/polling/room/{datetime.now(UTC):%Y/%m/%d}/run-1.ndjson.gz")
    at = well.now
    Manifests(WORK_BUCKET, boto3.client("s3")).add(Manifest(f"{at:%Y%m%dT%H%M%SZ}-x", at, (ObjectAddress("key", 1),)))
    well.later, called[:] = timedelta(hours=2, minutes=1), []

    assert well.gauges(capsys)["RawObjectsUnbatched"] == 1
    assert {name for name, _ in called} == EVERY_READ
    assert all("manifests/" in path for name, path in called if name == "GetObject")


def test_of_the_sync_state_it_asks_for_no_token(well: Watched, capsys) -> None:
    SharedToken(table(SYNC_STATE_TABLE), "hostpms", HOTEL).save("MARKER", well.now, well.now + timedelta(hours=1))
    asked: list[dict[str, Any]] = []
    boto3._get_default_session().events.register(
        "before-call.dynamodb.Query", lambda params, **_: asked.append(json.loads(params["body"]))
    )
    runs = SyncRuns(table(SYNC_STATE_TABLE), lambda: well.now)
    assert [run.status for run in runs.newest(Stream("hostpms", HOTEL, "booking"), 5)] == ["succeeded"]
    assert set(asked[0]["ExpressionAttributeNames"].values()) - {"pk", "sk"} == set(SyncRun.__struct_fields__)
    assert "MARKER" not in well.stream.getvalue()


def test_on_rds_the_whole_of_its_storage_is_counted_as_it_is_by_now(on_rds: Watched, capsys) -> None:
    assert on_rds.gauges(capsys)["DatabaseStorageBytes"] == 20 * 1024**3
    boto3.client("rds").modify_db_instance(DBInstanceIdentifier=SERVER, AllocatedStorage=200, ApplyImmediately=True)
    assert on_rds.gauges(capsys)["DatabaseStorageBytes"] == 200 * 1024**3


@pytest.mark.parametrize(
    ("operation", "before", "counted"),
    [
        ("dynamodb.Scan", 0, 0),
        ("sqs.GetQueueAttributes", 0, 5),
        ("s3.ListObjectsV2", 0, 6),
        ("rds.DescribeDBInstances", 0, 7),
        # The lists of raw objects, after that of the manifests: the very last step.
        ("s3.ListObjectsV2", 1, 8),
    ],
)
def test_a_pass_that_fails_at_any_step_leaves_the_metric_of_watch_silent_untold(
    on_rds: Watched, capsys, monkeypatch, operation: str, before: int, counted: int
) -> None:
    fault = Fault(operation)
    open_anew(on_rds, monkeypatch)
    fault.fail(times=9, after=before, error="AccessDenied")
    capsys.readouterr()

    with pytest.raises((StoreUnavailable, ClientError)):
        handler.handle({}, lambda_context())

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    told = {name for line in lines for name, value in line.items() if isinstance(value, list)}
    # What was seen before is told.
    assert len(told) == counted
    assert WATCH_SILENT.metrics[0].name not in told


def test_a_pass_that_ends_tells_the_metric_of_watch_silent(on_rds: Watched, capsys) -> None:
    assert WATCH_SILENT.metrics[0].name in on_rds.gauges(capsys)


def test_one_process_makes_its_clients_once(watched: Watched) -> None:
    workplace.cache_clear()
    assert workplace() is workplace()
    workplace.cache_clear()
