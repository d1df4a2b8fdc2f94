"""Reading a list that changes under the reader: whatever happens between two requests, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pipeline.list_walk import LARGEST_SKEW, Place, anchor, furthest, step
from shared.vendors.api_contract import Listed, ListPage
from tests.fakes.polling import START, ModelList, VirtualClock

BEFORE = START - timedelta(days=30)


class Reader:
    """Walks a list as ``polling`` does, and keeps what lands."""

    def __init__(self, listed: ModelList, overlap: timedelta = timedelta(0)) -> None:
        self._listed = listed
        self._overlap = overlap
        self.cursor: datetime | None = None
        self.landed: dict[int, int] = {}

    def walk(self, most: int = 3000) -> None:
        """``most``: of requests, before the walk dies and forgets its place."""
        started_at = self._listed.clock()
        place: Place | None = Place(self.cursor)
        for _ in range(most):
            if place is None:
                return
            # Also through JSON, as a continuation's place travels.
            place = msgspec.json.decode(msgspec.json.encode(place), type=Place)
            page = self._listed.page("booking", place.since, place.page)
            found = step(place, page)
            if found.land:
                self._land(page)
            if found.covered is not None:
                to = anchor(min(found.covered, started_at) - self._overlap)
                self.cursor = max(to, self.cursor or to)
            place = found.place
        assert most < 3000, "the walk does not end"

    def _land(self, page: ListPage) -> None:
        for record in page.records:
            content = msgspec.json.decode(record.payload)
            self.landed[content["id"]] = max(content["version"], self.landed.get(content["id"], 0))


class World:
    """A list and what befalls it, one event after each request."""

    def __init__(self, listed: ModelList, clock: VirtualClock) -> None:
        self.listed = listed
        self.clock = clock
        self.late = timedelta(0)

    def event(self, kind: str, number: int) -> Callable[[], None]:
        return {
            "change": lambda: self.listed.change(number),
            "add": lambda: self._add(),
            "remove": lambda: self.listed.remove(number),
            "tick": lambda: self.clock.sleep(number / 4),
            "add late": lambda: self._add(timedelta(seconds=number)),
            "nothing": lambda: None,
        }[kind]

    def _add(self, late: timedelta = timedelta(0)) -> None:
        self.listed.add(self.clock() - min(late, self.late))


EVENTS = st.tuples(st.sampled_from(["change", "change", "add", "remove", "tick", "nothing"]), st.integers(0, 25))
LATE_EVENTS = st.tuples(st.sampled_from(["change", "add late", "remove", "tick"]), st.integers(0, 25))
# Many records a second, since equal times are where page numbers cannot be avoided.
GAPS = st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.0, 0.3, 1.0, 2.5, 60.0]), max_size=25)
LISTS = st.fixed_dictionaries(
    {
        "per_page": st.integers(1, 4),
        "inclusive": st.booleans(),
        "coarse": st.booleans(),
        "obeys_since": st.sampled_from([True, True, True, False]),
        "tells_pages": st.booleans(),
    }
)


def world(shape: dict[str, object], gaps: list[float], lags: list[int] | None = None) -> World:
    clock = VirtualClock(BEFORE)
    listed = ModelList(clock, **shape)  # type: ignore[arg-type]
    for number, gap in enumerate(gaps):
        clock.sleep(gap)
        listed.add(lag=timedelta(seconds=lags[number % len(lags)] if lags else 0))
    return World(listed, clock)


def play(live: World, events: list[tuple[str, int]]) -> None:
    live.listed.between = iter([live.event(*event) for event in events])


@settings(max_examples=400, deadline=None)
@given(LISTS, GAPS, st.lists(EVENTS, max_size=30))
def test_what_stands_still_during_a_walk_has_landed_when_it_ends(
    shape: dict[str, object], gaps: list[float], events: list[tuple[str, int]]
) -> None:
    live = world(shape, gaps)
    before = dict(live.listed.rows)
    play(live, events)

    reader = Reader(live.listed)
    reader.walk()

    still = {number for number, row in before.items() if live.listed.rows.get(number) is row}
    assert still <= set(reader.landed)


@settings(max_examples=400, deadline=None)
@given(LISTS, GAPS, st.lists(st.lists(EVENTS, max_size=12), min_size=1, max_size=4))
def test_after_walks_among_changes_one_quiet_walk_has_the_latest_of_everything(
    shape: dict[str, object], gaps: list[float], runs: list[list[tuple[str, int]]]
) -> None:
    live = world(shape, gaps)
    reader = Reader(live.listed)
    for events in runs:
        play(live, events)
        reader.walk()

    live.listed.between = iter(())
    reader.walk()

    assert {number: reader.landed.get(number) for number in live.listed.rows} == live.listed.versions()


@settings(max_examples=300, deadline=None)
@given(LISTS, GAPS, st.lists(EVENTS, max_size=20), st.lists(st.integers(1, 12), max_size=4))
def test_walks_that_die_anywhere_and_start_again_from_the_cursor_lose_nothing(
    shape: dict[str, object], gaps: list[float], events: list[tuple[str, int]], deaths: list[int]
) -> None:
    live = world(shape, gaps)
    reader = Reader(live.listed)
    play(live, events)
    for most in deaths:
        reader.walk(most)

    live.listed.between = iter(())
    reader.walk()

    assert {number: reader.landed.get(number) for number in live.listed.rows} == live.listed.versions()


@settings(max_examples=300, deadline=None)
@given(LISTS, GAPS, st.lists(st.lists(LATE_EVENTS, max_size=12), min_size=1, max_size=4))
def test_a_record_that_appears_late_is_found_within_the_overlap(
    shape: dict[str, object], gaps: list[float], runs: list[list[tuple[str, int]]]
) -> None:
    live = world({**shape, "ties_by_id": True}, gaps)
    live.late = timedelta(seconds=20)
    reader = Reader(live.listed, overlap=live.late)
    for events in runs:
        play(live, events)
        reader.walk()

    live.listed.between = iter(())
    reader.walk()

    assert {number: reader.landed.get(number) for number in live.listed.rows} == live.listed.versions()


@settings(max_examples=300, deadline=None)
@given(LISTS, GAPS, st.lists(st.integers(0, 90), min_size=1, max_size=5), st.lists(EVENTS, max_size=20))
def test_records_that_print_an_older_time_than_they_are_ordered_by_are_not_lost(
    shape: dict[str, object], gaps: list[float], lags: list[int], events: list[tuple[str, int]]
) -> None:
    live = world(shape, gaps, lags)
    reader = Reader(live.listed)
    play(live, events)
    reader.walk()

    live.listed.between = iter(())
    reader.walk()

    assert {number: reader.landed.get(number) for number in live.listed.rows} == live.listed.versions()


@pytest.mark.parametrize("inclusive", [True, False])
def test_a_thousand_records_of_one_instant_are_read_in_little_more_than_their_pages(inclusive: bool) -> None:
    listed = ModelList(VirtualClock(), per_page=10, inclusive=inclusive)
    for _ in range(1000):
        listed.add(BEFORE)
    for number in range(50):
        listed.add(BEFORE + timedelta(hours=number + 1))

    reader = Reader(listed)
    reader.walk()

    assert set(reader.landed) == set(listed.rows)
    assert listed.requests < 1.3 * 105


def test_an_ordinary_list_takes_one_request_a_page_but_for_the_record_each_step_repeats() -> None:
    listed = ModelList(VirtualClock(), per_page=100)
    for number in range(1000):
        listed.add(BEFORE + timedelta(minutes=number))

    reader = Reader(listed)
    reader.walk()

    assert set(reader.landed) == set(listed.rows)
    assert listed.requests == 11


def test_a_quiet_list_takes_one_request() -> None:
    listed = ModelList(VirtualClock(), per_page=100)
    listed.add(BEFORE)
    reader = Reader(listed)
    reader.walk()
    reader.walk()

    assert listed.requests == 2


def test_a_list_in_descending_order_is_read_whole() -> None:
    listed = ModelList(VirtualClock(), per_page=3, ascending=False)
    for number in range(20):
        listed.add(BEFORE + timedelta(minutes=number))

    reader = Reader(listed)
    reader.walk()

    assert set(reader.landed) == set(listed.rows)


def test_records_without_a_time_land_and_do_not_stop_the_walk() -> None:
    listed = ModelList(VirtualClock(), per_page=3)
    for number in range(10):
        listed.add(BEFORE, dated=False)
        listed.add(BEFORE + timedelta(hours=number))

    reader = Reader(listed)
    reader.walk()

    assert set(reader.landed) == set(listed.rows)
    assert reader.cursor == BEFORE + timedelta(hours=9) - timedelta(seconds=1)


@pytest.mark.parametrize(
    "incredible",
    [START + LARGEST_SKEW + timedelta(seconds=1), datetime(2099, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)],
)
def test_an_incredible_time_does_not_move_the_cursor(incredible: datetime) -> None:
    page = answer([BEFORE, incredible], last=True)

    found = step(Place(), page)

    assert (found.land, found.covered, found.place) == (True, BEFORE, None)


def test_an_empty_list_ends_the_walk_and_leaves_the_cursor() -> None:
    assert step(Place(BEFORE), answer([], last=True)) == (True, None, None)


def test_a_vendor_that_never_says_last_is_stopped_by_an_empty_page() -> None:
    assert step(Place(BEFORE, 8, "out"), answer([], last=True)).place == Place(BEFORE, 7, "back", None, True)


def test_a_walk_goes_on_from_its_place_unless_the_cursor_has_overtaken_it() -> None:
    place = Place(BEFORE, 7, "back")

    assert furthest(place, None) == place
    assert furthest(place, BEFORE) == place
    assert furthest(place, START) == Place(START)
    assert furthest(Place(None, 7, "back"), BEFORE) == Place(BEFORE)
    assert furthest(None, None) == Place()


def answer(times: list[datetime], last: bool = False) -> ListPage:
    records = [Listed(msgspec.Raw(b"{}"), time) for time in times]
    return ListPage(records, last=last, pages=None, requested_at=START, waited=0.0)
