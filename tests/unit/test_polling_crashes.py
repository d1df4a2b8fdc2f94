"""A worker may die at any moment: before or after any call to any store, nothing that existed is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.pipeline.poll_orders import PollOrder
from tests.fakes.polling import START, STREAM, Hotel, Killed, ModelList, VirtualClock
from tests.unit.test_polling_repeats import hotel as quiet_hotel
from tests.unit.test_polling_repeats import last_received, next_hour

FRESH = PollOrder(**STREAM._asdict())
REDELIVERED_AFTER = timedelta(minutes=30)


def crowded_hotel() -> Hotel:
    """History, a crowd of one instant in the middle, and a time limit that cuts the run into legs."""
    listed = ModelList(VirtualClock(), per_page=3, seconds_a_page=40)
    for number in range(8):
        listed.add(START - timedelta(days=9, minutes=-number))
    for _ in range(14):
        listed.add(START - timedelta(days=5))
    for number in range(8):
        listed.add(START - timedelta(days=1, minutes=-number))
    return Hotel(listed)


def work(place: Hotel, order: PollOrder) -> None:
    """As the queue has it: an order whose worker died comes back, later, as it was."""
    waiting = [order]
    while waiting or place.queue.waiting:
        order = waiting.pop() if waiting else _next(place)
        try:
            place.poll(order)
        except Killed:
            place.clock.sleep(REDELIVERED_AFTER.total_seconds())
            waiting.append(order)


def _next(place: Hotel) -> PollOrder:
    place.queue.waiting.sort(key=lambda waiting: waiting[0])
    due, order = place.queue.waiting.pop(0)
    place.clock.now = max(place.clock.now, due)
    return order


def calls_of_an_undisturbed_run() -> int:
    place = crowded_hotel()
    work(place, FRESH)
    assert place.run.status == "succeeded"
    return place.faults.calls


CALLS = calls_of_an_undisturbed_run()


@pytest.mark.parametrize("after", [False, True], ids=["before it takes effect", "after it took effect"])
@pytest.mark.parametrize("kill_at", range(1, CALLS + 1))
def test_killed_at_any_store_call_everything_lands(kill_at: int, after: bool) -> None:
    place = crowded_hotel()
    place.faults.kill_at, place.faults.after = kill_at, after

    work(place, FRESH)

    assert place.faults.calls >= kill_at
    assert place.raw.versions() == place.listed.versions()
    assert place.raw.overwritten == []


@pytest.mark.parametrize("kill_at", range(1, CALLS + 1))
def test_killed_and_its_order_lost_the_next_hours_order_does_it_all(kill_at: int) -> None:
    place = crowded_hotel()
    place.faults.kill_at, place.faults.after = kill_at, True
    try:
        work_once(place)
    except Killed:
        place.queue.waiting.clear()
    place.clock.sleep(3600)

    work(place, FRESH)

    assert place.raw.versions() == place.listed.versions()
    assert sum(run.status in ("running", "continued") for run in place.runs.records.values()) == 0


def work_once(place: Hotel) -> None:
    place.poll(FRESH)
    while place.queue.waiting:
        place.poll(_next(place))


def test_the_store_calls_of_this_run_cover_every_kind() -> None:
    place = crowded_hotel()
    seen: list[str] = []
    around = place.faults.around
    place.faults.around = lambda name, effect: (seen.append(name), around(name, effect))[1]  # type: ignore[method-assign]

    work(place, FRESH)

    assert set(seen) == {
        "leases.take", "leases.reserve", "leases.release", "runs.save", "raw.put", "cursors.advance", "queue.send"
    }  # fmt: skip
    assert CALLS > 40


# -- Hours, of which some bring nothing new --------------------------------------------------------


def story(place: Hotel) -> None:
    """Hours with and without something new, of all kinds; whatever dies is tried again an hour later."""

    def change_the_newest_in_place() -> None:
        newest = max(place.listed.rows.values(), key=lambda row: row.changed)
        place.listed.change(newest.id, at=newest.changed)

    happens: list[Callable[[], object]] = [
        lambda: None,
        change_the_newest_in_place,
        lambda: None,
        place.listed.add,
        change_the_newest_in_place,
        lambda: [place.listed.add() for _ in range(5)],
        lambda: None,
    ]
    for happening in happens:
        happening()
        try:
            next_hour(place)
        except Killed:
            place.queue.waiting.clear()


def calls_of_the_story() -> int:
    place = quiet_hotel()
    before = place.faults.calls
    story(place)
    return place.faults.calls - before


@pytest.mark.parametrize("after", [False, True], ids=["before it takes effect", "after it took effect"])
@pytest.mark.parametrize("kill_at", range(1, calls_of_the_story() + 1))
def test_killed_at_any_store_call_the_text_received_last_is_the_vendors(kill_at: int, after: bool) -> None:
    place = quiet_hotel()
    place.faults.kill_at, place.faults.after = place.faults.calls + kill_at, after

    story(place)
    next_hour(place)

    assert last_received(place) == place.raw.versions() == place.listed.versions()
    assert next_hour(place).fetched == 0
