"""Cursors, leases, tokens, sync runs and the rate budget in DynamoDB (moto)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from shared.errors import LeaseHeld, StoreUnavailable
from shared.pipeline.cursors import MOST_KNOWN, Cursor
from shared.pipeline.sync_runs import Holder, SyncRun
from shared.storage.dynamodb import written
from shared.storage.rate_budget import RateBudget
from shared.storage.sync_state import Cursors, Leases, SharedToken, SyncRuns
from shared.streams import Stream
from tests.fakes.aws_faults import Fault
from tests.fakes.polling import START, STREAM, VirtualClock
from tests.integration.polling_aws import SYNC_STATE_TABLE, polling_aws, table

MINUTE = timedelta(minutes=1)
GUESTS = STREAM._replace(entity="guest")
OURS = Holder("owner-1", "run-1", START)
THEIRS = Holder("owner-2", "run-2", START + MINUTE)


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with polling_aws():
        yield


def state() -> Any:
    return table(SYNC_STATE_TABLE)


def keys() -> set[tuple[str, str]]:
    return {(item["pk"], item["sk"]) for item in state().scan()["Items"]}


# -- Cursors ---------------------------------------------------------------------------------------


def test_a_cursor_that_was_never_saved_is_none() -> None:
    assert Cursors(state()).get(STREAM) is None


def test_a_saved_cursor_comes_back_in_utc() -> None:
    at = datetime.fromisoformat("2024-03-01T11:30:00.000250+01:00")
    Cursors(state()).advance(STREAM, Cursor(at))

    found = Cursors(state()).get(STREAM)

    assert found == Cursor(at)
    assert found.updated_since.utcoffset() == timedelta(0)
    assert Cursors(state()).get(GUESTS) is None
    assert keys() == {("hostpms#PT-LIS-001", "cursor#booking")}


def test_a_cursor_never_moves_back() -> None:
    cursors = Cursors(state())
    cursors.advance(STREAM, Cursor(START))
    cursors.advance(STREAM, Cursor(START - MINUTE, frozenset({"a"}), START))
    cursors.advance(STREAM, Cursor(START - timedelta(microseconds=1)))

    assert cursors.get(STREAM) == Cursor(START)


def test_what_has_landed_is_kept_with_the_cursor_and_replaced_with_it() -> None:
    cursors = Cursors(state())
    first, second = Cursor(START, frozenset({"a", "b"}), START), Cursor(START, frozenset({"c"}), START + MINUTE)
    for cursor in (first, second, Cursor(START), first, Cursor(START + MINUTE)):
        cursors.advance(STREAM, cursor)

        assert cursors.get(STREAM) == cursor


def test_the_fullest_cursor_is_read_as_one_unit_and_an_ordinary_one_written_as_one() -> None:
    def bytes_with(count: int) -> int:
        digests = frozenset(f"{number:032x}" for number in range(count))
        Cursors(state()).advance(STREAM, Cursor(START, digests, START))
        (item,) = state().scan()["Items"]
        lists = sum(len(value) + 1 if isinstance(value, str) else 3 + bytes_of(value) for value in item.values())
        return lists + sum(map(len, item))

    def bytes_of(listed: list[str]) -> int:
        return sum(len(text) + 1 for text in listed)

    assert bytes_with(20) < 1024
    assert bytes_with(MOST_KNOWN) < 4096


def test_a_cursor_of_before_there_was_anything_to_know_is_read() -> None:
    state().put_item(Item={"pk": "hostpms#PT-LIS-001", "sk": "cursor#booking", "updated_since": written(START)})

    assert Cursors(state()).get(STREAM) == Cursor(START)


def test_a_cursor_that_is_reset_is_gone() -> None:
    cursors = Cursors(state())
    cursors.advance(STREAM, Cursor(START, frozenset({"a"}), START))
    cursors.reset(STREAM)

    assert cursors.get(STREAM) is None


# -- Leases ----------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def leases(clock: VirtualClock) -> Leases:
    return Leases(state(), clock)


def test_a_held_stream_is_not_taken_again(leases: Leases) -> None:
    assert leases.take(STREAM, OURS, START + MINUTE) is None

    for holder in (THEIRS, OURS, OURS._replace(owner="the same order, delivered twice")):
        with pytest.raises(LeaseHeld):
            leases.take(STREAM, holder, START + MINUTE)
    assert leases.take(GUESTS, THEIRS, START + MINUTE) is None


def test_a_released_stream_is_free(leases: Leases) -> None:
    leases.take(STREAM, OURS, START + MINUTE)
    leases.release(STREAM, OURS)

    assert leases.take(STREAM, THEIRS, START + MINUTE) is None
    assert len(keys()) == 1


def test_an_expired_lease_is_taken_and_its_holder_told(leases: Leases, clock: VirtualClock) -> None:
    leases.take(STREAM, OURS, START + MINUTE)
    clock.now += MINUTE

    assert leases.take(STREAM, THEIRS, clock() + MINUTE) == OURS


def test_whoever_lost_a_lease_cannot_free_or_reserve_it(leases: Leases, clock: VirtualClock) -> None:
    leases.take(STREAM, OURS, START + MINUTE)
    clock.now += MINUTE
    leases.take(STREAM, THEIRS, clock() + MINUTE)

    leases.release(STREAM, OURS)
    with pytest.raises(LeaseHeld):
        leases.reserve(STREAM, OURS, clock() + MINUTE)
    with pytest.raises(LeaseHeld):
        leases.take(STREAM, OURS, clock() + MINUTE)


def test_a_reserved_stream_is_for_the_next_leg_of_its_run_alone(leases: Leases) -> None:
    leases.take(STREAM, OURS, START + MINUTE)
    leases.reserve(STREAM, OURS, START + 10 * MINUTE)

    with pytest.raises(LeaseHeld):
        leases.take(STREAM, THEIRS, START + MINUTE)
    assert leases.take(STREAM, OURS._replace(owner="next leg"), START + MINUTE) is None
    with pytest.raises(LeaseHeld):
        leases.take(STREAM, OURS._replace(owner="its duplicate"), START + MINUTE)


def test_a_lease_carries_the_tables_time_to_live(leases: Leases) -> None:
    leases.take(STREAM, OURS, START + timedelta(seconds=0.5))

    assert state().scan()["Items"][0]["expires_at"] == START.timestamp() + 1


# -- Sync runs -------------------------------------------------------------------------------------


def run(minute: int, stream: Stream = STREAM, **facts: Any) -> SyncRun:
    started_at = START + minute * MINUTE
    return SyncRun(**stream._asdict(), run_id=f"run{minute}", started_at=started_at, **facts)


@pytest.fixture
def runs(clock: VirtualClock) -> SyncRuns:
    return SyncRuns(state(), clock)


def test_a_runs_record_comes_back_as_it_was(runs: SyncRuns) -> None:
    facts = {"fetched": 250, "unchanged": 2, "pages": 3, "failed": 1, "waited_ms": 670, "error": "StoreUnavailable: S3"}
    record = run(0, status="failed", finished_at=START + MINUTE, **facts)
    runs.save(record)

    assert runs.get(STREAM, record.started_at, record.run_id) == record
    assert runs.get(STREAM, record.started_at, "another") is None


def test_saving_a_run_again_replaces_its_record(runs: SyncRuns) -> None:
    runs.save(run(0, status="failed", error="VendorUnavailable: 503"))
    runs.save(run(0, status="succeeded", fetched=9))

    assert runs.runs("hostpms", "PT-LIS-001") == [run(0, status="succeeded", fetched=9)]


def test_a_record_is_kept_for_four_hundred_days(runs: SyncRuns) -> None:
    runs.save(run(0))

    assert state().scan()["Items"][0]["expires_at"] == (START + timedelta(days=400)).timestamp()


def test_runs_come_newest_first_of_one_entity_or_of_all(runs: SyncRuns) -> None:
    rooms = STREAM._replace(entity="room")
    for minute in range(60):
        runs.save(run(minute))
        runs.save(run(minute + 30, GUESTS))
    runs.save(run(5, rooms))
    runs.save(run(500, STREAM._replace(property_id="PT-LIS-0011")))
    Cursors(state()).advance(STREAM, Cursor(START))
    SharedToken(state(), "hostpms", "PT-LIS-001").save("t", START, START)

    def told(entity: str | None, limit: int) -> list[tuple[str, str]]:
        return [(found.entity, found.run_id) for found in runs.runs("hostpms", "PT-LIS-001", entity, limit)]

    assert told("booking", 2) == [("booking", "run59"), ("booking", "run58")]
    assert len(told("booking", 100)) == 60
    assert told(None, 2) == [("guest", "run89"), ("guest", "run88")]
    assert len(told(None, 1000)) == 121
    assert runs.last_run("hostpms", "PT-LIS-001", "room") == run(5, rooms)
    assert runs.last_run("hostpms", "PT-LIS-001", "payment") is None


@pytest.mark.parametrize("status", ["running", "continued"])
def test_an_abandoned_run_is_closed(runs: SyncRuns, clock: VirtualClock, status: Any) -> None:
    runs.save(run(0, status=status, fetched=7))
    clock.now += 30 * MINUTE

    runs.abandon(STREAM, START, "run0")

    closed = runs.last_run("hostpms", "PT-LIS-001", "booking")
    assert closed is not None
    assert (closed.status, closed.fetched, closed.finished_at) == ("failed", 7, START + 30 * MINUTE)
    assert str(closed.error).startswith("Abandoned")


def test_a_run_that_came_to_its_end_is_not_abandoned(runs: SyncRuns) -> None:
    runs.save(run(0, status="succeeded"))

    runs.abandon(STREAM, START, "run0")
    runs.abandon(STREAM, START, "no such run")

    assert runs.runs("hostpms", "PT-LIS-001") == [run(0, status="succeeded")]


# -- Tokens ----------------------------------------------------------------------------------------


def test_a_token_one_worker_saved_is_there_for_the_others() -> None:
    ours, theirs = (SharedToken(state(), "hostpms", "PT-LIS-001") for _ in range(2))
    assert (ours.cached(), ours.shared()) == (None, None)

    ours.save("token-1", START + 50 * MINUTE, START + 60 * MINUTE)

    assert theirs.cached() is None
    found = theirs.shared()
    assert found is not None
    assert (found.value, found.refresh_at) == ("token-1", START + 50 * MINUTE)
    assert found == theirs.cached() == ours.cached()
    assert SharedToken(state(), "hostpms", "ES-MAD-002").shared() is None
    assert state().scan()["Items"][0]["expires_at"] == (START + 60 * MINUTE).timestamp()


def test_a_token_does_not_show_itself() -> None:
    ours = SharedToken(state(), "hostpms", "PT-LIS-001")
    ours.save("token-1", START, START)

    assert "token-1" not in f"{ours.cached()!r} {ours.cached()}"


# -- The rate budget -------------------------------------------------------------------------------


def test_the_budget_is_one_for_all_workers(clock: VirtualClock) -> None:
    ours, theirs = (RateBudget(state(), clock, clock.sleep) for _ in range(2))
    deadline = START + 10 * MINUTE
    for _ in range(60):
        ours.acquire(STREAM, 100, deadline)
        theirs.acquire(STREAM, 100, deadline)

    # A burst of five, then one each 667 ms.
    assert (clock() - START).total_seconds() == pytest.approx((120 - 5) * 60 / 90, abs=1)


# -- A table that does not answer ------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["GetItem", "PutItem", "DeleteItem", "Query", "UpdateItem"])
def test_what_the_table_refuses_is_told_as_a_store_that_is_unavailable(operation: str) -> None:
    Fault(f"dynamodb.{operation}").fail(100, "ThrottlingException")
    clock = VirtualClock()
    calls = {
        "GetItem": lambda: Cursors(state()).get(STREAM),
        "PutItem": lambda: Leases(state(), clock).take(STREAM, OURS, START),
        "DeleteItem": lambda: Leases(state(), clock).release(STREAM, OURS),
        "Query": lambda: SyncRuns(state(), clock).runs("hostpms", "PT-LIS-001", "booking"),
        "UpdateItem": lambda: SyncRuns(state(), clock).abandon(STREAM, START, "run-1"),
    }

    with pytest.raises(StoreUnavailable, match=SYNC_STATE_TABLE):
        calls[operation]()


def test_a_table_that_cannot_be_reached_is_a_store_that_is_unavailable() -> None:
    Fault("dynamodb.GetItem").fail(1, EndpointConnectionError(endpoint_url="https://dynamodb.example"))

    with pytest.raises(StoreUnavailable, match="EndpointConnectionError"):
        Cursors(state()).get(STREAM)
