"""Who does the pending batches: the function itself, or the Glue job."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from glue_jobs.batch import Outcome
from lambdas.etl import telemetry
from lambdas.etl.choice import SECONDS_FOR_A_BATCH, Taken, take_pending
from lambdas.etl.job_runs import JobRuns
from shared.errors import Malformed
from shared.pipeline.manifest import Manifest, ObjectAddress
from shared.storage.manifests import Gathered
from tests.factories import minutes

LIMIT = 100


def manifest(number: int, size: int) -> Manifest:
    return Manifest(f"batch-{number}", minutes(0) + timedelta(seconds=number), (ObjectAddress(f"key-{number}", size),))


class FakeJob:
    """``glue_jobs.etl.Job`` with a batch of each of ``sizes``."""

    def __init__(self, *sizes: int, unreadable: int = 0, poisoned: str = "") -> None:
        self.manifests = self
        self.gathered = False
        self.done: list[str] = []
        self._batches = [manifest(number, size) for number, size in enumerate(sizes)]
        self._unreadable = [Malformed("not a manifest")] * unreadable
        self._poisoned = poisoned

    def gather(self) -> Gathered:
        self.gathered = True
        return Gathered(self._batches, self._unreadable)

    def take(self, manifest: Manifest) -> Outcome:
        if manifest.batch_id == self._poisoned:
            raise RuntimeError(manifest.batch_id)
        self.done.append(manifest.batch_id)
        return Outcome(records=10)


class FakeRuns:
    def __init__(self, at_work: str | None = None) -> None:
        self._at_work = at_work
        self.started = 0

    def at_work(self) -> str | None:
        return self._at_work

    def start(self) -> str:
        self.started += 1
        return "jr_new"


def take(job: FakeJob, runs: FakeRuns, seconds_left: Iterator[float] | None = None) -> Taken:
    left = seconds_left or iter([900.0] * 10)
    return take_pending(job, runs, LIMIT, lambda: next(left))  # type: ignore[arg-type]


def test_nothing_pending_is_nothing_done() -> None:
    job, runs = FakeJob(), FakeRuns()
    assert take(job, runs) == Taken()
    assert (job.done, runs.started) == ([], 0)


@pytest.mark.parametrize("sizes", [(1,), (100,), (40, 60), (0,)])
def test_up_to_the_limit_all_is_done_here(sizes) -> None:
    job, runs = FakeJob(*sizes), FakeRuns()
    assert take(job, runs) == Taken(stored=len(sizes), records=10 * len(sizes))
    assert (len(job.done), runs.started) == (len(sizes), 0)


@pytest.mark.parametrize("sizes", [(101,), (40, 61), (1, 1, 1000)])
def test_above_it_nothing_is_and_the_job_is_started_once(sizes) -> None:
    job, runs = FakeJob(*sizes), FakeRuns()
    assert take(job, runs) == Taken(started="jr_new")
    assert (job.done, runs.started) == ([], 1)


def test_beside_a_run_of_the_job_nothing_is_touched() -> None:
    """Both merge what they find pending: one raw object would come to lie in two batches."""
    job, runs = FakeJob(1), FakeRuns(at_work="jr_old")
    assert take(job, runs) == Taken(at_work="jr_old")
    assert (job.gathered, job.done, runs.started) == (False, [], 0)


def test_what_there_is_no_time_to_begin_is_left_to_the_job() -> None:
    job, runs = FakeJob(1, 1, 1), FakeRuns()
    left = iter([900.0, SECONDS_FOR_A_BATCH, SECONDS_FOR_A_BATCH - 1])
    assert take(job, runs, left) == Taken(stored=2, records=20, started="jr_new")
    assert (job.done, runs.started) == (["batch-0", "batch-1"], 1)


def test_a_batch_that_fails_holds_no_other_back_and_fails_the_call() -> None:
    job, runs = FakeJob(1, 1, poisoned="batch-0"), FakeRuns()
    with pytest.raises(RuntimeError, match="batch-0"):
        take(job, runs)
    assert job.done == ["batch-1"]


def test_what_is_no_manifest_fails_the_call_and_costs_no_run_of_the_job() -> None:
    job, runs = FakeJob(unreadable=1), FakeRuns()
    with pytest.raises(Malformed):
        take(job, runs)
    assert runs.started == 0


# -- The job's runs ----------------------------------------------------------------------------------


class TooMany(Exception):
    pass


class FakeGlue:
    """boto3's Glue client, as far as it is used; newest first, as Glue lists them."""

    exceptions = SimpleNamespace(ConcurrentRunsExceededException=TooMany)

    def __init__(
        self, *states: str, full: bool = False, times: Mapping[str, tuple[float, float]] | None = None
    ) -> None:
        """``times``: by state, the minutes at which such a run was started and has ended."""
        self._states = states
        self._full = full
        self._times = times or {}

    def get_job_runs(self, *, JobName: str) -> dict[str, Any]:
        assert JobName == "the-job"
        return {"JobRuns": [self._run(n, state) for n, state in enumerate(self._states)]}

    def _run(self, number: int, state: str) -> dict[str, Any]:
        started, ended = self._times.get(state, (0, 0))
        at = {"StartedOn": minutes(started), **({"CompletedOn": minutes(ended)} if ended else {})}
        return {"Id": f"jr_{number}", "JobRunState": state, **at}

    def start_job_run(self, *, JobName: str) -> dict[str, Any]:
        assert JobName == "the-job"
        if self._full:
            raise TooMany
        return {"JobRunId": "jr_new"}


