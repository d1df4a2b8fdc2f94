"""The function watch as a scenario of the crash sweep: pass after pass, each as late as the schedule has it.

A pass that fails is not done again: the next comes five minutes later, and is another hotel's turn.
"""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from lambdas.watch import handler, telemetry
from lambdas.watch.workplace import Settings, Workplace
from shared.pipeline.manifest import Manifest, ObjectAddress
from shared.pipeline.sync_runs import SyncRun
from shared.pipeline.unbatched import SETTLED_AFTER
from shared.settings import read
from shared.storage.manifests import Manifests
from shared.storage.raw_lake import RawLake
from shared.storage.sync_state import SyncRuns
from tests.deliveries import lambda_context
from tests.factories import PROPERTY
from tests.fakes.polling import VirtualClock
from tests.integration.polling_aws import SYNC_STATE_TABLE, make_polling_resources, table

if TYPE_CHECKING:
    from tests.integration.test_crash_sweep import Place

EVERY, TURNS = timedelta(minutes=5), 2
NOBODYS = "PT-OPO-001"
"""A hotel without an integration. Its turn is the other one."""
DEAD_LETTERS, SERVER = "pousada-test-live-dead-letters", "pousada-test-database"
OF_THE_HOUR = ("SyncLagMinutes", "OldestPendingManifestMinutes")
"""Gauges that grow with the time."""
LAST = "RawObjectsUnbatched"
"""Whose absence rings."""


class Watch:
    """A pass is struck. No pass tells what is not so; and by the hotel's next turn all that is so has been told."""

    at_least = 13

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self._workplace: Workplace | None = None
        self._landed: datetime
        self._before: Any
        self._told: dict[int, set[Any]] = {}
        """By turn."""
        self._ended: set[int] = set()
        """Turns of which a pass has come to its end."""

    # -- What is there before ------------------------------------------------------------------

    def prepare(self, place: Place) -> None:
        make_polling_resources()
        queue = boto3.client("sqs").create_queue(QueueName=DEAD_LETTERS)["QueueUrl"]
        boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="refused")
        boto3.client("rds").create_db_instance(
            DBInstanceIdentifier=SERVER, DBInstanceClass="db.t4g.small", Engine="postgres", AllocatedStorage=20
        )
        self._land(place)
        # Nothing has come of the hotel for an hour: it is down.
        failed = self._landed - timedelta(hours=1)
        about = {"vendor": "hostpms", "property_id": PROPERTY, "entity": "booking", "run_id": "r"}
        run = SyncRun(**about, started_at=failed, status="failed")  # type: ignore[arg-type]
        SyncRuns(table(SYNC_STATE_TABLE), lambda: failed).save(run)
        self._before = self._all_there_is(place)

    def _land(self, place: Place) -> None:
        """Of each hotel an object that is in a batch, and one that is in none."""
        self._landed = datetime.now(UTC)
        lake, batched = RawLake(place.aws.raw, boto3.client("s3")), []
        for property_id in (PROPERTY, NOBODYS):
            for name in ("batched", "lost"):
                key = f"hostpms/{property_id}/polling/room/{self._landed:%Y/%m/%d}/{name}-00001.ndjson.gz"
                lake.put(key, b"{}")
                if name == "batched":
                    batched.append(ObjectAddress(key, 1))
        store = Manifests(place.aws.work, boto3.client("s3"))
        for keep, address in zip((store.finish, store.add), batched, strict=True):
            keep(Manifest(f"{self._landed:%Y%m%dT%H%M%SZ}-x", self._landed, (address,)))

    def afresh(self, place: Place) -> None:
        """The first turn since all that landed has settled: whosever it is, no turn before found it."""
        self.clock.now = self._landed + SETTLED_AFTER + timedelta(seconds=30)
        self._told, self._ended = {}, set()

    # -- Passes --------------------------------------------------------------------------------

    def work(self, place: Place) -> bool:
        """A pass."""
        turn = int(self.clock().timestamp() // EVERY.total_seconds()) % TURNS
        log, metrics = StringIO(), StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(metrics):
            for name, value in self._settings(place).items():
                patch.setenv(name, value)
            patch.setattr(handler, "workplace", self._made)
            patch.setattr(telemetry.logger.registered_handler, "stream", log)
            try:
                handler.handle({}, lambda_context())
                self._ended.add(turn)
            finally:
                gauges = [gauge for line in metrics.getvalue().splitlines() for gauge in self._gauges(line)]
                # A pass that fails leaves this one out, and so is noticed.
                assert (LAST in {name for name, *_ in gauges}) == (turn in self._ended)
                self._told.setdefault(turn, set()).update(gauges, map(_said, log.getvalue().splitlines()))
                self.clock.now += EVERY
        return True

    def _settings(self, place: Place) -> dict[str, str]:
        return {
            "SYNC_STATE_TABLE": SYNC_STATE_TABLE,
            "DEAD_LETTER_QUEUES": DEAD_LETTERS,
            "DATABASE_INSTANCE": SERVER,
            "POLL_EVERY_MINUTES": "60",
            "WATCH_EVERY_MINUTES": str(EVERY // timedelta(minutes=1)),
            "RAW_CYCLE_MINUTES": str(TURNS * EVERY // timedelta(minutes=1)),
        }

    def _made(self) -> Workplace:
        if self._workplace is None:
            self._workplace = Workplace(read(Settings), self.clock)
        return self._workplace

    def _gauges(self, line: str) -> list[tuple[str, str, float]]:
        """Name, vendor and value of each; of those that grow, what they were when the objects landed."""
        told = json.loads(line)
        passed = (self.clock() - self._landed) / timedelta(minutes=1)
        return [
            (name, told.get("vendor", ""), round(value[0] - passed if name in OF_THE_HOUR else value[0], 3))
            for name, value in told.items()
            if isinstance(value, list)
        ]

    # -- What comes of them --------------------------------------------------------------------

    def state(self, place: Place) -> dict[int, set[Any]]:
        """What is told until every turn has had a pass that ended."""
        while len(self._ended) < TURNS:
            self.work(place)
        assert self._all_there_is(place) == self._before, "it reads, and changes nothing"
        lost = {raw_key for told in self._told.values() for said, raw_key, *_ in told if said == "in no manifest"}
        assert {key.rpartition("/")[2] for key in lost} == {"lost-00001.ndjson.gz"}
        assert {key.split("/")[1] for key in lost} == {PROPERTY, NOBODYS}
        return self._told

    def _all_there_is(self, place: Place) -> Any:
        s3 = boto3.client("s3")
        listed = [s3.list_objects_v2(Bucket=bucket)["Contents"] for bucket in (place.aws.raw, place.aws.work)]
        objects = [(item["Key"], item["ETag"], item["LastModified"]) for found in listed for item in found]
        return objects, [table(name).scan()["Items"] for name in (SYNC_STATE_TABLE, place.aws.integrations)]

    def forget(self) -> None:
        self._workplace = None


def _said(line: str) -> tuple[str, str, str]:
    told = json.loads(line)
    return told["message"], told.get("raw_key", ""), told.get("property_id", told.get("queue", ""))
