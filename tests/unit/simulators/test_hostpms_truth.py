"""The truth: what it says is what a reader of the documentation must come to.

The reader here is Pousada's own mapping; the simulator shares no code with it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from scripts.simulators.hostpms.invalid_records import REASONS
from scripts.simulators.hostpms.records import encode
from scripts.simulators.hostpms.truth import truth_of
from scripts.simulators.hostpms.world import Hotel
from shared.errors import Unmappable
from shared.model.columns import content_columns
from shared.model.mapping import MappingContext
from shared.pipeline.transform import map_payload
from tests.unit.simulators.conftest import PROPERTIES, Life

REFUSED_AS = {reason: {reason} for reason in REASONS} | {"dates_missing": {"missing_field", "malformed_field"}}


@pytest.fixture(params=PROPERTIES)
def hotel(request: pytest.FixtureRequest, life: Life) -> Hotel:
    return life.world.hotel(request.param)


def mapped(hotel: Hotel, entity: str, record: Any) -> list[tuple[str, Any]]:
    context = MappingContext.of(hotel.property.id, hotel.property.zone.key)
    return map_payload("hostpms", entity, encode(record), context)


def test_every_record_of_the_truth_is_one_that_maps(hotel: Hotel) -> None:
    for entity, records in truth_of(hotel).records.items():
        assert records
        for record_id, record in records.items():
            assert record_id in [row.external_id for kind, row in mapped(hotel, entity, record) if kind == entity]


def test_every_refused_record_is_refused_for_the_reason_the_truth_gives(hotel: Hotel) -> None:
    refused = truth_of(hotel).refused
    assert len(refused["booking"]) >= len(REASONS) - 1
    for entity, reasons in refused.items():
        for record_id, reason in reasons.items():
            with pytest.raises(Unmappable) as caught:
                mapped(hotel, entity, hotel.ledger.refused(entity)[record_id].version.record)
            assert caught.value.facts["reason"] in REFUSED_AS[reason]


def test_no_id_is_both_valid_and_refused(hotel: Hotel) -> None:
    truth = truth_of(hotel)
    assert all(not set(truth.records[entity]) & set(truth.refused[entity]) for entity in truth.records)


def test_the_guests_are_the_profiles_and_those_known_through_reservations_alone(hotel: Hotel) -> None:
    truth = truth_of(hotel)
    guests = {
        row.id
        for entity in ("guest", "booking")
        for record in truth.records[entity].values()
        for kind, row in mapped(hotel, entity, record)
        if kind == "guest"
    }
    assert len(guests) == truth.counts["guest"] > len(truth.records["guest"])


def test_a_person_without_a_profile_is_the_same_in_every_reservation(life: Life) -> None:
    said: dict[Any, set[tuple[Any, ...]]] = defaultdict(set)
    columns = content_columns("guest")
    for event in life.events:
        if event.entity == "booking" and not event.refused:
            hotel = life.world.hotel(event.property_id)
            for kind, row in mapped(hotel, "booking", event.record):
                if kind == "guest":
                    said[row.id].add(tuple(getattr(row, column) for column in columns))
    without = [known for name in PROPERTIES for known in truth_of(life.world.hotel(name)).guests_without_profile]
    bookings = {booking for known in without for booking in known.reservation_ids}
    assert any(known.guest_id is None for known in without)
    assert any(len(known.reservation_ids) > 1 for known in without)
    for event in life.events:
        if event.entity == "booking" and event.record_id in bookings and not event.refused:
            hotel = life.world.hotel(event.property_id)
            profiles = truth_of(hotel).records["guest"]
            rows = [row for kind, row in mapped(hotel, "booking", event.record) if kind == "guest"]
            assert all(len(said[row.id]) == 1 for row in rows if row.external_id not in profiles)


def test_the_truth_as_json_counts_itself(hotel: Hotel) -> None:
    shown = truth_of(hotel).as_json()
    assert shown["counts"]["booking"] == len(shown["records"]["booking"])
    assert shown["counts"]["guest"] == len(shown["records"]["guest"]) + len(shown["guests_without_profile"])