@pytest.mark.parametrize("state", ["STARTING", "RUNNING", "STOPPING", "WAITING"])
def test_a_run_that_has_not_ended_is_at_work(state) -> None:
    assert JobRuns("the-job", FakeGlue(state, "SUCCEEDED")).at_work() == "jr_0"
    assert JobRuns("the-job", FakeGlue("SUCCEEDED", state)).at_work() == "jr_1"


def test_runs_that_have_ended_are_not() -> None:
    ended = ("SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED", "ERROR", "EXPIRED")
    assert JobRuns("the-job", FakeGlue(*ended)).at_work() is None
    assert JobRuns("the-job", FakeGlue()).at_work() is None


@pytest.mark.parametrize(
    ("state", "started", "ended", "lasted"),
    [
        # At the call, an hour after it was started.
        ("RUNNING", 60, 0, 60),
        ("STOPPING", 60, 0, 60),
        # Ended by its time limit since the call before; and longer ago, when that one has told it.
        ("TIMEOUT", 60, 110, 50),
        ("ERROR", 60, 110, 50),
        ("TIMEOUT", 0, 50, None),
        # It told its own time.
        ("SUCCEEDED", 60, 110, None),
    ],
)
def test_a_run_is_told_for_that_has_not_come_to_tell_its_own_time(state, started, ended, lasted) -> None:
    runs = JobRuns("the-job", FakeGlue(state, "SUCCEEDED", times={state: (started, ended), "SUCCEEDED": (0, 20)}))
    assert runs.untold(minutes(120)) == (None if lasted is None else timedelta(minutes=lasted))


def test_of_several_it_is_the_longest_and_of_none_there_is_nothing_to_tell() -> None:
    times = {"RUNNING": (111.0, 0.0), "TIMEOUT": (60.0, 110.0)}
    assert JobRuns("the-job", FakeGlue("RUNNING", "TIMEOUT", times=times)).untold(minutes(120)) == timedelta(minutes=50)
    assert JobRuns("the-job", FakeGlue()).untold(minutes(120)) is None


def test_what_such_a_run_has_lasted_is_counted_as_a_run_s_duration(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.of_job(timedelta(minutes=50))
    telemetry.metrics.flush_metrics()
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["EtlDurationMs"] == [50 * 60 * 1000]


def test_where_another_run_was_quicker_it_is_that_one() -> None:
    assert JobRuns("the-job", FakeGlue()).start() == "jr_new"
    assert JobRuns("the-job", FakeGlue("RUNNING", full=True)).start() == "jr_0"
