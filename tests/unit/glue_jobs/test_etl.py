"""What the Glue job decides without Spark: what becomes of a batch that fails, and its arguments."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from glue_jobs import etl
from glue_jobs.batch import Plan
from glue_jobs.outcome import Outcome
from shared.errors import Malformed, Misconfigured
from shared.pipeline.manifest import Manifest, ObjectAddress
from shared.settings import read
from shared.storage.manifests import Gathered
from tests.factories import minutes

NAMES = ("RAW_BUCKET", "PROCESSED_BUCKET", "WORK_BUCKET", "INTEGRATIONS_TABLE")
SETTINGS = {**{name: name.lower() for name in NAMES}, "DATABASE": '{"secret": "database"}'}


def manifest(number: int, size: int = 1) -> Manifest:
    return Manifest(f"batch-{number}", minutes(0) + timedelta(seconds=number), (ObjectAddress(f"key-{number}", size),))


# -- One batch after the other -----------------------------------------------------------------------


class FakeJob:
    """Takes batches, but for those that are ``poisoned``."""

    def __init__(self, gathered: Gathered, poisoned: frozenset[str] = frozenset()) -> None:
        self.manifests = self
        self._gathered = gathered
        self._poisoned = poisoned
        self.done: list[str] = []
        self.stored: list[Outcome] = []

    def gather(self) -> Gathered:
        return self._gathered

    def take(self, manifest: Manifest) -> Outcome:
        if manifest.batch_id in self._poisoned:
            raise RuntimeError(f"{manifest.batch_id}: marker@example.pt")
        self.done.append(manifest.batch_id)
        self.stored.append(Outcome(records=1))
        return self.stored[-1]


def run(monkeypatch: pytest.MonkeyPatch, job: FakeJob) -> list[Outcome]:
    monkeypatch.setattr(etl, "Job", lambda *_: job)
    return etl.run(None, None)  # type: ignore[arg-type]


def settings(small: int) -> etl.Settings:
    return read(etl.Settings, {**SETTINGS, "SMALL_BATCH_BYTES": str(small)})


def test_a_small_batch_is_done_here_and_a_large_one_by_spark_that_is_asked_for_then(monkeypatch) -> None:
    done: list[tuple[str, str]] = []

    def by(whom: str) -> etl.Distribute:
        def distribute(manifest: Manifest, plan: object) -> Outcome:
            done.append((manifest.batch_id, whom))
            return Outcome()

        return distribute

    class Manifests:
        def finish(self, manifest: Manifest) -> None: ...

    class Store:
        def clock(self) -> None: ...

    def started() -> etl.Distribute:
        done.append(("start", "spark"))
        return by("spark")

    monkeypatch.setattr(etl, "in_this_process", by("here"))
    monkeypatch.setattr(etl.boto3, "client", lambda name: None)
    monkeypatch.setattr(etl, "plan_of", lambda settings, upsert: Plan("", "", "", {}, upsert=False))
    job = etl.Job(settings(100), started, upsert=False)
    job.manifests = Manifests()  # type: ignore[assignment]
    for number, size in enumerate((100, 101, 1)):
        job.take(manifest(number, size))
    assert done == [("batch-0", "here"), ("start", "spark"), ("batch-1", "spark"), ("batch-2", "here")]


BATCHES = [manifest(1), manifest(2), manifest(3)]


def test_nothing_pending_is_nothing_done(monkeypatch) -> None:
    assert run(monkeypatch, FakeJob(Gathered([], []))) == []


def test_every_batch_is_taken(monkeypatch) -> None:
    job = FakeJob(Gathered(BATCHES, []))
    assert [outcome.records for outcome in run(monkeypatch, job)] == [1, 1, 1]
    assert job.done == ["batch-1", "batch-2", "batch-3"]


@pytest.mark.parametrize("poisoned", [{"batch-1"}, {"batch-3"}, {"batch-1", "batch-2"}])
def test_a_batch_that_fails_holds_no_other_back_and_fails_the_run(monkeypatch, caplog, poisoned) -> None:
    job = FakeJob(Gathered(BATCHES, []), frozenset(poisoned))
    with pytest.raises(RuntimeError, match=min(poisoned)):
        run(monkeypatch, job)
    assert set(job.done) == {"batch-1", "batch-2", "batch-3"} - poisoned
    told = [json.loads(line.message) for line in caplog.records]
    assert [(line["batch"], line["error"]) for line in told] == [(batch, "RuntimeError") for batch in sorted(poisoned)]
    assert "marker" not in caplog.text


def test_what_is_no_manifest_holds_no_batch_back_and_fails_the_run(monkeypatch) -> None:
    job = FakeJob(Gathered(BATCHES, [Malformed("not a manifest")]))
    with pytest.raises(Malformed):
        run(monkeypatch, job)
    assert len(job.done) == 3


# -- Arguments -------------------------------------------------------------------------------------


def test_arguments_come_as_glue_passes_them() -> None:
    argv = ["etl.py", "--JOB_ID", "j_1", "--RAW_BUCKET", "raw", "--enable-metrics", "--WORK_BUCKET", "work", "true"]
    assert etl.arguments(argv) == {"JOB_ID": "j_1", "RAW_BUCKET": "raw", "WORK_BUCKET": "work"}
    assert etl.arguments(["etl.py"]) == {}


def test_an_argument_that_is_missing_is_named() -> None:
    with pytest.raises(Misconfigured, match="WORK_BUCKET"):
        read(etl.Settings, {name: value for name, value in SETTINGS.items() if name != "WORK_BUCKET"})
    assert read(etl.Settings, SETTINGS).raw_bucket == "raw_bucket"


# -- The process -----------------------------------------------------------------------------------


AS_JOB = SETTINGS | {"METRICS_NAMESPACE": "pousada/local"}


class FakeCluster:
    started, stopped = 0, False

    def __enter__(self) -> FakeCluster:
        FakeCluster.started += 1
        return self

    def __exit__(self, *_: object) -> None:
        FakeCluster.stopped = True

    def distribute(self, *_: object) -> Outcome:
        return Outcome()


@pytest.fixture
def spark(monkeypatch: pytest.MonkeyPatch) -> type[FakeCluster]:
    FakeCluster.started, FakeCluster.stopped = 0, False
    monkeypatch.setattr("glue_jobs.cluster.Cluster", FakeCluster)
    monkeypatch.setattr(etl.logging, "basicConfig", lambda **_: None)
    return FakeCluster


def test_settings_come_of_arguments_or_of_the_environment_and_arguments_count_more(monkeypatch, spark) -> None:
    seen: list[etl.Settings] = []
    monkeypatch.setattr(etl, "run", lambda settings, cluster, **_: seen.append(settings))
    for name, value in AS_JOB.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["etl.py", "--RAW_BUCKET", "another"])
    etl.main()
    assert [(settings.raw_bucket, settings.work_bucket) for settings in seen] == [("another", "work_bucket")]
    assert not spark.started


def test_spark_is_started_once_and_stopped_at_the_end(monkeypatch, spark) -> None:
    monkeypatch.setattr(etl, "run", lambda settings, cluster, **_: (cluster(), cluster()))
    for name, value in AS_JOB.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["etl.py"])
    etl.main()
    assert (spark.started, spark.stopped) == (1, True)


@pytest.mark.parametrize(
    ("error", "exits"), [(Malformed("not a manifest"), SystemExit), (RuntimeError("x"), RuntimeError)]
)
def test_a_run_that_fails_ends_the_process_with_a_failure_and_stops_spark(monkeypatch, spark, error, exits) -> None:
    def fail(settings: etl.Settings, cluster: Callable[[], object], **_: object) -> None:
        cluster()
        raise error

    monkeypatch.setattr(etl, "run", fail)
    for name, value in AS_JOB.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["etl.py"])
    with pytest.raises(exits) as caught:
        etl.main()
    assert str(caught.value) in ("Malformed: not a manifest", "x")
    assert spark.stopped
