"""HostPMS's records as unified rows: pure, and the same on the live and the batch path (DESIGN.md §1.2).

A mapper gives the content of every row that a raw record leads to: a reservation leads to a booking and,
where it tells who the guest is, to a guest that stands until a profile comes. The pipeline adds identity,
order and provenance (``shared.pipeline.transform``), and leaves out a row without an external id.

Whatever is computed goes through ``context.each``: so the same lines map one record, and thousands by column.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from shared.model import contacts
from shared.model.calendar import lead_time, nights, utc
from shared.model.columns import row_type
from shared.model.identity import person_id, record_id
from shared.model.mapping import MappingContext, Row, Warned, none_if_empty, required
from shared.model.money import read_amount
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
    each = context.each
    context.belongs(record.property_id)
    dates = record.dates
    guest = record.guest or _NO_GUEST
    room = record.room or _NO_ROOM
    pricing = record.pricing or _NO_PRICING
    currency = each(_upper, pricing.currency)
    booked_at = each(utc, dates.created_at)

    country = each(_country, guest.country, context.warned)
    phone = each(_phone, guest.phone, country)
    guest_external_id = each(_guest_external_id, guest.guest_id, guest.nif, guest.email, guest.name, phone)
    booking = _BookingRow()
    booking.external_id = record.reservation_id
    booking.guest_id = each(record_id, SOURCE, context.property_id, "guest", guest_external_id)
    booking.guest_name = each(none_if_empty, guest.name)
    booking.guest_email = each(none_if_empty, guest.email)
    booking.guest_phone = phone
    booking.guest_country = country
    booking.guest_tax_id = each(none_if_empty, guest.nif)
    booking.room_number = each(none_if_empty, room.number)
    booking.room_type = each(_room_type, room.type)
    booking.check_in_date = dates.check_in
    booking.check_out_date = dates.check_out
    booking.booked_at = booked_at
    booking.total_amount = each(read_amount, pricing.total, currency, "pricing.total")
    booking.currency = currency
    booking.tax_amount = each(read_amount, pricing.iva, currency, "pricing.iva")
    booking.city_tax_amount = each(read_amount, pricing.taxa_turistica, currency, "pricing.taxa_turistica")
    booking.deposit_paid = each(read_amount, pricing.deposit, currency, "pricing.deposit")
    booking.rate_plan = each(none_if_empty, pricing.rate_plan)
    booking.adults = record.adults
    booking.children = record.children
    booking.status = each(_status, record.status, context.warned)
    booking.source_status = record.status
    booking.channel = each(_channel, record.channel, context.warned)
    booking.source_channel = each(none_if_empty, record.channel)
    booking.payment_method = each(_payment_method, record.payment_method, "booking", "payment_method", context.warned)
    booking.source_payment_method = each(none_if_empty, record.payment_method)
    booking.special_requests = each(none_if_empty, record.special_requests)
    booking.lead_time = each(lead_time, dates.check_in, booked_at, context.time_zone)
    booking.length_of_stay = each(nights, dates.check_in, dates.check_out)
    booking.source_updated_at = each(utc, dates.updated_at)
    return [("booking", booking), ("guest", _guest_of(booking, guest_external_id, context))]


def _guest_of(booking: Row, external_id: str | None, context: MappingContext) -> Row:
    """The guest inside a reservation, as far as it tells: it stands until a profile comes."""
    row = _GuestRow()
    row.id = booking.guest_id
    row.external_id = external_id
    row.first_name = context.each(_first_name, booking.guest_name)
    row.last_name = context.each(_last_name, booking.guest_name)
    row.email = booking.guest_email
    row.phone = booking.guest_phone
    row.country = booking.guest_country
    row.tax_id = booking.guest_tax_id
    row.is_profile = False
    row.source_updated_at = booking.source_updated_at
    return row


def _map_guest(record: payloads.Guest, context: MappingContext) -> list[tuple[str, Row]]:
    each = context.each
    context.belongs(record.property_id)
    country = each(_country, record.pais, context.warned)
    row = _GuestRow()
    row.external_id = record.guest_id
    row.first_name = each(none_if_empty, record.primeiro_nome)
    row.last_name = each(none_if_empty, record.apelido)
    row.email = each(none_if_empty, record.email)
    row.phone = each(_phone, record.telefone, country)
    row.country = country
    row.tax_id = each(none_if_empty, record.nif)
    row.date_of_birth = record.data_nascimento
    row.loyalty_tier = each(_loyalty_tier, record.fidelidade, context.warned)
    row.source_loyalty_tier = each(none_if_empty, record.fidelidade)
    row.preferred_room_type = each(_room_type, record.quarto_preferido)
    row.marketing_consent = record.consentimento_marketing
    row.is_profile = True
    row.source_updated_at = each(utc, record.updated_at)
    return [("guest", row)]


def _map_room(record: payloads.Room, context: MappingContext) -> list[tuple[str, Row]]:
    each = context.each
    context.belongs(record.property_id)
    currency = each(_upper, record.moeda)
    row = _RoomRow()
    row.external_id = record.room_id
    row.number = each(none_if_empty, record.numero)
    row.floor = record.piso
    row.type = each(_room_type, record.tipo)
    row.status = each(_room_status, record.estado, context.warned)
    row.source_status = each(none_if_empty, record.estado)
    row.max_occupancy = record.ocupacao_maxima
    row.bed_type = each(none_if_empty, record.cama)
    row.amenities = record.comodidades
    row.base_rate = each(read_amount, record.tarifa_base, currency, "tarifa_base")
    row.currency = currency
    row.source_updated_at = each(utc, record.updated_at)
    return [("room", row)]


def _map_payment(record: payloads.Payment, context: MappingContext) -> list[tuple[str, Row]]:
    each = context.each
    context.belongs(record.property_id)
    currency = each(_upper, record.moeda)
    reservation = each(_named, record.reservation_id)
    received_at = each(utc, record.recebido_em)
    row = _PaymentRow()
    row.external_id = record.payment_id
    row.booking_id = each(record_id, SOURCE, context.property_id, "booking", reservation)
    row.amount = each(required, each(read_amount, record.valor, currency, "valor"), "valor")
    row.currency = currency
    row.method = each(_payment_method, record.metodo, "payment", "method", context.warned)
    row.source_method = each(none_if_empty, record.metodo)
    row.status = each(_payment_status, record.estado, context.warned)
    row.source_status = each(none_if_empty, record.estado)
    row.received_at = received_at
    # A payment need not carry updated_at; the time the money came is then the best that is known.
    row.source_updated_at = each(_first_of, each(utc, record.updated_at), received_at)
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


def _status(word: str, warned: Warned) -> str:
    return words.status(word) or warned.unknown_word("booking", "status")


def _channel(word: str | None, warned: Warned) -> str:
    return _word(words.channel, word, "booking", "channel", warned) or UNKNOWN


def _payment_method(word: str | None, entity: str, field: str, warned: Warned) -> str | None:
    return _word(words.payment_method, word, entity, field, warned)


def _payment_status(word: str | None, warned: Warned) -> str:
    return _word(words.payment_status, word, "payment", "status", warned) or UNKNOWN


def _room_status(word: str | None, warned: Warned) -> str:
    return _word(words.room_status, word, "room", "status", warned) or UNKNOWN


def _loyalty_tier(word: str | None, warned: Warned) -> str | None:
    return _word(words.loyalty_tier, word, "guest", "loyalty_tier", warned)


def _room_type(word: str | None) -> str | None:
    return None if not word else words.room_type(word) or word


def _guest_external_id(
    guest_id: str | None, nif: str | None, email: str | None, name: str | None, phone: str | None
) -> str | None:
    return _named(guest_id) or person_id(nif, email, name, phone)


def _named(external_id: str | None) -> str | None:
    """Blanks name nobody: all whose id is blank would be one and the same."""
    return external_id if external_id and not external_id.isspace() else None


def _country(country: str | None, warned: Warned) -> str | None:
    if not country:
        return None
    code = contacts.alpha_2(country)
    if code is None:
        warned.add("guest", "country_unknown", "country")
    return code


def _phone(phone: str | None, country: str | None) -> str | None:
    """E.164; a number that cannot be normalised is kept as sent, and the rules warn of it."""
    return None if not phone else contacts.e164(phone, country) or phone


def _first_name(name: str | None) -> str | None:
    """The first word, and the rest is the last name: a reservation has the name in one piece, and a profile will
    put it right."""
    return (name or "").strip().partition(" ")[0] or None


def _last_name(name: str | None) -> str | None:
    return (name or "").strip().partition(" ")[2].strip() or None


def _first_of(instant: datetime | None, other: datetime | None) -> datetime | None:
    return instant or other


def _upper(currency: str | None) -> str | None:
    return currency.strip().upper() or None if currency else None
