"""HostPMS's records as unified rows, as ../shared/vendors/hostpms.md gives them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.columns import ENTITIES, content_columns
from shared.model.identity import NAMESPACE, person_id, record_id
from shared.model.money import minor_digits
from shared.vendors.hostpms import mapping
from tests import factories
from tests.factories import ABSENT, PROPERTY, mapped, record, refusal_of, row_of
from tests.unit.vendors.hostpms_records import RECORDS

GIVEN_BOOKING = {
    "external_id": "RSV-12345", "source": "hostpms", "hotel_id": "PT-LIS-001",
    "guest_name": "João Silva", "guest_email": "joao.silva@example.pt", "guest_phone": "+351912345678",
    "guest_country": "PT", "guest_tax_id": "123456789",
    "room_number": "201", "room_type": "Double Room",
    "check_in_date": "2024-03-20", "check_out_date": "2024-03-25", "booked_at": "2024-03-01T10:30:00Z",
    "total_amount": "450.00", "currency": "EUR", "tax_amount": "103.50", "city_tax_amount": "10.00",
    "deposit_paid": "0.00", "rate_plan": "Flexível",
    "status": "confirmed", "channel": "ota", "source_channel": "booking_com", "payment_method": "credit_card",
    "lead_time": 19, "length_of_stay": 5, "special_requests": "Quarto silencioso",
}  # fmt: skip
"""The product's own example, to the letter."""


