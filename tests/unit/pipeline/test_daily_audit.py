"""A hotel's audit, leg by leg: what it finds is what one look at everything finds, whatever the size of the legs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Malformed
from shared.model.mapping import Refusal, Row
from shared.pipeline import audit_orders, audit_window, daily_audit
from shared.pipeline.audit import Batches, Books, Finding, Totals, audit
from shared.pipeline.audit_orders import EveryHotel, HotelAudit
from shared.pipeline.audit_window import first_named
from shared.pipeline.daily_audit import Desk, Leg, audit_leg
from shared.pipeline.manifest import Manifest, ObjectAddress
from shared.storage.raw_lake import RawObject
from tests import factories
from tests.factories import GIVEN, envelope, minutes, page_key
from tests.fakes.lakes import FakeRawLake

ORDER = HotelAudit(vendor="hostpms", property_id="PT-LIS-001", since=date(2024, 3, 1), settled_before=minutes(24 * 60))
MANY_LEGS = 100


@dataclass
class Lake(FakeRawLake):
    """Of rooms; every key holds the same."""

    keys: Sequence[str]

    def __post_init__(self) -> None:
        super().__init__(dict.fromkeys(self.keys, envelope(GIVEN["room"], "room")))

    def list(self, prefix: str, after: str = "", at_once: int = 1_000) -> Iterator[RawObject]:
        return (RawObject(key, 1, minutes(0)) for key in sorted(self.objects) if key.startswith(prefix) and key > after)


@dataclass
class Manifests:
    finished: Sequence[Manifest | Malformed] = ()
    waiting: Sequence[Manifest | Malformed] = ()
    since: list[datetime] = field(default_factory=list)

    def pending(self) -> Iterator[Manifest | Malformed]:
        return iter(self.waiting)

    def done(self, since: datetime) -> Iterator[Manifest | Malformed]:
        self.since.append(since)
        return iter(self.finished)


class Rows:
    """A PostgreSQL that lacks the rows of some raw objects."""

    def __init__(self, *lacking: str) -> None:
        self._lacking = lacking

    def unaccounted(self, rows: Mapping[str, Sequence[Row]], refusals: Sequence[Refusal]) -> list[Finding]:
        return [Finding("row_missing", row.raw_key) for row in rows["room"] if row.raw_key in self._lacking]


class Clock:
    """Goes on by ``step`` at each look."""

    def __init__(self, step: float = 0) -> None:
        self._now, self._step = minutes(0), timedelta(seconds=step)

    def __call__(self) -> datetime:
        self._now += self._step
        return self._now


def room(number: int, property_id: str = "PT-LIS-001", day: str = "2024/03/01") -> str:
    return page_key("room", page=number, property_id=property_id).replace("2024/03/01", day)


def batch(*keys: str, number: int = 0) -> Manifest:
    return Manifest(
        f"20240301T1031{number:02d}Z-0123456789abcdef", minutes(0), tuple(ObjectAddress(k, 1) for k in keys)
    )


def desk(lake: Lake, manifests: Manifests, rows: Rows | None = None, clock: Clock | None = None) -> Desk:
    return Desk(lake, manifests, factories.context, rows or Rows(), clock or Clock(), minutes(1))


def legs(at: Desk, order: HotelAudit = ORDER) -> list[Leg]:
    done = [audit_leg(order, at)]
    while (continuation := done[-1].continuation) is not None:
        assert len(done) < MANY_LEGS
        assert continuation.after > order.after
        order = audit_orders.decode(msgspec.json.encode(continuation))  # type: ignore[assignment]
        done.append(audit_leg(order, at))
    return done


def found(some: list[Leg]) -> list[tuple[str, str]]:
    return sorted((finding.kind, finding.raw_key) for leg in some for finding in leg.findings)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three keys to a leg, two to a part."""
    monkeypatch.setattr(audit_window, "KEYS", 3)
    monkeypatch.setattr(audit_window, "OBJECTS_AT_ONCE", 2)


# -- One hotel -------------------------------------------------------------------------------------


def test_a_small_hotel_is_one_leg() -> None:
    keys = [room(number) for number in range(5)]
    (leg,) = legs(desk(Lake(keys), Manifests([batch(*keys)])))
    assert (leg.totals.objects, leg.totals.records, leg.findings, leg.continuation) == (5, 5, [], None)


def test_a_hotel_without_raw_objects_is_at_its_end() -> None:
    (leg,) = legs(desk(Lake([]), Manifests()))
    assert (leg.totals, leg.continuation) == (Totals(), None)


@pytest.mark.usefixtures("small")
def test_a_large_hotel_is_several_legs_none_of_which_holds_more_than_its_window() -> None:
    keys = [room(number) for number in range(20)]
    gone, lost = room(97), keys[11]
    done = legs(desk(Lake(keys), Manifests([batch(*keys[:8]), batch(*keys[8:-1], gone)]), Rows(lost)))
    assert len(done) > 6
    assert max(leg.totals.objects for leg in done) <= 3
    assert sum(leg.totals.objects for leg in done) == 20
    assert found(done) == [("not_in_a_batch", keys[-1]), ("raw_object_missing", gone), ("row_missing", lost)]


def test_where_time_runs_short_a_leg_ends_after_the_part_it_is_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_window, "OBJECTS_AT_ONCE", 2)
    keys = [room(number) for number in range(5)]
    done = legs(desk(Lake(keys), Manifests([batch(*keys)]), clock=Clock(step=120)))
    assert [leg.totals.objects for leg in done] == [2, 2, 1]
    assert done[0].continuation == msgspec.structs.replace(ORDER, after=keys[1])


