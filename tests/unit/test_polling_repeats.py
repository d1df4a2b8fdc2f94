"""What has landed already is not landed again, and yet nothing is lost: it only lands later."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import StoreUnavailable
from shared.pipeline.cursors import KNOWN_FOR, MOST_KNOWN, Cursor, cursor_at
from shared.pipeline.polling import Leg
from shared.vendors.api_contract import Listed, ListPage
from tests.fakes.polling import START, STREAM, Hotel, ModelList, VirtualClock

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def hotel(records: int = 3, **how: object) -> Hotel:
    """Its list has been polled once. The records are a minute apart, the newest two hours old."""
    place = Hotel(ModelList(VirtualClock(), **{"per_page": 10, **how}))  # type: ignore[arg-type]
    for number in range(records):
        place.listed.add(START - 2 * HOUR - (records - 1 - number) * MINUTE)
    place.poll()
    return place


def next_hour(place: Hotel) -> Leg:
    place.clock.sleep(3600)  # type: ignore[attr-defined]
    leg = place.poll()
    return [leg, *place.work_off()][-1]


# -- A list to which nothing happens ---------------------------------------------------------------


def test_a_poll_that_finds_what_the_last_one_landed_lands_nothing_and_succeeds() -> None:
    place = hotel()
    before, cursor = dict(place.raw.objects), place.cursors.at[STREAM]

    leg = next_hour(place)

    assert (leg.outcome, leg.fetched, leg.unchanged) == ("succeeded", 0, 3)
    assert leg.run is not None
    assert (leg.run.status, leg.run.finished_at) == ("succeeded", START + HOUR)
    assert (leg.run.fetched, leg.run.unchanged, leg.run.pages, leg.run.failed) == (0, 3, 0, 0)
    assert place.raw.objects == before
    assert place.cursors.at[STREAM] is cursor
    assert place.leases.held == {}


def test_nothing_is_written_beside_the_runs_record_and_its_lease() -> None:
    place = hotel()
    seen: list[str] = []
    around = place.faults.around
    place.faults.around = lambda name, effect: (seen.append(name), around(name, effect))[1]  # type: ignore[method-assign]

    next_hour(place)

    assert seen == ["leases.take", "runs.save", "runs.save", "leases.release"]


def test_it_lands_again_after_a_day_and_is_known_for_another() -> None:
    place = hotel()

    legs = [next_hour(place) for _ in range(48)]

    assert [number for number, leg in enumerate(legs, 1) if leg.fetched] == [24, 48]
    assert all(leg.outcome == "succeeded" for leg in legs)


def test_a_first_run_lands_all_and_so_does_one_without_its_cursor() -> None:
    place = hotel(7)
    assert place.run.unchanged == 0

    del place.cursors.at[STREAM]

    assert next_hour(place).fetched == 7


def test_a_list_that_is_empty_is_nothing_new_either() -> None:
    place = hotel()
    place.listed.rows.clear()

    leg = next_hour(place)

    assert (leg.outcome, leg.fetched, leg.unchanged) == ("succeeded", 0, 0)


# -- Whatever else there is lands, and with it all that is listed beside it -------------------------


def test_one_record_changed_lands_with_its_neighbours() -> None:
    place = hotel()
    place.clock.sleep(60)  # type: ignore[attr-defined]
    place.listed.change(1)

    assert (next_hour(place).fetched, place.raw.versions()) == (3, {0: 1, 1: 2, 2: 1})
    assert (next_hour(place).fetched, next_hour(place).unchanged) == (0, 1)


def test_one_changed_without_its_time_lands() -> None:
    place = hotel()
    place.listed.change(1, at=place.listed.rows[1].changed)

    assert (next_hour(place).fetched, place.raw.versions()) == (3, {0: 1, 1: 2, 2: 1})
    assert (next_hour(place).fetched, place.raw.versions()) == (0, place.listed.versions())


def test_one_that_goes_back_to_what_it_was_lands_as_that() -> None:
    place = hotel()
    before = place.listed.rows[2]
    place.listed.change(2, at=before.changed)
    next_hour(place)

    place.listed.rows[2] = before

    assert next_hour(place).fetched == 3
    assert last_received(place)[2] == 1


def test_one_that_appears_late_lands() -> None:
    place = hotel()
    place.listed.add(START - 2 * HOUR - 4 * MINUTE)

    assert (next_hour(place).fetched, place.raw.versions()) == (4, {0: 1, 1: 1, 2: 1, 3: 1})


def test_one_that_is_gone_is_not_missed() -> None:
    place = hotel()
    place.listed.remove(2)

    assert next_hour(place).unchanged == 2


def test_where_the_newest_is_gone_what_lands_is_known_all_the_same() -> None:
    place = hotel()
    place.listed.remove(2)
    place.listed.change(1, at=place.listed.rows[1].changed)

    assert [next_hour(place).fetched for _ in range(3)] == [2, 0, 0]


def test_of_several_of_one_instant_each_is_known_by_itself() -> None:
    place = hotel(0)
    for _ in range(5):
        place.listed.add(START - HOUR)
    place.poll()

    assert next_hour(place).unchanged == 5
    place.listed.change(3, at=START - HOUR)
    assert (next_hour(place).fetched, place.raw.versions()) == (5, place.listed.versions())
    assert next_hour(place).unchanged == 5


def test_of_several_pages_all_land_though_some_records_are_known() -> None:
    place = hotel(per_page=3)
    for _ in range(4):
        place.listed.add(START)

    leg = next_hour(place)

    assert (leg.unchanged, place.raw.versions()) == (0, place.listed.versions())
    assert {0, 1, 2} <= {record["id"] for record in records_of(place, leg)}


def test_more_than_a_page_of_known_records_lands_again_rather_than_be_guessed_at() -> None:
    place = Hotel(ModelList(VirtualClock(), per_page=3))
    for number in range(7):
        place.listed.add(START - HOUR + timedelta(seconds=20 * number))
    place.poll()

    assert next_hour(place).fetched >= 7


def test_one_without_a_time_lands_every_time() -> None:
    place = hotel(2)
    place.listed.add(dated=False)

    assert [next_hour(place).fetched for _ in range(3)] == [3, 3, 3]


def test_a_vendor_that_lists_its_history_each_time_is_landed_each_time() -> None:
    place = hotel(3, obeys_since=False)
    place.listed.add(START)

    assert [next_hour(place).fetched for _ in range(2)] == [4, 4]


# -- What did not come to its end is not known -----------------------------------------------------


def test_after_a_run_that_could_not_land_the_next_one_lands() -> None:
    place = hotel()
    place.listed.change(0, at=place.listed.rows[0].changed)
    place.faults.errors["raw.put"] = StoreUnavailable("S3")
    assert next_hour(place).outcome == "failed"
    place.faults.errors.clear()

    assert (next_hour(place).fetched, place.raw.versions()) == (3, {0: 2, 1: 1, 2: 1})


def test_after_a_run_whose_cursor_could_not_be_written_the_next_one_lands() -> None:
    place = hotel()
    place.listed.change(0, at=place.listed.rows[0].changed)
    place.faults.errors["cursors.advance"] = StoreUnavailable("DynamoDB")
    assert next_hour(place).outcome == "failed"
    place.faults.errors.clear()

    assert [next_hour(place).fetched for _ in range(2)] == [3, 0]


def test_a_run_that_found_nothing_is_not_a_reason_to_take_more_for_known() -> None:
    place = hotel()
    place.faults.errors["runs.save"] = StoreUnavailable("DynamoDB")
    assert next_hour(place).outcome == "failed"
    place.faults.errors.clear()

    assert next_hour(place).unchanged == 3


def test_a_continuation_that_finds_nothing_new_ends_the_run_well() -> None:
    place = hotel()
    place.clock.sleep(3600)  # type: ignore[attr-defined]
    place.seconds_a_leg = 1
    assert place.poll().outcome == "continued"
    place.seconds_a_leg = 300

    (leg,) = place.work_off()

    assert (leg.outcome, leg.fetched, leg.unchanged) == ("succeeded", 0, 3)


# -- With and without ------------------------------------------------------------------------------

HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["change", "change in place", "back", "add", "add late", "remove", "nothing", "nothing"]),
        st.integers(0, 9),
    ),
    max_size=3,
)
SHAPES = st.fixed_dictionaries(
    {
        "per_page": st.integers(2, 6),
        "inclusive": st.booleans(),
        "coarse": st.booleans(),
        "obeys_since": st.sampled_from([True, True, True, False]),
    }
)


def happen(place: Hotel, kind: str, number: int) -> None:
    rows = place.listed.rows
    row = rows.get(number)
    if kind == "add":
        place.listed.add()
    elif kind == "add late":
        place.listed.add(place.clock() - number * timedelta(seconds=20))
    elif kind == "remove":
        place.listed.remove(number)
    elif row and kind == "change":
        place.listed.change(number)
    elif row and kind == "change in place":
        place.listed.change(number, at=row.changed)
    elif row and kind == "back" and row.version > 1:
        row.version -= 1


def lived(shape: dict[str, object], hours: Iterable[list[tuple[str, int]]], landing_all: bool) -> Hotel:
    """Polled every hour, and for a day after the last."""
    with pytest.MonkeyPatch.context() as patch:
        if landing_all:
            patch.setattr(Cursor, "knows", lambda self, page, now: False)
        place = hotel(4, **shape)
        for happenings in [*hours, *[[]] * 25]:
            for kind, number in happenings:
                place.clock.sleep(7)  # type: ignore[attr-defined]
                happen(place, kind, number)
            assert next_hour(place).outcome == "succeeded"
    return place


@settings(max_examples=150, deadline=None)
@given(SHAPES, st.lists(HAPPENINGS, max_size=8))
def test_the_same_texts_land_and_the_same_of_each_record_last(
    shape: dict[str, object], hours: list[list[tuple[str, int]]]
) -> None:
    sparing, plain = lived(shape, hours, landing_all=False), lived(shape, hours, landing_all=True)

    assert texts(sparing) == texts(plain)
    assert last_received(sparing) == last_received(plain)
    assert len(sparing.raw.objects) <= len(plain.raw.objects)


@settings(max_examples=150, deadline=None)
@given(SHAPES, st.lists(HAPPENINGS, min_size=1, max_size=8), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_a_delivery_that_brings_an_old_text_back_is_put_right_wherever_it_was(
    shape: dict[str, object], hours: list[list[tuple[str, int]]], late: list[tuple[int, int]]
) -> None:
    """``late``: after which hour, of which record; it bears the record's own time, and another text than is listed."""
    sparing, plain = lived(shape, hours, landing_all=False), lived(shape, hours, landing_all=True)

    for hour, number in late:
        if number not in sparing.listed.rows or hour >= len(hours):
            continue
        received = START + (hour + 1) * HOUR + 30 * MINUTE
        put_right = {place: last_time(place, number) > received for place in (sparing, plain)}
        assert put_right[sparing] or not put_right[plain]


