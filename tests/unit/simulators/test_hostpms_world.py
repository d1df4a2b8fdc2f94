"""The world: deterministic, possible, and like a hotel's."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from scripts.simulators.hostpms.entities import Room
from scripts.simulators.hostpms.faults import Faults
from scripts.simulators.hostpms.people import Population
from scripts.simulators.hostpms.properties import kinds_of, property_named
from scripts.simulators.hostpms.quirks import Quirks
from scripts.simulators.hostpms.records import encode
from scripts.simulators.hostpms.rooms_calendar import RoomsCalendar
from scripts.simulators.hostpms.tariff import price
from scripts.simulators.hostpms.world import World
from tests.unit.simulators.conftest import PROPERTIES, Life

START = date(2026, 3, 1)
_BEFORE = {
    "reservation.created": {""},
    "reservation.updated": {"reservation.created", "reservation.updated"},
    "reservation.cancelled": {"reservation.created", "reservation.updated"},
    "reservation.no_show": {"reservation.created", "reservation.updated"},
    "reservation.check_in": {"reservation.created", "reservation.updated"},
    "reservation.check_out": {"reservation.check_in"},
}


def small_world(seed: int = 3, **changes: object) -> World:
    return World(seed, PROPERTIES, START, **{"rooms": 6, "history_days": 20, **changes})  # type: ignore[arg-type]


def told(world: World, days: int = 10) -> list[bytes]:
    return [encode([event.at, event.name, event.record]) for event in world.live(days)]


def test_the_same_seed_lives_the_same_life_to_the_last_byte() -> None:
    assert told(small_world()) == told(small_world())


def test_another_seed_lives_another_life() -> None:
    assert told(small_world(3)) != told(small_world(4))


def test_invalid_records_change_nothing_about_the_valid_ones() -> None:
    sound, unsound = small_world(), small_world(faults=Faults(invalid_records=0.5))
    told(sound), told(unsound)
    for name in PROPERTIES:
        for entity in ("booking", "guest", "room", "payment"):
            assert unsound.hotel(name).ledger.versions(entity) == sound.hotel(name).ledger.versions(entity)


def test_events_come_in_the_order_of_their_time(life: Life) -> None:
    assert all(before.at <= after.at for before, after in pairwise(life.events))


def test_every_event_name_happens(life: Life) -> None:
    names = {event.name for event in life.events}
    assert names == {*_BEFORE, "payment.received", "guest.created", "room.status_changed"}


def test_every_change_of_a_record_raises_its_updated_at(life: Life) -> None:
    seen: dict[tuple[str, str, str], datetime] = {}
    for event in life.events:
        key = (event.property_id, event.entity, event.record_id)
        assert key not in seen or seen[key] < event.updated_at
        seen[key] = event.updated_at
    assert len(seen) < len(life.events)


def test_a_booking_goes_only_the_ways_a_booking_can_go(life: Life) -> None:
    lives: dict[tuple[str, str], list[str]] = defaultdict(list)
    for event in life.events:
        if event.entity == "booking" and not event.refused:
            lives[event.property_id, event.record_id].append(event.name)
    for steps in lives.values():
        # What began in the history was never announced as created.
        first = ["", *steps] if steps[0] == "reservation.created" else steps
        assert all(before in _BEFORE[after] for before, after in pairwise(first))


def test_no_room_is_promised_to_two_guests_for_one_night(life: Life) -> None:
    for name, hotel in life.world.hotels.items():
        nights: Counter[tuple[str, date]] = Counter()
        for version in hotel.ledger.versions("booking").values():
            record = version.record
            if "cancelad" in record["status"] or record["status"] in (
                "anulado",
                "no_show",
                "nao_compareceu",
                "no_presentado",
            ):
                continue
            # An undocumented status hides whether the booking stands.
            if record["status"] == "em_validacao":
                continue
            first, last = (date.fromisoformat(record["dates"][key]) for key in ("check_in", "check_out"))
            for ordinal in range(first.toordinal(), last.toordinal()):
                nights[record["room"]["number"], date.fromordinal(ordinal)] += 1
        assert max(nights.values()) == 1, name


def test_history_is_on_record_and_was_never_announced(life: Life) -> None:
    announced = {(event.property_id, event.record_id) for event in life.events if event.entity == "booking"}
    start = datetime.combine(START, time(), UTC)
    for name, hotel in life.world.hotels.items():
        older = [version for version in hotel.ledger.versions("booking").values() if version.updated_at < start]
        assert older
        assert not announced & {(name, version.id) for version in older}
    assert all(event.at >= start for event in life.events)


def test_some_changes_are_only_told_by_the_list(life: Life) -> None:
    last_told = {(event.property_id, event.entity, event.record_id): event.updated_at for event in life.events}
    silent = Counter(
        entity
        for name, hotel in life.world.hotels.items()
        for entity in ("guest", "payment")
        for version in hotel.ledger.versions(entity).values()
        if (known := last_told.get((name, entity, version.id))) is not None and known < version.updated_at
    )
    assert silent["guest"] > 0
    assert silent["payment"] > 0


def test_a_hotel_of_25_rooms_makes_some_600_bookings_in_90_days_mostly_by_otas() -> None:
    world = World(7, ["PT-LIS-001"], START)
    created = [event for event in world.live(90) if event.name == "reservation.created"]
    channels = Counter(event.record["channel"] for event in created)
    otas = sum(channels[word] for word in ("booking_com", "expedia", "airbnb", "hotelbeds"))
    assert 480 <= len(created) <= 750
    assert 0.48 <= otas / len(created) <= 0.65


def test_volume_goes_with_the_number_of_rooms() -> None:
    few, many = (len(told(small_world(rooms=rooms), 20)) for rooms in (5, 20))
    assert 2.5 < many / few < 6


def test_credentials_are_a_propertys_own() -> None:
    world = small_world()
    assert world.credentials("PT-LIS-001") == small_world().credentials("PT-LIS-001")
    assert world.credentials("PT-LIS-001") != world.credentials("ES-MAD-001")
    with pytest.raises(KeyError):
        world.credentials("PT-OPO-001")


def test_a_property_of_a_country_the_pms_does_not_serve_is_refused() -> None:
    with pytest.raises(ValueError, match="PT, ES"):
        property_named("FR-PAR-001")


def test_the_mix_of_rooms_is_the_usual_one_whatever_the_size() -> None:
    assert Counter(kinds_of(100))["double"] == 36
    assert kinds_of(1) == ["double"]


def test_no_two_people_share_an_address_or_a_tax_id() -> None:
    population = Population(Random(1), "PT")
    people = [population.person() for _ in range(3000)]
    tax_ids = [person.tax_id for person in people if person.tax_id]
    assert len({person.email for person in people}) == len(people)
    assert len(set(tax_ids)) == len(tax_ids) > 500


def test_a_stay_costs_the_sum_of_its_nights_with_tax_inside_and_city_tax_beside() -> None:
    lisbon = property_named("PT-LIS-001")
    # Thursday to Saturday in April: an ordinary night and a Friday (14 % more) at 102 euro.
    stay = price(lisbon, "double", date(2026, 4, 16), date(2026, 4, 18), "flexible", adults=2)
    assert stay.total == Decimal("102.00") + Decimal("116.28")
    assert stay.vat == Decimal("12.36")
    assert stay.city_tax == Decimal("16.00")


def test_city_tax_ends_with_the_seventh_night() -> None:
    lisbon = property_named("PT-LIS-001")
    assert price(lisbon, "double", date(2026, 4, 1), date(2026, 4, 15), "flexible", 1).city_tax == Decimal("28.00")


class TestRoomsCalendar:
    room = Room(id="R-101", number="101", floor=1, kind="double", quirks=Quirks(), base_rate=Decimal(100))

    def test_a_room_is_free_again_the_morning_its_guest_leaves(self) -> None:
        calendar = RoomsCalendar([self.room])
        calendar.take(self.room, "first", date(2026, 4, 1), date(2026, 4, 3))
        assert calendar.find(["double"], date(2026, 4, 3), date(2026, 4, 4)) is self.room
        assert calendar.find(["double"], date(2026, 4, 2), date(2026, 4, 4)) is None

    def test_a_night_is_not_promised_twice(self) -> None:
        calendar = RoomsCalendar([self.room])
        calendar.take(self.room, "first", date(2026, 4, 1), date(2026, 4, 3))
        with pytest.raises(ValueError, match="R-101"):
            calendar.take(self.room, "second", date(2026, 4, 2), date(2026, 4, 5))

    def test_a_booking_may_move_over_its_own_nights(self) -> None:
        calendar = RoomsCalendar([self.room])
        calendar.take(self.room, "first", date(2026, 4, 1), date(2026, 4, 3))
        calendar.take(self.room, "first", date(2026, 4, 2), date(2026, 4, 4))
        assert calendar.is_free(self.room, date(2026, 4, 1), date(2026, 4, 2))
