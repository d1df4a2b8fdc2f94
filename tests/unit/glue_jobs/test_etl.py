"""What the Glue job decides without Spark: which manifests are taken together, and its arguments."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glue_jobs import etl
from glue_jobs.batch import Outcome
from shared.errors import Malformed, Misconfigured
from shared.pipeline.manifest import Manifest, ObjectAddress
from shared.settings import read
from tests.factories import minutes

SETTINGS = {name: name.lower() for name in ("RAW_BUCKET", "PROCESSED_BUCKET", "WORK_BUCKET", "INTEGRATIONS_TABLE", "DATABASE_SECRET")}


def manifest(number: int, size: int = 1) -> Manifest:
    return Manifest(f"batch-{number}", minutes(0) + timedelta(seconds=number), (ObjectAddress(f"key-{number}", size),))


# -- Rounds ----------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3 * etl.ROUND_BYTES) | st.integers(0, 100), max_size=30), st.integers(1, 5))
def test_rounds_hold_every_manifest_once_in_order_and_bounded(sizes, most):
    manifests = [manifest(number, size) for number, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as bounds:
        bounds.setattr(etl, "ROUND_MANIFESTS", most)
        rounds = list(etl._rounds(manifests))
    assert [found for one_round in rounds for found in one_round] == manifests
    for one_round in rounds:
        assert 0 < len(one_round) <= most
        assert len(one_round) == 1 or sum(found.size for found in one_round) <= etl.ROUND_BYTES


class FakeJob:
    """Takes manifests, but for those of ``poisoned``; ``fail_rounds``: a round of several fails for a reason of its own."""

    def __init__(self, pending: list[Manifest | Malformed], poisoned: set[str] = frozenset(), fail_rounds: bool = False) -> None:  # type: ignore[assignment]
        self.manifests = self
        self._pending = pending
        self._poisoned = poisoned
        self._fail_rounds = fail_rounds
        self.done: list[str] = []

    def pending(self) -> list[Manifest | Malformed]:
        return self._pending

    def take(self, manifests: list[Manifest]) -> Outcome:
        if self._poisoned & {found.batch_id for found in manifests} or (self._fail_rounds and len(manifests) > 1):
            raise RuntimeError("poisoned")
        self.done += [found.batch_id for found in manifests]
        return Outcome(records=len(manifests))

    take_singly = etl._Job.take_singly


def run(monkeypatch: pytest.MonkeyPatch, job: FakeJob) -> list[Outcome]:
    monkeypatch.setattr(etl, "_Job", lambda *_: job)
    return etl.run(None, None)  # type: ignore[arg-type]


def test_nothing_pending_is_nothing_done(monkeypatch):
    assert run(monkeypatch, FakeJob([])) == []


def test_all_that_is_pending_is_taken_together(monkeypatch):
    job = FakeJob([manifest(1), manifest(2)])
    assert [outcome.records for outcome in run(monkeypatch, job)] == [2]
    assert job.done == ["batch-1", "batch-2"]


@pytest.mark.parametrize("poisoned", [{"batch-1"}, {"batch-2"}, {"batch-5"}, {"batch-1", "batch-5"}])
def test_a_batch_that_fails_holds_no_other_back_and_fails_the_run(monkeypatch, poisoned):
    monkeypatch.setattr(etl, "ROUND_MANIFESTS", 2)
    job = FakeJob([manifest(number) for number in range(1, 6)], poisoned)
    with pytest.raises(RuntimeError, match="poisoned"):
        run(monkeypatch, job)
    assert sorted(job.done) == sorted({f"batch-{number}" for number in range(1, 6)} - poisoned)


def test_a_round_that_fails_as_a_round_only_is_no_failure(monkeypatch):
    job = FakeJob([manifest(1), manifest(2)], fail_rounds=True)
    assert run(monkeypatch, job) == [] or job.done
    assert job.done == ["batch-1", "batch-2"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_no_manifest_holds_no_batch_back_and_fails_the_run(monkeypatch, place):
    pending: list[Any] = [manifest(1), manifest(2)]
    pending.insert(place, Malformed("not a manifest"))
    job = FakeJob(pending)
    with pytest.raises(Malformed):
        run(monkeypatch, job)
    assert job.done == ["batch-1", "batch-2"]


# -- Arguments -------------------------------------------------------------------------------------


def test_arguments_come_as_glue_passes_them():
    argv = ["etl.py", "--JOB_ID", "j_1", "--RAW_BUCKET", "raw", "--enable-metrics", "--WORK_BUCKET", "work", "true"]
    assert etl.arguments(argv) == {"JOB_ID": "j_1", "RAW_BUCKET": "raw", "WORK_BUCKET": "work"}
    assert etl.arguments(["etl.py"]) == {}


def test_an_argument_that_is_missing_is_named():
    with pytest.raises(Misconfigured, match="WORK_BUCKET"):
        read(etl.Settings, {name: value for name, value in SETTINGS.items() if name != "WORK_BUCKET"})
    assert read(etl.Settings, SETTINGS).raw_bucket == "raw_bucket"
