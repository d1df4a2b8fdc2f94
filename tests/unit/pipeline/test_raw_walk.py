"""A walk over the raw lake finds what came since a day, and reads nothing of the years before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.cost import figures
from scripts.simulators.hostpms import World
from shared.pipeline import raw_walk
from shared.pipeline.raw_walk import FEW, MANY, objects_under
from shared.storage.raw_lake import RawObject

HOTEL = "hostpms/PT-LIS-001/"
BOOKINGS, GUESTS = f"{HOTEL}polling/booking/", f"{HOTEL}webhooks/guest.created/"
FIRST_OF_MARCH = date(2026, 3, 1)


class Lake:
    def __init__(self, *keys: str) -> None:
        self.keys = sorted(keys)
        self.requests = 0

    def list(self, prefix: str, after: str = "", at_once: int = 1_000) -> Iterator[RawObject]:
        for number, key in enumerate(key for key in self.keys if key.startswith(prefix) and key > after):
            # As S3 does: so many at a time, asked for when they are needed.
            self.requests += number % at_once == 0
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


def test_of_each_folder_the_days_before_are_skipped() -> None:
    history = [f"{date(2019, 1, 1) + timedelta(days=number):%Y/%m/%d}" for number in range(2_000)]
    late = days(BOOKINGS, "2026/03/01", "2026/03/02") + days(GUESTS, "2026/03/01")
    lake = Lake(*days(BOOKINGS, *history), *days(GUESTS, *history), *late)

    assert walked(lake) == late
    # What lies first, the late bookings with the first guests, and the late guests: of four thousand keys.
    assert lake.requests == 3


def test_what_a_request_has_brought_besides_is_looked_at_before_another_is_made() -> None:
    history = [f"{date(2026, 2, 9) + timedelta(days=number):%Y/%m/%d}" for number in range(21)]
    folders = [f"{HOTEL}webhooks/{event}/" for event in ("guest.created", "guest.updated", "payment.received")]
    lake = Lake(*(key for folder in folders for key in days(folder, *history)))

    assert walked(lake) == [key for folder in folders for key in days(folder, "2026/03/01")]
    assert lake.requests == 1


def test_a_simulated_hotel_s_day_costs_a_request_for_each_of_its_thirteen_folders() -> None:
    requests = {}
    for year in (1 / 12, 1):
        lake = Lake(*a_hotel_s(round(365 * year)))
        yesterday = FIRST_OF_MARCH + timedelta(days=round(365 * year) - 2)
        late = [key for key in lake.keys if f"{yesterday:%Y/%m/%d}" <= "/".join(key.split("/")[4:7])]
        assert walked(lake, since=yesterday) == late
        requests[year] = lake.requests

    assert requests[1 / 12] < requests[1] == figures.LISTS_A_HOTEL.value


def test_a_busy_day_is_read_by_as_many_keys_at_once_as_s3_gives() -> None:
    lake = Lake(*(f"{BOOKINGS}2026/03/01/{number:05}.json" for number in range(FEW + 3 * MANY)))

    assert walked(lake) == lake.keys
    assert lake.requests <= 1 + 3 + 1


def a_hotel_s(number_of_days: int) -> Iterator[str]:
    """As many raw keys as the simulated hotel leads to, by folder."""
    world = World(7, ["PT-LIS-001"], date(2024, 3, 1), rooms=40, history_days=60)
    a_day = {f"webhooks/{event}": count / 60 for event, count in Counter(it.name for it in world.live(60)).items()}
    a_day |= dict.fromkeys(("polling/booking", "polling/guest", "polling/payment", "polling/room"), 24.0)
    for folder, count in a_day.items():
        for number in range(round(count * number_of_days)):
            day = FIRST_OF_MARCH + timedelta(days=int(number / count))
            yield f"{HOTEL}{folder}/{day:%Y/%m/%d}/{number:06}.json"


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
    ),
    st.sampled_from([(1, 2), (2, 3), (3, 3), (100, 1_000)]),
)
def test_a_walk_ends_and_never_goes_back_however_a_day_is_written_and_however_many_keys_a_request_brings(
    keys: set[str], at_once: tuple[int, int]
) -> None:
    with mock.patch.multiple(raw_walk, FEW=at_once[0], MANY=at_once[1]):
        found = walked(Lake(*keys))

    assert found == sorted(set(found))
    padded = {key for key in keys if all(len(part) > 1 for part in key.split("/")[4:7])}
    late = {key for key in padded if key.split("/")[4:7] >= ["2026", "03", "01"]}
    assert late <= set(found) <= keys - (padded - late)
