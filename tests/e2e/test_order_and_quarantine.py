"""Whatever order deliveries come in, the newest content stands; what cannot be mapped waits until it can."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scripts.local.stack import LocalStack
from tests.e2e.hotels import Hotel, pousada
from tests.e2e.waiting import eventually, until_applied
from tests.factories import record, text

ORDERED, LATE, BROKEN = "PT-EVR-301", "PT-EVR-302", "PT-EVR-303"
BOOKED = datetime(2026, 3, 1, 9, tzinfo=UTC)
LIFE = ["pendente", "confirmado", "hospedado", "saiu"]


def reservation(hotel: Hotel, name: str, minute: int = 0, **changes: Any) -> bytes:
    dates = {"updated_at": (BOOKED + timedelta(minutes=minute)).isoformat()} | changes.pop("dates", {})
    return text(record("booking", reservation_id=name, property_id=hotel.property_id, dates=dates, **changes))


def waiting(hotel: Hotel) -> list[dict[str, Any]]:
    listed = pousada(hotel.local, "quarantine", "list", "--property-id", hotel.property_id, "--json")
    return [json.loads(line) for line in listed.stdout.splitlines()]


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (2, 0, 3, 1), (3, 0, 1, 2)], ids=str)
def test_deliveries_out_of_order_end_in_the_newest_content(deployed: LocalStack, order: tuple[int, ...]) -> None:
    hotel = Hotel(deployed, ORDERED).take_in()
    name = "RSV-" + "".join(map(str, order))

    for minute in order:
        hotel.accepts(reservation(hotel, name, minute, status=LIFE[minute], adults=minute + 1))
        until_applied(deployed)

    row = hotel.row("booking", name)
    assert row is not None
    assert (row["status"], row["adults"]) == ("checked_out", 4)
    assert row["source_updated_at"] == BOOKED + timedelta(minutes=3)


def test_deliveries_of_one_record_all_at_once_end_in_the_newest_content(deployed: LocalStack) -> None:
    hotel = Hotel(deployed, ORDERED).take_in()

    for minute in (1, 3, 0, 2):
        hotel.accepts(reservation(hotel, "RSV-RACE", minute, status=LIFE[minute]))
    until_applied(deployed)

    row = hotel.row("booking", "RSV-RACE")
    assert row is not None
    assert row["status"] == "checked_out"


def test_a_reservations_guest_never_overwrites_a_profile(deployed: LocalStack) -> None:
    hotel = Hotel(deployed, ORDERED).take_in()
    profile = record("guest", guest_id="G-KNOWN", property_id=hotel.property_id, primeiro_nome="Benedita")
    hotel.accepts(text(profile), "guest.created")
    eventually(lambda: hotel.row("guest", "G-KNOWN"), "the profile")

    hotel.accepts(reservation(hotel, "RSV-OTHER-NAME", 60, guest={"guest_id": "G-KNOWN", "name": "B. Qualquer"}))
    eventually(lambda: hotel.row("booking", "RSV-OTHER-NAME"), "the booking")

    guest = hotel.row("guest", "G-KNOWN")
    assert guest is not None
    assert (guest["first_name"], guest["loyalty_tier"]) == ("Benedita", "gold")


def test_a_record_that_breaks_a_rule_is_quarantined_with_its_reason_and_its_raw_object(deployed: LocalStack) -> None:
    hotel = Hotel(deployed, BROKEN).take_in()

    hotel.accepts(reservation(hotel, "RSV-BROKEN", dates={"check_out": "2024-03-20"}))

    (held,) = eventually(lambda: waiting(hotel), "the quarantined record")
    assert (held["reason"], held["field"]) == ("check_out_not_after_check_in", "check_out_date")
    assert [held["raw_key"]] == list(hotel.raw_objects())
    assert hotel.row("booking", "RSV-BROKEN") is None


def test_what_came_before_its_hotel_was_onboarded_is_resolved_by_a_retry_afterwards(deployed: LocalStack) -> None:
    hotel = Hotel(deployed, LATE)
    hotel.give_secret()
    hotel.accepts(reservation(hotel, "RSV-EARLY"))
    (held,) = eventually(lambda: waiting(hotel), "the quarantined record")
    assert held["reason"] == "unknown_property"

    hotel.register()
    pousada(deployed, "quarantine", "retry", "--property-id", LATE)

    row = eventually(lambda: hotel.row("booking", "RSV-EARLY"), "the row")
    assert row["raw_key"] == held["raw_key"]
    eventually(lambda: not waiting(hotel), "the quarantine to be empty")
