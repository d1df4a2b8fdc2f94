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
from shared.model.money import amounts_in
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
    amount = amounts_in(currency)
    booked_at = _utc(dates.created_at)
    warned = context.warned

    country = _country(guest.country, context)
    phone = _phone(guest.phone, country)
    guest_external_id = _named(guest.guest_id) or person_id(guest.nif, guest.email, guest.name, phone)
    guest_id = record_id(SOURCE, context.property_id, "guest", guest_external_id) if guest_external_id else None
    booking = _BookingRow()
    booking.external_id = record.reservation_id
    booking.guest_id = guest_id
    booking.guest_name = guest.name or None
    booking.guest_email = guest.email or None
    booking.guest_phone = phone
    booking.guest_country = country
    booking.guest_tax_id = guest.nif or None
    booking.room_number = room.number or None
    booking.room_type = _room_type(room.type)
    booking.check_in_date = dates.check_in
    booking.check_out_date = dates.check_out
    booking.booked_at = booked_at
    booking.total_amount = amount(pricing.total)
    booking.currency = currency
    booking.tax_amount = amount(pricing.iva)
    booking.city_tax_amount = amount(pricing.taxa_turistica)
    booking.deposit_paid = amount(pricing.deposit)
    booking.rate_plan = pricing.rate_plan or None
    booking.adults = record.adults
    booking.children = record.children
    booking.status = words.status(record.status) or warned.unknown_word("booking", "status")
    booking.source_status = record.status
    booking.channel = _word(words.channel, record.channel, "booking", "channel", warned) or UNKNOWN
    booking.source_channel = record.channel or None
    booking.payment_method = _word(words.payment_method, record.payment_method, "booking", "payment_method", warned)
    booking.source_payment_method = record.payment_method or None
    booking.special_requests = record.special_requests or None
    booking.lead_time = (dates.check_in - context.local_date(booked_at)).days if booked_at else None
    booking.length_of_stay = (dates.check_out - dates.check_in).days
    booking.source_updated_at = _utc(dates.updated_at)
    if guest_external_id is None:
        return [("booking", booking)]
    return [("booking", booking), ("guest", _guest_of(booking, guest_external_id))]


def _guest_of(booking: Row, external_id: str) -> Row:
    """The guest inside a reservation, as far as it tells: it stands until a profile comes."""
    row = _GuestRow()
    row.id = booking.guest_id
    row.external_id = external_id
    row.first_name, row.last_name = _split_name(booking.guest_name)
    row.email = booking.guest_email
    row.phone = booking.guest_phone
    row.country = booking.guest_country
    row.tax_id = booking.guest_tax_id
    row.is_profile = False
    row.source_updated_at = booking.source_updated_at
    return row


def _map_guest(record: payloads.Guest, context: MappingContext) -> list[tuple[str, Row]]:
    context.belongs(record.property_id)
    country = _country(record.pais, context)
    row = _GuestRow()
    row.external_id = record.guest_id
    row.first_name = record.primeiro_nome or None
    row.last_name = record.apelido or None
    row.email = record.email or None
    row.phone = _phone(record.telefone, country)
    row.country = country
    row.tax_id = record.nif or None
    row.date_of_birth = record.data_nascimento
    row.loyalty_tier = _word(words.loyalty_tier, record.fidelidade, "guest", "loyalty_tier", context.warned)
    row.source_loyalty_tier = record.fidelidade or None
    row.preferred_room_type = _room_type(record.quarto_preferido)
    row.marketing_consent = record.consentimento_marketing
    row.is_profile = True
    row.source_updated_at = _utc(record.updated_at)
    return [("guest", row)]


def _map_room(record: payloads.Room, context: MappingContext) -> list[tuple[str, Row]]:
    context.belongs(record.property_id)
    currency = _upper(record.moeda)
    row = _RoomRow()
    row.external_id = record.room_id
    row.number = record.numero or None
    row.floor = record.piso
    row.type = _room_type(record.tipo)
    row.status = _word(words.room_status, record.estado, "room", "status", context.warned) or UNKNOWN
    row.source_status = record.estado or None
    row.max_occupancy = record.ocupacao_maxima
    row.bed_type = record.cama or None
    row.amenities = record.comodidades
    row.base_rate = amounts_in(currency)(record.tarifa_base)
    row.currency = currency
    row.source_updated_at = _utc(record.updated_at)
    return [("room", row)]


def _map_payment(record: payloads.Payment, context: MappingContext) -> list[tuple[str, Row]]:
    context.belongs(record.property_id)
    currency = _upper(record.moeda)
    reservation = _named(record.reservation_id)
    row = _PaymentRow()
    row.external_id = record.payment_id
    row.booking_id = record_id(SOURCE, context.property_id, "booking", reservation) if reservation else None
    row.amount = amounts_in(currency)(record.valor)
    row.currency = currency
    row.method = _word(words.payment_method, record.metodo, "payment", "method", context.warned)
    row.source_method = record.metodo or None
    row.status = _word(words.payment_status, record.estado, "payment", "status", context.warned) or UNKNOWN
    row.source_status = record.estado or None
    row.received_at = _utc(record.recebido_em)
    # A payment need not carry updated_at; the time the money came is then the best that is known.
    row.source_updated_at = _utc(record.updated_at or record.recebido_em)
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