def texts(place: Hotel) -> set[bytes]:
    return {bytes(found.payload) for found in place.raw.envelopes()}


def last_received(place: Hotel) -> dict[int, int]:
    """The version of each record that was received last."""
    found = sorted(place.raw.envelopes(), key=lambda one: one.received_at)
    return {record["id"]: record["version"] for record in (msgspec.json.decode(one.payload) for one in found)}


def last_time(place: Hotel, number: int) -> datetime:
    return max(one.received_at for one in place.raw.envelopes() if msgspec.json.decode(one.payload)["id"] == number)


def records_of(place: Hotel, leg: Leg) -> list[dict[str, Any]]:
    """What has landed in its run."""
    assert leg.run is not None
    bodies = [body for key, body in place.raw.objects.items() if f"/{leg.run.run_id}-" in key]
    return [msgspec.json.decode(line)["payload"] for body in bodies for line in body.splitlines()]


# -- The cursor ------------------------------------------------------------------------------------


def page_of(*records: tuple[bytes, datetime | None]) -> ListPage:
    return ListPage([Listed(msgspec.Raw(text), at) for text, at in records], True, None, START, 0.0)


PAGE = page_of((b'{"id":1,"total":450.00}', START), (b'{"id": 2}', START - MINUTE))


@pytest.mark.parametrize(
    ("age", "known"),
    [(timedelta(0), True), (KNOWN_FOR - MINUTE, True), (KNOWN_FOR, False), (-MINUTE, False)],
)
def test_a_page_is_known_for_a_day_and_never_before_it_was_asked_for(age: timedelta, known: bool) -> None:
    assert cursor_at(START - HOUR, PAGE).knows(PAGE, START + age) is known


@pytest.mark.parametrize("text", [b'{"id":1,"total":450.0}', b'{"total":450.00,"id":1}', b'{"id": 1,"total":450.00}'])
def test_another_way_to_write_it_is_another_text(text: bytes) -> None:
    assert not cursor_at(START - HOUR, PAGE).knows(page_of((text, START)), START)


def test_of_what_is_older_than_the_cursor_or_without_a_time_nothing_is_known() -> None:
    cursor = cursor_at(START, page_of((b"1", START), (b"2", START - MINUTE), (b"3", None)))

    assert [cursor.knows(page_of((text, START)), START) for text in (b"1", b"2", b"3")] == [True, False, False]


def test_a_crowd_is_not_known_at_all() -> None:
    crowd = page_of(*((b"%d" % number, START) for number in range(MOST_KNOWN + 1)))

    assert cursor_at(START, crowd) == Cursor(START)
