"""Raw objects that no manifest names; and whose turn it is to be looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from shared.errors import Malformed, StoreUnavailable
from shared.pipeline.manifest import Manifest, ObjectAddress
from shared.pipeline.raw_walk import MANY
from shared.pipeline.unbatched import HOTELS_AT_ONCE, LOOKED_BACK, SETTLED_AFTER, Rota, unbatched
from shared.storage.raw_lake import RawObject

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOTEL, OTHER = ("hostpms", "PT-LIS-001"), ("hostpms", "PT-LIS-0010")


@dataclass
class Lake:
    landed: dict[str, timedelta] = field(default_factory=dict)
    """Key → how long ago."""
    asked: list[str] = field(default_factory=list)

    def list(self, prefix: str, after: str = "", at_once: int = 1_000) -> Iterator[RawObject]:
        self.asked.append(prefix)
        for key in sorted(self.landed):
            if key.startswith(prefix) and key > after:
                yield RawObject(key, 1, NOW - self.landed[key])


@dataclass
class Manifests:
    waiting: list[Manifest | Malformed] = field(default_factory=list)
    finished: list[Manifest | Malformed] = field(default_factory=list)
    asked: list[datetime | None] = field(default_factory=list)

    def pending(self) -> Iterator[Manifest | Malformed]:
        self.asked.append(None)
        return iter(self.waiting)

    def done(self, since: datetime) -> Iterator[Manifest | Malformed]:
        self.asked.append(since)
        return iter(self.finished)


def key(number: int, hotel: tuple[str, str] = HOTEL, day: str = "2024/03/01") -> str:
    return f"{'/'.join(hotel)}/polling/room/{day}/run-{number:05d}.ndjson.gz"


def naming(*keys: str) -> Manifest:
    return Manifest("batch", NOW, tuple(ObjectAddress(one, 1) for one in keys))


HOURS_3 = timedelta(hours=3)


def test_an_object_in_no_manifest_is_found_and_one_in_any_is_not() -> None:
    lake = Lake({key(number): HOURS_3 for number in range(4)})
    manifests = Manifests([naming(key(0))], [naming(key(1)), Malformed("not a manifest"), naming(key(2))])

    assert unbatched([HOTEL], lake, manifests, NOW) == [key(3)]


@pytest.mark.parametrize(
    ("ago", "found"),
    [
        (SETTLED_AFTER - timedelta(seconds=1), False),
        (SETTLED_AFTER + timedelta(seconds=1), True),
        (LOOKED_BACK, True),
        (LOOKED_BACK + timedelta(seconds=1), False),
    ],
)
def test_what_landed_just_now_has_time_and_what_landed_long_ago_is_the_audits(ago: timedelta, found: bool) -> None:
    landed = key(1, day=f"{NOW - ago:%Y/%m/%d}")

    assert unbatched([HOTEL], Lake({landed: ago}), Manifests(), NOW) == ([landed] if found else [])


def test_other_hotels_are_not_looked_at() -> None:
    lake = Lake({key(1, OTHER): HOURS_3})

    assert unbatched([HOTEL], lake, Manifests(), NOW) == []
    assert unbatched([OTHER], lake, Manifests(), NOW) == [key(1, OTHER)]


def test_hotels_are_looked_at_side_by_side_and_each_for_itself() -> None:
    together = Barrier(HOTELS_AT_ONCE, timeout=60)

    class Waiting(Lake):
        def list(self, prefix: str, after: str = "", at_once: int = 1_000) -> Iterator[RawObject]:
            together.wait()
            return super().list(prefix, after, at_once)

    hotels = [("hostpms", f"PT-{number:04d}") for number in range(HOTELS_AT_ONCE)]
    lake = Waiting({key(1, hotel): HOURS_3 for hotel in hotels})

    assert unbatched(hotels, lake, Manifests(), NOW) == [key(1, hotel) for hotel in hotels]


def test_a_lake_that_does_not_answer_for_one_hotel_is_told() -> None:
    class Silent(Lake):
        def list(self, prefix: str, after: str = "", at_once: int = 1_000) -> Iterator[RawObject]:
            if OTHER[1] in prefix:
                raise StoreUnavailable("no answer", store="s3")
            return super().list(prefix, after, at_once)

    with pytest.raises(StoreUnavailable):
        unbatched([HOTEL, OTHER], Silent({key(1): HOURS_3}), Manifests(), NOW)


def test_manifests_are_read_only_if_there_is_something_to_look_for_and_pending_before_done() -> None:
    manifests = Manifests()
    unbatched([HOTEL], Lake(), manifests, NOW)
    assert manifests.asked == []

    unbatched([HOTEL], Lake({key(1): HOURS_3}), manifests, NOW)
    assert manifests.asked == [None, NOW - LOOKED_BACK - timedelta(hours=1)]


def test_days_before_are_skipped_and_not_read() -> None:
    old = {key(number, day="2024/02/01"): timedelta(days=29) for number in range(2 * MANY)}
    lake = Lake({**old, key(1): HOURS_3})

    assert unbatched([HOTEL], lake, Manifests(), NOW) == [key(1)]
    assert len(lake.asked) == 2


@pytest.mark.parametrize(("every", "cycle"), [(5, 120), (5, 5), (30, 120), (15, 720), (10, 25)])
def test_every_hotel_has_one_turn_in_each_cycle(every: int, cycle: int) -> None:
    rota = Rota(timedelta(minutes=every), timedelta(minutes=cycle))
    hotels = [("hostpms", f"PT-{number:04d}") for number in range(500)]
    passes = cycle // every
    turns = Counter(
        hotel
        for number in range(passes)
        for hotel in hotels
        # Not to the second: a schedule starts within its minute.
        if rota.takes(hotel, NOW + number * rota.every + timedelta(seconds=(number * 7) % 59))
    )

    assert set(turns.values()) == {1}
    assert len(turns) == len(hotels)


def test_a_pass_has_its_share_of_the_hotels() -> None:
    rota = Rota(timedelta(minutes=5), timedelta(minutes=120))

    taken = sum(rota.takes(("hostpms", f"PT-{number:04d}"), NOW) for number in range(1000))

    assert 20 < taken < 70


def test_what_is_looked_at_reaches_back_for_longer_than_the_longest_cycle() -> None:
    assert 2 * timedelta(minutes=720) <= LOOKED_BACK - SETTLED_AFTER