def told(value: object) -> object:
    """A row's value as the example tells it."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return str(value) if isinstance(value, date | Decimal) else value


def content(entity: str, row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in content_columns(entity)}


# -- The given examples ----------------------------------------------------------------------------


@pytest.mark.parametrize("field", GIVEN_BOOKING)
def test_the_given_reservation_becomes_the_given_booking(field) -> None:
    row = row_of("booking", factories.GIVEN_RESERVATION)
    assert told(getattr(row, field)) == GIVEN_BOOKING[field]


def test_of_the_given_booking_nothing_else_is_told_but_what_the_example_leaves_out() -> None:
    row = row_of("booking", factories.GIVEN_RESERVATION)
    others = {name: value for name, value in content("booking", row).items() if name not in GIVEN_BOOKING}
    assert others == {
        "guest_id": record_id("hostpms", PROPERTY, "guest", "G-77"),
        "room_id": None,
        "adults": 2,
        "children": 0,
        "source_status": "confirmado",
        "source_payment_method": "credit_card",
    }
    assert row.source_updated_at == datetime(2024, 3, 1, 10, 30, tzinfo=UTC)
    assert not mapped("booking", factories.GIVEN_RESERVATION).warned


def test_the_given_reservation_s_guest_becomes_a_guest_that_is_no_profile() -> None:
    (row,) = mapped("booking", factories.GIVEN_RESERVATION).rows["guest"]
    assert row.external_id == "G-77"
    assert row.source_updated_at == datetime(2024, 3, 1, 10, 30, tzinfo=UTC)
    assert content("guest", row) == {
        "first_name": "João",
        "last_name": "Silva",
        "email": "joao.silva@example.pt",
        "phone": "+351912345678",
        "country": "PT",
        "tax_id": "123456789",
        "date_of_birth": None,
        "loyalty_tier": None,
        "source_loyalty_tier": None,
        "preferred_room_type": None,
        "marketing_consent": None,
        "is_profile": False,
    }


def test_the_given_guest_becomes_a_profile() -> None:
    row = row_of("guest", factories.GIVEN["guest"])
    assert (row.external_id, row.id) == ("G-77", record_id("hostpms", PROPERTY, "guest", "G-77"))
    assert content("guest", row) == {
        "first_name": "João",
        "last_name": "Silva",
        "email": "joao.silva@example.pt",
        "phone": "+351912345678",
        "country": "PT",
        "tax_id": "123456789",
        "date_of_birth": date(1984, 5, 2),
        "loyalty_tier": "gold",
        "source_loyalty_tier": "ouro",
        "preferred_room_type": "Double Room",
        "marketing_consent": True,
        "is_profile": True,
    }


def test_the_given_room_becomes_a_room() -> None:
    row = row_of("room", factories.GIVEN["room"])
    assert row.external_id == "R-201"
    assert content("room", row) == {
        "number": "201",
        "floor": 2,
        "type": "Double Room",
        "status": "clean",
        "source_status": "limpo",
        "max_occupancy": 3,
        "bed_type": "Casal",
        "amenities": ["wifi", "varanda"],
        "base_rate": Decimal("90.00"),
        "currency": "EUR",
    }
    assert str(row.base_rate) == "90.00"


def test_the_given_payment_becomes_a_payment_of_its_booking() -> None:
    row = row_of("payment", factories.GIVEN["payment"])
    assert row.external_id == "P-9"
    assert content("payment", row) == {
        "booking_id": row_of("booking", factories.GIVEN_RESERVATION).id,
        "amount": Decimal("100.00"),
        "currency": "EUR",
        "method": "mobile",
        "source_method": "mbway",
        "status": "received",
        "source_status": "recebido",
        "received_at": datetime(2024, 3, 2, 9, 0, tzinfo=UTC),
    }


def test_a_payment_that_does_not_say_when_it_changed_is_ordered_by_when_it_came() -> None:
    came, changed = datetime(2024, 3, 2, 9, 0, tzinfo=UTC), datetime(2024, 3, 5, 9, 0, tzinfo=UTC)
    assert row_of("payment", factories.GIVEN["payment"]).source_updated_at == came
    assert row_of("payment", record("payment", updated_at=changed.isoformat())).source_updated_at == changed
    assert row_of("payment", record("payment", recebido_em=ABSENT)).source_updated_at is None


# -- Words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entity", "sent", "field", "source", "known", "unified"),
    [
        ("booking", "status", "status", "source_status", "Hospedado", "checked_in"),
        ("booking", "channel", "channel", "source_channel", "AGÊNCIA", "agent"),
        ("booking", "payment_method", "payment_method", "source_payment_method", "Factura", "invoice"),
        ("guest", "fidelidade", "loyalty_tier", "source_loyalty_tier", "Platina", "platinum"),
        ("room", "estado", "status", "source_status", "Manutenção", "maintenance"),
        ("payment", "metodo", "method", "source_method", "Multibanco", "debit"),
        ("payment", "estado", "status", "source_status", "Reembolsado", "refunded"),
    ],
)
def test_a_word_is_translated_or_unknown_counted_and_kept(entity, sent, field, source, known, unified) -> None:
    row = row_of(entity, record(entity, **{sent: known}))
    assert (getattr(row, field), getattr(row, source)) == (unified, known)

    unknown = mapped(entity, record(entity, **{sent: "Palavra Nova"}))
    (row,) = unknown.rows[entity]
    assert (getattr(row, field), getattr(row, source)) == ("unknown", "Palavra Nova")
    assert unknown.warned == Counter({(entity, "unknown_word", field): 1})


@pytest.mark.parametrize(
    ("entity", "sent", "field", "missing"),
    [
        ("booking", "channel", "channel", "unknown"),
        ("booking", "payment_method", "payment_method", None),
        ("guest", "fidelidade", "loyalty_tier", None),
        ("room", "estado", "status", "unknown"),
        ("payment", "metodo", "method", None),
        ("payment", "estado", "status", "unknown"),
    ],
)
def test_no_word_is_not_counted_as_an_unknown_one(entity, sent, field, missing) -> None:
    for nothing in (ABSENT, None, ""):
        result = mapped(entity, record(entity, **{sent: nothing}))
        assert getattr(result.rows[entity][0], field) == missing
        assert not result.warned


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("quarto TWIN", "Twin Room"), ("Habitación Doble", "Double Room"), ("Penthouse", "Penthouse"), ("", None)],
)
def test_a_room_type_that_is_not_listed_is_kept_and_not_counted(sent, kept) -> None:
    bookings, rooms = (
        mapped("booking", record("booking", room={"type": sent})),
        mapped("room", record("room", tipo=sent)),
    )
    guests = mapped("guest", record("guest", quarto_preferido=sent))
    assert bookings.rows["booking"][0].room_type == kept
    assert rooms.rows["room"][0].type == kept
    assert guests.rows["guest"][0].preferred_room_type == kept
    assert not bookings.warned + rooms.warned + guests.warned


# -- Guests without an id --------------------------------------------------------------------------

NAMELESS = {"guest_id": ABSENT}


@pytest.mark.parametrize("nothing", [ABSENT, None, "", "   "])
def test_a_guest_without_an_id_is_known_by_what_identifies_the_person(nothing) -> None:
    result = mapped("booking", record("booking", guest={"guest_id": nothing}))
    (booking,), (guest,) = result.rows["booking"], result.rows["guest"]
    assert guest.external_id == person_id("123456789", None, None, None)
    assert guest.external_id.startswith("derived:")
    assert booking.guest_id == guest.id == record_id("hostpms", PROPERTY, "guest", guest.external_id)


def derived(**guest: Any) -> str | None:
    guests = mapped("booking", record("booking", guest=NAMELESS | guest)).rows.get("guest")
    return guests[0].external_id if guests else None


def test_tax_id_then_e_mail_then_name_and_phone_identify_the_person() -> None:
    assert derived(email=ABSENT, name="Other") == derived()
    assert derived(nif=ABSENT, name="Other") == person_id(None, "joao.silva@example.pt", None, None)
    by_name = derived(nif="", email="")
    assert by_name == person_id(None, None, "João Silva", "+351912345678")
    assert derived(nif=None, email=None, phone="912 345 678") == by_name


@pytest.mark.parametrize("guest", [{"phone": ABSENT}, {"name": ABSENT}, {"name": " "}])
def test_who_is_not_identified_is_no_guest(guest) -> None:
    result = mapped("booking", record("booking", guest=NAMELESS | {"nif": " ", "email": ABSENT} | guest))
    assert result.rows["booking"][0].guest_id is None
    assert "guest" not in result.rows


@pytest.mark.parametrize("guest", [ABSENT, None])
def test_a_reservation_without_a_guest_is_a_booking_all_the_same(guest) -> None:
    result = mapped("booking", record("booking", guest=guest))
    booking = content("booking", result.rows["booking"][0])
    assert all(value is None for name, value in booking.items() if name.startswith("guest_"))
    assert "guest" not in result.rows


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("João Silva", ("João", "Silva")),
        ("  Ana  Maria de Sousa ", ("Ana", "Maria de Sousa")),
        ("Cher", ("Cher", None)),
        ("", (None, None)),
        ("  ", (None, None)),
        (None, (None, None)),
    ],
)
def test_a_name_in_one_piece_is_split_at_its_first_blank(name, split) -> None:
    (guest,) = mapped("booking", record("booking", guest={"name": name})).rows["guest"]
    assert (guest.first_name, guest.last_name) == split


# -- Absent parts ----------------------------------------------------------------------------------


def test_a_reservation_of_nothing_but_what_is_required_is_a_booking() -> None:
    bare = {
        "reservation_id": "RSV-1",
        "dates": {"check_in": "2024-03-20", "check_out": "2024-03-21"},
        "status": "pendente",
    }
    row = row_of("booking", bare)
    told_of = {name for name, value in content("booking", row).items() if value is not None}
    assert told_of == {"check_in_date", "check_out_date", "status", "source_status", "channel", "length_of_stay"}
    assert row.source_updated_at is None


@pytest.mark.parametrize("part", ["room", "pricing"])
@pytest.mark.parametrize("nothing", [ABSENT, None, {}])
def test_a_part_that_is_absent_leaves_its_fields_null(part, nothing) -> None:
    fields = record("booking", **{part: ABSENT})
    fields |= {} if nothing is ABSENT else {part: nothing}
    row = row_of("booking", fields)
    names = {"room": ("room_number", "room_type"), "pricing": ("total_amount", "currency", "tax_amount", "rate_plan")}
    assert all(getattr(row, name) is None for name in names[part])


@pytest.mark.parametrize(("entity", "kept"), [("guest", {"is_profile"}), ("room", {"status"})])
def test_a_record_of_nothing_but_its_id_is_a_row(entity, kept) -> None:
    row = row_of(entity, {f"{entity}_id": "1"})
    assert {name for name, value in content(entity, row).items() if value is not None} == kept


# -- Money and time --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pricing", "total"),
    [
        ({"total": "450,00"}, "450.00"),
        ({"total": "1.450,5"}, "1450.50"),
        ({"total": 450}, "450.00"),
        ({"total": 449.99999999}, "450.00"),
        ({"total": 45000, "iva": 0, "currency": "JPY"}, "45000"),
        ({"total": "450.1234", "currency": "KWD"}, "450.123"),
        ({"total": 450, "currency": " eur "}, "450.00"),
        ({"total": 99999999999999.99}, "99999999999999.98"),
    ],
)
def test_a_total_is_exact_and_in_its_currency_s_digits(pricing, total) -> None:
    text = json.dumps(record("booking", pricing=pricing)).replace("99999999999999.98", "99999999999999.98")
    assert str(row_of("booking", text).total_amount) == total


@pytest.mark.parametrize("sent", ["quatrocentos", "450,00 €", True, [], {}])
@pytest.mark.parametrize(
    ("entity", "field"),
    [
        *(("booking", f"pricing.{name}") for name in ("total", "iva", "taxa_turistica", "deposit")),
        ("room", "tarifa_base"),
        ("payment", "valor"),
    ],
)
def test_what_is_no_number_is_refused_by_its_field(entity, field, sent) -> None:
    *outer, name = field.split(".")
    changes = {outer[0]: {name: sent}} if outer else {name: sent}
    assert refusal_of(entity, record(entity, **changes)) == ("malformed_field", field)


@pytest.mark.parametrize("sent", [None, "", " "])
def test_a_payment_of_no_amount_is_refused(sent) -> None:
    assert refusal_of("payment", record("payment", valor=sent)) == ("malformed_field", "valor")


@pytest.mark.parametrize(
    "total", ['"NaN"', '"Infinity"', '"-sNaN"', "1e14", "-1e14", "99999999999999.999", "1e400", "1e9999999"]
)
def test_what_is_no_amount_of_money_is_refused(total) -> None:
    text = factories.GIVEN_RESERVATION.replace("450.00", total)
    assert refusal_of("booking", text) == ("malformed_amount", None)


@pytest.mark.parametrize(
    ("time_zone", "created_at", "lead_time"),
    [
        ("Europe/Lisbon", "2024-03-18T23:30:00Z", 2),
        ("Europe/Madrid", "2024-03-18T23:30:00Z", 1),  # there, it was the 19th
        ("Atlantic/Azores", "2024-03-20T00:30:00Z", 1),  # there, it was still the 19th
        ("Pacific/Kiritimati", "2024-03-19T10:00:00Z", 0),
        ("UTC", "2024-03-20T23:59:59Z", 0),
        ("Europe/Lisbon", "2024-03-25T12:00:00Z", -5),
        ("Europe/Lisbon", "2024-03-20T00:30:00+02:00", 1),
    ],
)
def test_lead_time_counts_days_of_the_hotel_s_calendar(time_zone, created_at, lead_time) -> None:
    sent = record("booking", dates={"created_at": created_at})
    assert row_of("booking", sent, time_zone=time_zone).lead_time == lead_time


def test_instants_become_utc_whatever_their_offset() -> None:
    row = row_of("booking", record("booking", dates={"created_at": "2024-03-01T12:30:00+02:00", "updated_at": ABSENT}))
    assert (row.booked_at, row.booked_at.tzinfo) == (datetime(2024, 3, 1, 10, 30, tzinfo=UTC), UTC)
    assert row.source_updated_at is None


def test_a_booking_whose_making_is_not_told_has_no_lead_time() -> None:
    row = row_of("booking", record("booking", dates={"created_at": ABSENT}))
    assert (row.booked_at, row.lead_time) == (None, None)


@pytest.mark.parametrize("year", ["0001", "1900", "9999"])
def test_days_and_instants_within_the_calendar_are_rows_or_refused_by_name(year) -> None:
    dates = {"check_in": f"{year}-01-01", "check_out": f"{year}-12-31", "created_at": f"{year}-01-01T00:00:00Z"}
    result = mapped("booking", record("booking", dates=dates))
    assert [refusal.reason for refusal in result.refusals] in ([], ["malformed_instant"])
    assert bool(result.refusals) == (year == "0001")  # Lisbon lay west of Greenwich: the year before is none


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_an_instant_outside_the_calendar_is_refused(instant) -> None:
    assert refusal_of("payment", record("payment", recebido_em=instant)) == ("malformed_instant", None)


# -- Contacts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phone", "country", "kept"),
    [
        ("912 345 678", "PT", "+351912345678"),
        ("612345678", "es", "+34612345678"),
        ("0044 20 7946 0958", "PT", "+442079460958"),
        ("+351 912-345-678", None, "+351912345678"),
        ("912345678", None, "912345678"),
        ("call reception", "PT", "call reception"),
        ("", "PT", None),
    ],
)
def test_a_phone_is_read_as_a_number_of_the_guest_s_country(phone, country, kept) -> None:
    assert row_of("booking", record("booking", guest={"phone": phone, "country": country})).guest_phone == kept
    assert row_of("guest", record("guest", telefone=phone, pais=country)).phone == kept


def test_a_country_that_is_none_is_left_out_and_counted() -> None:
    result = mapped("guest", record("guest", pais="Atlântida"))
    assert result.rows["guest"][0].country is None
    assert result.warned == Counter({("guest", "country_unknown", "country"): 1})


# -- Whose record ----------------------------------------------------------------------------------


@pytest.mark.parametrize("entity", ENTITIES)
def test_another_property_s_record_is_refused(entity) -> None:
    other = record(entity, property_id="ES-MAD-001")
    assert refusal_of(entity, other) == ("property_mismatch", "property_id")
    assert refusal_of(entity, {"data": other}) == ("property_mismatch", "property_id")


@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("nothing", [ABSENT, None, ""])
def test_a_record_that_names_no_property_is_of_the_one_it_came_from(entity, nothing) -> None:
    assert row_of(entity, record(entity, property_id=nothing)).hotel_id == PROPERTY


# -- Any record ------------------------------------------------------------------------------------


@pytest.mark.parametrize("entity", RECORDS)
@given(data=st.data())
def test_any_record_is_rows_or_a_refusal_and_the_same_each_time(entity, data) -> None:
    payload = json.dumps(data.draw(RECORDS[entity])).encode()
    result = mapped(entity, payload)
    assert bool(result.rows) != bool(result.refusals)
    assert (result.rows, result.refusals, result.warned) == rest_of(mapped(entity, payload))
    for kind, rows in result.rows.items():
        (row,) = rows
        as_model(kind, row)


def rest_of(result: Any) -> tuple[Any, Any, Any]:
    return result.rows, result.refusals, result.warned


def as_model(entity: str, row: Any) -> Any:
    fields = {name: getattr(row, name) for name in row.__struct_fields__}
    return ENTITIES[entity].model_validate(fields | {"version": 1, "synced_at": factories.RECEIVED})


@st.composite
def sound_stays(draw: st.DrawFn) -> dict[str, Any]:
    """Reservations that every rule lets pass."""
    arrival = draw(st.dates(date(1990, 1, 1), date(2090, 1, 1)))
    nights = draw(st.integers(1, 60))
    currency = draw(st.sampled_from(["EUR", "JPY", "KWD"]))
    total = Decimal(draw(st.integers(0, 10**9))).scaleb(-minor_digits(currency))
    return record(
        "booking",
        reservation_id=draw(st.text("RSV-0123456789", min_size=1, max_size=20)),
        dates={"check_in": str(arrival), "check_out": str(arrival + timedelta(days=nights)), "created_at": ABSENT},
        pricing={"total": str(total), "currency": currency, "iva": "0"},
    )


@given(sound_stays())
def test_a_sound_reservation_is_a_booking_with_nothing_changed(reservation) -> None:
    row = row_of("booking", reservation)
    assert row.external_id == reservation["reservation_id"]
    assert str(row.total_amount) == reservation["pricing"]["total"]
    assert str(row.check_in_date + timedelta(days=row.length_of_stay)) == reservation["dates"]["check_out"]


def test_the_mapping_says_what_it_is() -> None:
    assert (mapping.SOURCE, set(mapping.MAPPERS)) == ("hostpms", set(ENTITIES))
    assert isinstance(mapping.VERSION, int)
    assert NAMESPACE.version == 5