def test_another_hotel_is_left_alone_whatever_its_name_begins_with() -> None:
    ours, theirs = room(1), room(2, property_id="PT-LIS-0010")
    (leg,) = legs(desk(Lake([ours, theirs]), Manifests([batch(ours, room(3, property_id="PT-LIS-0010"))])))
    assert (leg.totals.objects, leg.findings) == (1, [])


def test_only_the_days_asked_for_are_read() -> None:
    lake = Lake([room(1, day="2024/02/29"), room(2)])
    (leg,) = legs(desk(lake, Manifests([batch(room(2))])))
    assert (leg.totals.objects, lake.fetched) == (1, [room(2)])


def test_a_batch_of_the_evening_before_counts() -> None:
    """A vendor whose clock is ahead signs tomorrow's deliveries today."""
    manifests = Manifests([batch(room(1))])
    legs(desk(Lake([room(1)]), manifests))
    assert manifests.since == [datetime(2024, 2, 29, 23, tzinfo=UTC)]


@pytest.mark.parametrize("reads", [1, 2])
def test_a_batch_that_is_finished_while_the_manifests_are_read_is_not_missed(reads: int) -> None:
    manifests = FinishedMeanwhile(batch(room(1)), after=reads)
    (leg,) = legs(desk(Lake([room(1)]), manifests))
    assert leg.findings == ([] if reads == 1 else [Finding("batch_not_done", room(1))])


class FinishedMeanwhile(Manifests):
    """One batch moves from pending to done once the manifests have been read ``after`` times."""

    def __init__(self, moving: Manifest, after: int) -> None:
        super().__init__(waiting=[moving])
        self._reads_left = after

    def pending(self) -> Iterator[Manifest | Malformed]:
        yield from self._read(self.waiting)

    def done(self, since: datetime) -> Iterator[Manifest | Malformed]:
        yield from self._read(self.finished)

    def _read(self, found: Sequence[Manifest | Malformed]) -> Iterator[Manifest | Malformed]:
        yield from found
        self._reads_left -= 1
        if not self._reads_left:
            self.waiting, self.finished = (), self.waiting


def test_what_is_no_manifest_is_counted_and_keeps_nothing_back() -> None:
    broken = Malformed("not a manifest", reason="not_a_manifest")
    (leg,) = legs(desk(Lake([room(1)]), Manifests([broken, batch(room(1))], [broken])))
    assert (leg.unreadable, leg.findings) == (2, [])


def test_of_many_findings_some_are_kept_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_audit, "FINDINGS_TOLD", 4)
    keys = [room(number) for number in range(9)]
    (leg,) = legs(desk(Lake(keys), Manifests()))
    assert (len(leg.findings), leg.totals.found) == (4, {"not_in_a_batch": 9})


# -- Windows ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
def test_of_batches_that_name_far_more_than_a_window_the_first_keys_are_held() -> None:
    keys = [room(number) for number in range(90)]
    held = first_named(iter([batch(*keys[half::2], number=half) for half in range(2)]), ORDER.prefix, keys[9])
    assert sum(len(manifest.objects) for manifest in held.manifests) == 3
    assert held.last == keys[11]
    assert {manifest.batch_id for manifest in held.manifests} == {batch(number=half).batch_id for half in range(2)}


@pytest.mark.usefixtures("small")
def test_a_key_that_more_batches_name_than_a_window_holds_does_not_stop_the_audit() -> None:
    keys = [room(1), room(2)]
    done = legs(desk(Lake(keys), Manifests([batch(*keys, number=number) for number in range(7)])))
    assert sum(leg.totals.objects for leg in done) == 2
    assert found(done) == []


numbers = st.sets(st.integers(0, 30))


@given(numbers, st.lists(numbers, max_size=4), st.lists(numbers, max_size=2), numbers, st.integers(1, 7), st.data())
def test_leg_by_leg_exactly_that_is_found_which_one_look_at_everything_finds(
    there: set[int], done: list[set[int]], pending: list[set[int]], lacking: set[int], keys: int, data: Any
) -> None:
    def batches(of: list[set[int]]) -> list[Manifest]:
        return [batch(*map(room, sorted(some)), number=number) for number, some in enumerate(of)]

    lake, rows = Lake([room(number) for number in there]), Rows(*map(room, lacking))
    totals, objects = Totals(), lake.list(ORDER.prefix)
    books = Books(lake, factories.context, rows)
    whole = audit(objects, Batches(batches(done), batches(pending)), books, ORDER.settled_before, totals)
    wanted = sorted((finding.kind, finding.raw_key) for finding in whole)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_window, "KEYS", keys)
        patch.setattr(audit_window, "OBJECTS_AT_ONCE", data.draw(st.integers(1, 3)))
        clock = Clock(step=data.draw(st.sampled_from([0, 120])))
        some = legs(desk(lake, Manifests(batches(done), batches(pending)), rows, clock))

    assert found(some) == wanted
    assert sum((leg.totals.found for leg in some), totals.found - totals.found) == totals.found
    assert sum(leg.totals.objects for leg in some) == totals.objects == len(there)
    assert max(leg.totals.objects for leg in some) <= keys


# -- Orders ----------------------------------------------------------------------------------------


def test_an_order_is_read_as_it_was_written() -> None:
    for order in (ORDER, EveryHotel(), msgspec.structs.replace(ORDER, after=room(1))):
        assert audit_orders.decode(msgspec.json.encode(order)) == order


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        '{"audit": "nothing"}',
        '{"audit": "hotel", "vendor": "hostpms"}',
        '{"audit": "hotel", "vendor": "hostpms", "property_id": "P", "since": "2024-03-01",'
        ' "settled_before": "2024-03-01T00:00:00"}',
    ],
)
def test_what_is_no_order_is_refused(body: str) -> None:
    with pytest.raises(Malformed) as refused:
        audit_orders.decode(body)
    assert refused.value.reason == "not_an_audit_order"
