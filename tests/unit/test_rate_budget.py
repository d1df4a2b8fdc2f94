"""The rate budget: however many workers, whatever their clocks say, the vendor's limit holds."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import RateLimited, StoreUnavailable
from shared.storage.rate_budget import Pace, RateBudget, book
from shared.streams import Stream
from tests.fakes.polling import START, STREAM, VirtualClock
from tests.fakes.virtual_time import VirtualTime

LIMIT = 100
OTHER = Stream("hostpms", "PT-LIS-001", "guest")


class FakeTable:
    """DynamoDB as the budget uses it; ``pause`` is called before and after each call takes effect."""

    name = "sync-state"

    def __init__(self, pause: Callable[[], None] = lambda: None) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.writes = 0
        self.reads = 0
        self._pause = pause

    def get_item(self, **call: Any) -> dict[str, Any]:
        assert call["ConsistentRead"]
        self.reads += 1
        self._pause()
        item = self.items.get((call["Key"]["pk"], call["Key"]["sk"]))
        self._pause()
        return {"Item": dict(item)} if item else {}

    def put_item(self, **call: Any) -> None:
        self.writes += 1
        self._pause()
        key = call["Item"]["pk"], call["Item"]["sk"]
        found = self.items.get(key)
        holds = _holds(found, call["ConditionExpression"], call.get("ExpressionAttributeValues"))
        if holds:
            self.items[key] = dict(call["Item"])
        self._pause()
        if not holds:
            assert call["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
            answer: dict[str, Any] = {"Error": {"Code": "ConditionalCheckFailedException"}}
            if found:
                answer["Item"] = {"arrival": {"N": str(found["arrival"])}}
            raise ClientError(answer, "PutItem")  # type: ignore[arg-type]


def _holds(found: dict[str, Any] | None, condition: str, values: dict[str, Any] | None) -> bool:
    if condition == "attribute_not_exists(pk)":
        return found is None
    assert condition == "arrival = :seen"
    assert values is not None
    return found is not None and found["arrival"] == values[":seen"]


def busiest_minute(moments: list[float], limit: int) -> float:
    """The shortest time in which ``limit`` + 1 requests happened."""
    moments = sorted(moments)
    return min((moments[n + limit] - moments[n] for n in range(len(moments) - limit)), default=float("inf"))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    skews=st.lists(st.floats(-1.2, 1.2), min_size=1, max_size=6),
    latency=st.sampled_from([0.0, 0.01, 0.2]),
    thinking=st.sampled_from([0.0, 0.3, 5.0]),
    limit=st.sampled_from([20, 100, 120]),
)
def test_concurrent_workers_never_exceed_the_limit_in_any_minute(
    seed: int, skews: list[float], latency: float, thinking: float, limit: int
) -> None:
    dice, time = random.Random(seed), VirtualTime()
    table = FakeTable(lambda: time.sleep(dice.uniform(0, latency)) if latency else None)
    arrivals: list[float] = []

    def worker(skew: float) -> Callable[[], None]:
        clock = time.clock(skew)
        budget = RateBudget(table, clock, time.sleep)

        def work() -> None:
            for _ in range(2 * limit // len(skews)):
                budget.acquire(STREAM, limit, clock() + timedelta(hours=1))
                arrivals.append(time.seconds + dice.uniform(0, 0.8))  # as the vendor's clock sees it
                time.sleep(dice.uniform(0, thinking))

        return work

    time.run(*(worker(skew) for skew in skews))

    assert len(arrivals) == 2 * limit // len(skews) * len(skews)
    assert busiest_minute(arrivals, limit) >= 60


@pytest.mark.parametrize("limit", [1, 5, 20, 60, 100, 1000])
def test_a_lone_worker_that_never_rests_keeps_the_limit_and_spends_most_of_it(limit: int) -> None:
    clock, departures = VirtualClock(), []
    budget = RateBudget(FakeTable(), clock, clock.sleep)
    for _ in range(3 * limit + 10):
        budget.acquire(STREAM, limit, clock() + timedelta(hours=1))
        departures.append((clock() - START).total_seconds())

    assert busiest_minute(departures, limit) >= 60
    assert departures[-1] <= 60 * len(departures) / (0.85 * limit)


def test_a_short_poll_does_not_wait() -> None:
    clock = VirtualClock()
    budget = RateBudget(FakeTable(), clock, clock.sleep)

    assert [budget.acquire(STREAM, LIMIT, clock()) for _ in range(5)] == [0.0] * 5
    assert clock() == START


def test_the_seconds_waited_are_told() -> None:
    clock = VirtualClock()
    budget = RateBudget(FakeTable(), clock, clock.sleep)
    waits = [budget.acquire(STREAM, LIMIT, clock() + timedelta(minutes=1)) for _ in range(20)]

    assert sum(waits) == pytest.approx((clock() - START).total_seconds())
    assert waits[-1] == pytest.approx(0.667, abs=0.001)


def test_a_turn_beyond_the_deadline_is_neither_waited_for_nor_booked() -> None:
    clock, table = VirtualClock(), FakeTable()
    budget = RateBudget(table, clock, clock.sleep)
    for _ in range(5):
        budget.acquire(STREAM, LIMIT, clock())
    before = dict(table.items)

    with pytest.raises(RateLimited) as raised:
        budget.acquire(STREAM, LIMIT, clock() + timedelta(seconds=0.5))

    assert raised.value.retry_after == pytest.approx(0.667, abs=0.001)
    assert (clock(), table.items) == (START, before)


def test_each_entity_has_a_budget_of_its_own() -> None:
    clock = VirtualClock()
    budget = RateBudget(FakeTable(), clock, clock.sleep)
    for _ in range(5):
        budget.acquire(STREAM, LIMIT, clock())

    assert budget.acquire(OTHER, LIMIT, clock()) == 0.0


def test_what_the_vendor_holds_back_every_worker_hears() -> None:
    clock, table = VirtualClock(), FakeTable()
    ours, theirs = (RateBudget(table, clock, clock.sleep) for _ in range(2))
    theirs.acquire(STREAM, LIMIT, clock())

    ours.hold(STREAM, 30, LIMIT)

    with pytest.raises(RateLimited) as raised:
        theirs.acquire(STREAM, LIMIT, clock() + timedelta(seconds=20))
    assert raised.value.retry_after == pytest.approx(30, abs=0.1)
    assert theirs.acquire(STREAM, LIMIT, clock() + timedelta(seconds=40)) == pytest.approx(30, abs=0.1)
    assert theirs.acquire(STREAM, LIMIT, clock() + timedelta(seconds=40)) > 0.6, "no burst after a hold"


def test_a_shorter_hold_does_not_lift_a_longer_one() -> None:
    clock = VirtualClock()
    budget = RateBudget(FakeTable(), clock, clock.sleep)
    budget.hold(STREAM, 30, LIMIT)
    budget.hold(STREAM, 5, LIMIT)

    assert budget.acquire(STREAM, LIMIT, clock() + timedelta(minutes=1)) == pytest.approx(30, abs=0.1)


def test_alone_at_a_stream_a_request_costs_one_write() -> None:
    clock, table = VirtualClock(), FakeTable()
    budget = RateBudget(table, clock, clock.sleep)
    for _ in range(50):
        budget.acquire(STREAM, LIMIT, clock() + timedelta(minutes=1))

    assert (table.reads, table.writes) == (1, 50)


def test_an_item_that_expired_from_the_table_is_made_anew() -> None:
    clock, table = VirtualClock(), FakeTable()
    budget = RateBudget(table, clock, clock.sleep)
    budget.acquire(STREAM, LIMIT, clock())
    table.items.clear()

    assert budget.acquire(STREAM, LIMIT, clock() + timedelta(seconds=1)) == 0.0
    assert len(table.items) == 1


def test_a_table_that_never_agrees_is_given_up() -> None:
    clock, table = VirtualClock(), FakeTable()
    budget = RateBudget(table, clock, lambda _: table.items.clear() or table.items.update(changed()))

    def changed() -> dict[Any, Any]:
        return {("hostpms#PT-LIS-001", "rate#booking"): {"arrival": random.getrandbits(40)}}

    table.items.update(changed())
    budget.acquire(STREAM, LIMIT, clock())
    table.items.update(changed())

    with pytest.raises(StoreUnavailable):
        budget.acquire(STREAM, LIMIT, clock())


def test_the_pace_of_a_hundred_a_minute_is_as_its_reasoning_says() -> None:
    pace = Pace.of(100)

    assert pace.interval == pytest.approx(666_667)
    assert pace.tolerance == 4 * pace.interval
    assert (101 - 5) * pace.interval >= 64_000_000


def test_a_booking_comes_after_all_those_before_it() -> None:
    pace, arrival, waits = Pace.of(100), None, []
    for _ in range(8):
        booking = book(arrival, 1_000_000, pace)
        arrival = booking.arrival
        waits.append(booking.wait)

    assert waits == [0, 0, 0, 0, 0, pace.interval, 2 * pace.interval, 3 * pace.interval]
