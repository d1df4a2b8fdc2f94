"""HostPMS's records as unified rows: pure, and the same on the live and the batch path (DESIGN.md §1.2).

A mapper gives the content of every row that a raw record leads to: a reservation leads to a booking and,
where it tells who the guest is, to a guest that stands until a profile comes. The pipeline adds identity,
order and provenance (``shared.pipeline.transform``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from shared.model import contacts
from shared.model.columns import row_type
from shared.model.identity import person_id, record_id
from shared.model.mapping import MappingContext, Row, Warned
from shared.model.money import in_digits_of
from shared.vendors.hostpms import payloads, words

SOURCE = "hostpms"
VERSION = 1
"""Raise it with every change of what this module makes of a record: a replay then replaces older rows."""

_BookingRow = row_type("booking")
_GuestRow = row_type("guest")
_RoomRow = row_type("room")
_PaymentRow = row_type("payment")
UNKNOWN = "unknown"


def _map_reservation(record: payloads.Reservation, context: MappingContext) -> list[tuple[str, Row]]:
    context.belongs(record.property_id)
    dates = record.dates
    guest = record.guest or _NO_GUEST
    room = record.room or _NO_ROOM
    pricing = record.pricing or _NO_PRICING
    currency = _upper(pricing.currency)
    booked_at = _utc(dates.created_at)
    updated_at = _utc(dates.updated_at)
    warned = context.warned

    country = _country(guest.country, context)
    phone = _phone(guest.phone, country)
    guest_external_id = _named(guest.guest_id) or person_id(guest.nif, guest.email, guest.name, phone)
    guest_id = record_id(SOURCE, context.property_id, "guest", guest_external_id) if guest_external_id else None
    booking = _BookingRow(
        external_id=record.reservation_id,
        guest_id=guest_id,
        guest_name=guest.name or None,
        guest_email=guest.email or None,
        guest_phone=phone,
        guest_country=country,
        guest_tax_id=guest.nif or None,
        room_number=room.number or None,
        room_type=_room_type(room.type),
        check_in_date=dates.check_in,
        check_out_date=dates.check_out,
        booked_at=booked_at,
        total_amount=in_digits_of(currency, pricing.total),
        currency=currency,
        tax_amount=in_digits_of(currency, pricing.iva),
        city_tax_amount=in_digits_of(currency, pricing.taxa_turistica),
        deposit_paid=in_digits_of(currency, pricing.deposit),
        rate_plan=pricing.rate_plan or None,
        adults=record.adults,
        children=record.children,
        status=words.status(record.status) or warned.unknown_word("booking", "status"),
        source_status=record.status,
        channel=_word(words.channel, record.channel, "booking", "channel", warned) or UNKNOWN,
        source_channel=record.channel or None,
        payment_method=_word(words.payment_method, record.payment_method, "booking", "payment_method", warned),
        source_payment_method=record.payment_method or None,
        special_requests=record.special_requests or None,
        lead_time=(dates.check_in - context.local_date(booked_at)).days if booked_at else None,
        length_of_stay=(dates.check_out - dates.check_in).days,
        source_updated_at=updated_at,
    )
    if guest_external_id is None:
        return [("booking", booking)]
    first_name, last_name = _split_name(guest.name)
    return [
        ("booking", booking),
        (
            "guest",
            _GuestRow(
                id=guest_id,
                external_id=guest_external_id,
                first_name=first_name,
                last_name=last_name,
                email=guest.email or None,
                phone=phone,
                country=country,
                tax_id=guest.nif or None,
                is_profile=False,
                source_updated_at=updated_at,
            ),
        ),
    ]


def _map_guest(record: payloads.Guest, context: MappingContext) -> list[tuple[str, Row]]:
    context.belongs(record.property_id)
    country = _country(record.pais, context)
    row = _GuestRow(
        external_id=record.guest_id,
        first_name=record.primeiro_nome or None,
        last_name=record.apelido or None,
        email=record.email or None,
        phone=_phone(record.telefone, country),
        country=country,
        tax_id=record.nif or None,
        date_of_birth=record.data_nascimento,
        loyalty_tier=_word(words.loyalty_tier, record.fidelidade, "guest", "loyalty_tier", context.warned),
        source_loyalty_tier=record.fidelidade or None,
        preferred_room_type=_room_type(record.quarto_preferido),
        marketing_consent=record.consentimento_marketing,
        is_profile=True,
        source_updated_at=_utc(record.updated_at),
    )
    return [("guest", row)]


def _map_room(record: payloads.Room, context: MappingContext) -> list[tuple[str, Row]]:
    context.belongs(record.property_id)
    currency = _upper(record.moeda)
    row = _RoomRow(
        external_id=record.room_id,
        number=record.numero or None,
        floor=record.piso,
        type=_room_type(record.tipo),
        status=_word(words.room_status, record.estado, "room", "status", context.warned) or UNKNOWN,
        source_status=record.estado or None,
        max_occupancy=record.ocupacao_maxima,
        bed_type=record.cama or None,
        amenities=record.comodidades,
        base_rate=in_digits_of(currency, record.tarifa_base),
        currency=currency,
        source_updated_at=_utc(record.updated_at),
    )
    return [("room", row)]


def _map_payment(record: payloads.Payment, context: MappingContext) -> list[tuple[str, Row]]:
    context.belongs(record.property_id)
    currency = _upper(record.moeda)
    reservation = _named(record.reservation_id)
    row = _PaymentRow(
        external_id=record.payment_id,
        booking_id=record_id(SOURCE, context.property_id, "booking", reservation) if reservation else None,
        amount=in_digits_of(currency, record.valor),
        currency=currency,
        method=_word(words.payment_method, record.metodo, "payment", "method", context.warned),
        source_method=record.metodo or None,
        status=_word(words.payment_status, record.estado, "payment", "status", context.warned) or UNKNOWN,
        source_status=record.estado or None,
        received_at=_utc(record.recebido_em),
        # A payment need not carry updated_at; the time the money came is then the best that is known.
        source_updated_at=_utc(record.updated_at or record.recebido_em),
    )
    return [("payment", row)]


MAPPERS: dict[str, Callable[[Any, MappingContext], list[tuple[str, Row]]]] = {
    "booking": _map_reservation,
    "guest": _map_guest,
    "room": _map_room,
    "payment": _map_payment,
}
_NO_GUEST = payloads.EmbeddedGuest()
_NO_ROOM = payloads.EmbeddedRoom()
_NO_PRICING = payloads.Pricing()


def _word(
    look_up: Callable[[str], str | None], word: str | None, entity: str, field: str, warned: Warned
) -> str | None:
    """The unified word; None for no word; ``unknown``, counted, for one that is not in the table."""
    if not word:
        return None
    return look_up(word) or warned.unknown_word(entity, field)


def _named(external_id: str | None) -> str | None:
    """Blanks name nobody: all whose id is blank would be one and the same."""
    return external_id if external_id and not external_id.isspace() else None


def _room_type(word: str | None) -> str | None:
    return None if not word else words.room_type(word) or word


def _country(country: str | None, context: MappingContext) -> str | None:
    if not country:
        return None
    code = contacts.alpha_2(country)
    if code is None:
        context.warned.add("guest", "country_unknown", "country")
    return code


def _phone(phone: str | None, country: str | None) -> str | None:
    """E.164; a number that cannot be normalised is kept as sent, and the rules warn of it."""
    return None if not phone else contacts.e164(phone, country) or phone


def _split_name(name: str | None) -> tuple[str | None, str | None]:
    """First word and the rest: a reservation has the name in one piece, and a profile will put it right."""
    first, _, last = (name or "").strip().partition(" ")
    return first or None, last.strip() or None


def _upper(currency: str | None) -> str | None:
    return currency.strip().upper() or None if currency else None


def _utc(instant: datetime | None) -> datetime | None:
    return instant if instant is None or instant.tzinfo is UTC else instant.astimezone(UTC)
