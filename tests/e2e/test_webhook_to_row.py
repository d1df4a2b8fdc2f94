"""A delivery's road: webhook, raw object, row. Seconds, and nothing of it changed on the way."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from scripts.local.stack import LocalStack
from shared.pipeline import envelope
from shared.vendors.hostpms.webhook import EVENTS
from tests.e2e.hotels import Hotel
from tests.e2e.waiting import eventually
from tests.factories import GIVEN_RESERVATION, record, text

PROPERTY = "PT-CBR-101"

ID_FIELDS = {"booking": "reservation_id", "guest": "guest_id", "room": "room_id", "payment": "payment_id"}
SAYS: dict[str, tuple[dict[str, Any], tuple[str, object]]] = {
    "reservation.created": ({"status": "confirmado"}, ("status", "confirmed")),
    "reservation.updated": ({"status": "pendente"}, ("status", "pending")),
    "reservation.cancelled": ({"status": "cancelado"}, ("status", "cancelled")),
    "reservation.check_in": ({"status": "hospedado"}, ("status", "checked_in")),
    "reservation.check_out": ({"status": "saiu"}, ("status", "checked_out")),
    "reservation.no_show": ({"status": "nao_compareceu"}, ("status", "no_show")),
    "payment.received": ({"valor": "1250,50"}, ("amount", Decimal("1250.50"))),
    "guest.created": ({"fidelidade": "ouro"}, ("loyalty_tier", "gold")),
    "room.status_changed": ({"estado": "sujo"}, ("status", "dirty")),
}
"""Event → what its record says, and what the row then holds."""


@pytest.fixture(scope="module")
def hotel(deployed: LocalStack) -> Hotel:
    return Hotel(deployed, PROPERTY).take_in()


def given_reservation(reservation_id: str, guest_id: str) -> bytes:
    """The product's own example, under ids of this hotel."""
    ours = {"PT-LIS-001": PROPERTY, "RSV-12345": reservation_id, "G-77": guest_id}
    body = GIVEN_RESERVATION
    for theirs, mine in ours.items():
        body = body.replace(theirs, mine)
    return body.encode()


def test_a_delivery_lies_byte_for_byte_under_the_key_that_it_names(hotel: Hotel) -> None:
    body = given_reservation("RSV-RAW", "G-RAW")
    signed_at = datetime(*datetime.now(UTC).timetuple()[:6], tzinfo=UTC)

    answer = hotel.deliver(body, headers=hotel.sign(body, signed_at))

    assert answer.json() == {"result": "accepted"}
    name = f"{int(signed_at.timestamp()) * 1000}-{sha256(body).hexdigest()[:16]}"
    key = f"hostpms/{PROPERTY}/webhooks/reservation.created/{signed_at:%Y/%m/%d}/{name}.json"
    landed = envelope.decode(hotel.raw_object(key))
    assert bytes(landed.payload) == body
    assert (landed.vendor, landed.property_id, landed.channel) == ("hostpms", PROPERTY, "webhook")
    assert landed.event == "reservation.created"


def test_a_delivery_that_names_itself_lies_under_that_name(hotel: Hotel) -> None:
    reservation = json.loads(given_reservation("RSV-NAMED", "G-NAMED"))
    body = text({"event_id": "EVT-101", "event": "reservation.created", "data": reservation})

    hotel.accepts(body)

    (key,) = (key for key in hotel.raw_objects() if "/EVT-101-" in key)
    assert key.endswith(f"/EVT-101-{sha256(body).hexdigest()[:16]}.json")
    assert bytes(envelope.decode(hotel.raw_object(key)).payload) == body
    assert eventually(lambda: hotel.row("booking", "RSV-NAMED"), "the row")["raw_key"] == key


def test_the_given_reservation_becomes_the_given_row_and_its_guest(hotel: Hotel) -> None:
    hotel.accepts(given_reservation("RSV-GIVEN", "G-GIVEN"))

    booking = eventually(lambda: hotel.row("booking", "RSV-GIVEN"), "the row")

    assert (
        booking.items()
        >= {
            "external_id": "RSV-GIVEN",
            "source": "hostpms",
            "hotel_id": PROPERTY,
            "guest_name": "João Silva",
            "guest_email": "joao.silva@example.pt",
            "guest_phone": "+351912345678",
            "guest_country": "PT",
            "guest_tax_id": "123456789",
            "room_number": "201",
            "room_type": "Double Room",
            "check_in_date": date(2024, 3, 20),
            "check_out_date": date(2024, 3, 25),
            "booked_at": datetime(2024, 3, 1, 10, 30, tzinfo=UTC),
            "total_amount": Decimal("450.00"),
            "currency": "EUR",
            "tax_amount": Decimal("103.50"),
            "city_tax_amount": Decimal("10.00"),
            "deposit_paid": Decimal("0.00"),
            "rate_plan": "Flexível",
            "status": "confirmed",
            "channel": "ota",
            "source_channel": "booking_com",
            "payment_method": "credit_card",
            "lead_time": 19,
            "length_of_stay": 5,
            "special_requests": "Quarto silencioso",
        }.items()
    )
    # The digits too, which equal numbers need not share.
    assert str(booking["total_amount"]) == "450.00"
    guest = hotel.row("guest", "G-GIVEN")
    assert guest is not None
    assert (guest["first_name"], guest["last_name"], guest["tax_id"]) == ("João", "Silva", "123456789")
    assert booking["guest_id"] == guest["id"]


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_becomes_a_row(hotel: Hotel, event: str) -> None:
    entity, (says, (column, value)) = EVENTS[event], SAYS[event]
    external_id = f"ID-{event}"

    hotel.accepts(text(record(entity, property_id=PROPERTY, **{ID_FIELDS[entity]: external_id}, **says)), event)

    row = eventually(lambda: hotel.row(entity, external_id), f"the {entity} of {event}")
    assert row[column] == value
    assert f"/webhooks/{event}/" in row["raw_key"]
