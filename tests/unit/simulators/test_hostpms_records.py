"""The vendor's JSON: exactly the shapes of hostpms.md, and only the looseness that was asked for."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random

import pytest
from stdnum.pt import nif

from scripts.simulators.hostpms import quirks as quirks_of
from scripts.simulators.hostpms.entities import Booking, Guest, Payment, Room
from scripts.simulators.hostpms.faults import Faults
from scripts.simulators.hostpms.people import Person, portuguese_tax_id
from scripts.simulators.hostpms.properties import property_named
from scripts.simulators.hostpms.quirks import Quirks, Record
from scripts.simulators.hostpms.records import encode, render
from scripts.simulators.hostpms.tariff import Price
from tests.unit.simulators.conftest import Life

MOMENT = datetime(2024, 3, 1, 10, 30, 0, 125_000, UTC)
LISBON, MADRID = property_named("PT-LIS-001"), property_named("ES-MAD-001")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def guest(**changes: object) -> Guest:
    person = Person("João", "Silva", "joao.silva@example.com", "+351912345678", "PT", "123456789", date(1984, 5, 2))
    fields = {"id": "G-77", "person": person, "quirks": Quirks(), "updated_at": MOMENT, "stays": 4, **changes}
    return Guest(**fields)  # type: ignore[arg-type]


def room(**changes: object) -> Room:
    fields = {
        "id": "R-201",
        "number": "201",
        "floor": 2,
        "kind": "double",
        "quirks": Quirks(),
        "base_rate": Decimal("90.00"),
        "amenities": ("wifi", "balcony"),
        "updated_at": MOMENT,
    }
    return Room(**fields | changes)  # type: ignore[arg-type]


def booking(**changes: object) -> Booking:
    fields = {
        "id": "RSV-12345",
        "guest": guest(),
        "room": room(),
        "quirks": Quirks(),
        "created_at": MOMENT,
        "check_in": date(2024, 3, 20),
        "check_out": date(2024, 3, 25),
        "price": Price(Decimal("450.00"), Decimal("103.50"), Decimal("10.00")),
        "rate_plan": "flexible",
        "channel": "booking_com",
        "method": "card",
        "adults": 2,
        "children": 0,
        "requests": "Quarto silencioso",
        "updated_at": MOMENT,
    }
    return Booking(**fields | changes)  # type: ignore[arg-type]


def payment(**changes: object) -> Payment:
    fields = {
        "id": "P-9",
        "booking": booking(),
        "amount": Decimal("100.00"),
        "method": "mobile",
        "quirks": Quirks(),
        "updated_at": MOMENT,
    }
    return Payment(**fields | changes)  # type: ignore[arg-type]


def test_a_reservation_is_the_documents_own_example() -> None:
    assert json.loads(encode(render(booking(), LISBON))) == {
        "reservation_id": "RSV-12345",
        "property_id": "PT-LIS-001",
        "guest": {
            "guest_id": "G-77",
            "name": "João Silva",
            "email": "joao.silva@example.com",
            "phone": "+351912345678",
            "country": "PT",
            "nif": "123456789",
        },
        "room": {"type": "Quarto Duplo", "number": "201", "floor": 2},
        "dates": {
            "check_in": "2024-03-20",
            "check_out": "2024-03-25",
            "created_at": "2024-03-01T10:30:00.125Z",
            "updated_at": "2024-03-01T10:30:00.125Z",
        },
        "pricing": {
            "total": 450.00,
            "currency": "EUR",
            "rate_plan": "Flexível",
            "iva": 103.50,
            "taxa_turistica": 10.00,
            "deposit": 0.00,
        },
        "status": "confirmado",
        "channel": "booking_com",
        "payment_method": "credit_card",
        "adults": 2,
        "children": 0,
        "special_requests": "Quarto silencioso",
    }


def test_guest_room_and_payment_are_the_documents_own_examples() -> None:
    assert json.loads(encode(render(guest(marketing=True), LISBON))) == {
        "guest_id": "G-77",
        "property_id": "PT-LIS-001",
        "primeiro_nome": "João",
        "apelido": "Silva",
        "email": "joao.silva@example.com",
        "telefone": "+351912345678",
        "pais": "PT",
        "nif": "123456789",
        "data_nascimento": "1984-05-02",
        "fidelidade": "ouro",
        "quarto_preferido": "Quarto Duplo",
        "consentimento_marketing": True,
        "updated_at": "2024-03-01T10:30:00.125Z",
    }
    assert json.loads(encode(render(room(), LISBON))) == {
        "room_id": "R-201",
        "property_id": "PT-LIS-001",
        "numero": "201",
        "piso": 2,
        "tipo": "Quarto Duplo",
        "estado": "limpo",
        "ocupacao_maxima": 3,
        "cama": "Casal",
        "comodidades": ["wifi", "varanda"],
        "tarifa_base": 90.00,
        "moeda": "EUR",
        "updated_at": "2024-03-01T10:30:00.125Z",
    }
    assert json.loads(encode(render(payment(status="received", received_at=MOMENT), LISBON))) == {
        "payment_id": "P-9",
        "property_id": "PT-LIS-001",
        "reservation_id": "RSV-12345",
        "valor": 100.00,
        "moeda": "EUR",
        "metodo": "mbway",
        "estado": "recebido",
        "recebido_em": "2024-03-01T10:30:00.125Z",
        "updated_at": "2024-03-01T10:30:00.125Z",
    }


def test_an_amount_keeps_its_cents_in_the_text() -> None:
    assert b'"total":450.00' in encode(render(booking(), LISBON))


def test_a_payment_says_when_it_was_received_only_where_it_was() -> None:
    assert "recebido_em" not in render(payment(status="pending"), LISBON)


def test_an_older_accounts_guest_has_no_id_in_the_reservation() -> None:
    assert "guest_id" not in render(booking(guest=guest(older_account=True)), LISBON)["guest"]


@pytest.mark.parametrize(("numbers", "written"), [("comma", '"450,00"'), ("text", '"450.00"')])
def test_a_number_may_be_written_as_a_text(numbers: str, written: str) -> None:
    record = encode(render(booking(quirks=Quirks(numbers=numbers)), LISBON))  # type: ignore[arg-type]
    assert f'"total":{written}'.encode() in record


def test_a_spanish_hotel_speaks_spanish() -> None:
    record = render(booking(status="no_show", method="cash", channel="direct"), MADRID)
    said = (record["room"]["type"], record["status"], record["payment_method"], record["channel"])
    assert said == ("Habitación Doble", "no_presentado", "efectivo", "directo")


def test_missing_fields_are_absent_and_an_undocumented_word_replaces_its_own_alone() -> None:
    quirks = Quirks(undocumented={"channel": "feira_turismo"}, missing=frozenset({"adults", "pricing.deposit"}))
    plain, odd = render(booking(), LISBON), render(booking(quirks=quirks), LISBON)
    assert odd["channel"] == "feira_turismo"
    assert set(plain) - set(odd) == {"adults"}
    assert set(plain["pricing"]) - set(odd["pricing"]) == {"deposit"}
    assert odd["status"] == plain["status"]


def test_a_knob_at_nought_asks_for_no_fault_and_at_one_for_it_in_every_record() -> None:
    dice = Random(5)
    sound = [quirks_of.draw("booking", dice, Faults()) for _ in range(50)]
    odd = [quirks_of.draw("booking", dice, Faults(unknown_words=1, missing_fields=1)) for _ in range(50)]
    assert not any(quirks.undocumented or quirks.missing for quirks in sound)
    assert all(quirks.undocumented and quirks.missing for quirks in odd)


def records(life: Life, entity: str) -> list[Record]:
    return [v.record for hotel in life.world.hotels.values() for v in hotel.ledger.versions(entity).values()]


def test_every_instant_has_milliseconds_and_a_zone(life: Life) -> None:
    assert all(_INSTANT.fullmatch(record["updated_at"]) for record in records(life, "payment"))
    assert all(_INSTANT.fullmatch(record["dates"]["created_at"]) for record in records(life, "booking"))


def test_most_portuguese_tax_ids_are_right_and_a_few_are_wrong() -> None:
    dice = Random(5)
    judged = Counter(bool(nif.is_valid(portuguese_tax_id(dice))) for _ in range(2000))
    assert 20 <= judged[False] <= 60
