"""A walk over the raw lake finds what came since a day, and reads nothing of the years before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pipeline.raw_walk import objects_under
from shared.storage.raw_lake import RawObject

HOTEL = "hostpms/PT-LIS-001/"
BOOKINGS, GUESTS = f"{HOTEL}polling/booking/", f"{HOTEL}webhooks/guest.created/"
FIRST_OF_MARCH = date(2026, 3, 1)


class Lake:
    def __init__(self, *keys: str) -> None:
        self.keys = sorted(keys)
        self.listed: list[str] = []

    def list(self, prefix: str, after: str = "") -> Iterator[RawObject]:
        for key in self.keys:
            if key.startswith(prefix) and key > after:
                self.listed.append(key)
                yield RawObject(key, 1)


def walked(lake: Lake, prefix: str = HOTEL, since: date | None = FIRST_OF_MARCH, after: str = "") -> list[str]:
    return [found.key for found in objects_under(lake, prefix, since, after)]


def days(folder: str, *each: str) -> list[str]:
    return [f"{folder}{day}/x-00001.ndjson.gz" for day in each]


def test_since_looks_at_the_day_in_the_key() -> None:
    early, late = days(BOOKINGS, "2026/02/28", "2026/03/01")
    lake = Lake(early, late)

    assert walked(lake, since=None) == [early, late]
    assert walked(lake) == [late]


def test_of_each_folder_the_days_before_are_skipped_after_the_first() -> None:
    history = [f"{date(2019, 1, 1) + timedelta(days=number):%Y/%m/%d}" for number in range(2_000)]
    late = days(BOOKINGS, "2026/03/01", "2026/03/02") + days(GUESTS, "2026/03/01")
    lake = Lake(*days(BOOKINGS, *history), *days(GUESTS, *history), *late)

    assert walked(lake) == late
    assert len(lake.listed) == len(late) + 2


def test_a_walk_goes_on_behind_a_key() -> None:
    keys = days(BOOKINGS, "2026/02/01", "2026/03/01", "2026/03/02") + days(GUESTS, "2026/02/01", "2026/03/01")

    assert walked(Lake(*keys), after=keys[1]) == [keys[2], keys[4]]
    assert walked(Lake(*keys), after=keys[4]) == []


@pytest.mark.parametrize("odd", [f"{BOOKINGS}odd.json", f"{BOOKINGS}2026/13/99/c-00001.ndjson.gz", f"{HOTEL}notes.txt"])
def test_a_key_whose_day_cannot_be_read_is_not_left_out(odd: str) -> None:
    assert walked(Lake(*days(BOOKINGS, "2025/01/01"), odd)) == [odd]


segments = st.sampled_from(["polling/booking", "polling/guest", "webhooks/guest.created"])
written = st.sampled_from(["{:%Y/%m/%d}", "{0.year}/{0.month}/{0.day}"])
raw_days = st.dates(date(2025, 12, 1), date(2026, 4, 1))


@given(
    st.sets(
        st.builds(lambda folder, form, day: f"{HOTEL}{folder}/{form.format(day)}/x-1.json", segments, written, raw_days)
    )
)
def test_a_walk_ends_and_never_goes_back_however_a_day_is_written(keys: set[str]) -> None:
    found = walked(Lake(*keys))

    assert found == sorted(set(found))
    padded = {key for key in keys if all(len(part) > 1 for part in key.split("/")[4:7])}
    late = {key for key in padded if key.split("/")[4:7] >= ["2026", "03", "01"]}
    assert late <= set(found) <= keys - (padded - late)
