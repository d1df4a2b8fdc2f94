"""The PMS's JSON of each entity (../shared/vendors/hostpms.md, with every assumed field).

Amounts are ``Decimal`` and are encoded with the digits they have: ``450.00``, not ``450.0``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from scripts.simulators.hostpms.entities import Booking, Entity, Guest, Payment, Room
from scripts.simulators.hostpms.properties import BEDS, Property
from scripts.simulators.hostpms.quirks import Quirks, Record
from scripts.simulators.hostpms.words import word

RESOURCES: Mapping[str, str] = {"reservations": "booking", "guests": "guest", "rooms": "room", "payments": "payment"}
"""The API's list → the entity in it."""
ID_FIELDS: Mapping[str, str] = {
    "booking": "reservation_id",
    "guest": "guest_id",
    "room": "room_id",
    "payment": "payment_id",
}

_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(value: Any) -> bytes:
    return _encoder.encode(value)


def instant(at: datetime) -> str:
    """``2024-03-01T10:30:00.125Z``."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def render(subject: Entity, hotel: Property) -> Record:
    """The record of ``subject`` as it stands now."""
    return subject.quirks.without_missing(_RENDERERS[subject.entity](subject, hotel))


def _booking(booking: Booking, hotel: Property) -> Record:
    quirks, price = booking.quirks, booking.price
    says = _speaker(hotel, quirks)
    return {
        "reservation_id": booking.id,
        "property_id": hotel.id,
        "guest": embedded_guest(booking.guest),
        "room": {
            "type": says("room_type", booking.room.kind),
            "number": booking.room.number,
            "floor": booking.room.floor,
        },
        "dates": {
            "check_in": booking.check_in.isoformat(),
            "check_out": booking.check_out.isoformat(),
            "created_at": instant(booking.created_at),
            "updated_at": instant(booking.updated_at),
        },
        "pricing": {
            "total": quirks.amount(price.total),
            "currency": hotel.currency,
            "rate_plan": says("rate_plan", booking.rate_plan),
            "iva": quirks.amount(price.vat),
            "taxa_turistica": quirks.amount(price.city_tax),
            "deposit": quirks.amount(booking.deposit),
        },
        "status": says("booking_status", booking.status),
        "channel": says("channel", booking.channel),
        "payment_method": says("method", booking.method),
        "adults": booking.adults,
        "children": booking.children,
        "special_requests": booking.requests,
    }


def embedded_guest(guest: Guest) -> Record:
    """The guest inside a reservation. An older account's guest has no id there."""
    person = guest.person
    shown: Record = {} if guest.older_account else {"guest_id": guest.id}
    shown |= {"name": person.name, "email": person.email, "phone": person.phone, "country": person.country}
    return shown | {"nif": person.tax_id}


def _guest(guest: Guest, hotel: Property) -> Record:
    person = guest.person
    says = _speaker(hotel, guest.quirks)
    return {
        "guest_id": guest.id,
        "property_id": hotel.id,
        "primeiro_nome": person.first_name,
        "apelido": person.last_name,
        "email": person.email,
        "telefone": person.phone,
        "pais": person.country,
        "nif": person.tax_id,
        "data_nascimento": person.born.isoformat(),
        "fidelidade": says("loyalty", guest.loyalty),
        "quarto_preferido": says("room_type", guest.preferred_kind),
        "consentimento_marketing": guest.marketing,
        "updated_at": instant(guest.updated_at),
    }


def _room(room: Room, hotel: Property) -> Record:
    says = _speaker(hotel, room.quirks)
    return {
        "room_id": room.id,
        "property_id": hotel.id,
        "numero": room.number,
        "piso": room.floor,
        "tipo": says("room_type", room.kind),
        "estado": says("room_status", room.status),
        "ocupacao_maxima": BEDS[room.kind],
        "cama": says("bed", room.kind),
        "comodidades": [word(hotel.language, "amenity", amenity) for amenity in room.amenities],
        "tarifa_base": room.quirks.amount(room.base_rate),
        "moeda": hotel.currency,
        "updated_at": instant(room.updated_at),
    }


def _payment(payment: Payment, hotel: Property) -> Record:
    says = _speaker(hotel, payment.quirks)
    record: Record = {
        "payment_id": payment.id,
        "property_id": hotel.id,
        "reservation_id": payment.booking.id,
        "valor": payment.quirks.amount(payment.amount),
        "moeda": hotel.currency,
        "metodo": says("method", payment.method),
        "estado": says("payment_status", payment.status),
        "updated_at": instant(payment.updated_at),
    }
    if payment.received_at is not None:
        record["recebido_em"] = instant(payment.received_at)
    return record


_RENDERERS: Mapping[str, Callable[[Any, Property], Record]] = {
    "booking": _booking,
    "guest": _guest,
    "room": _room,
    "payment": _payment,
}


def _speaker(hotel: Property, quirks: Quirks) -> Callable[[str, str], str]:
    def says(vocabulary: str, meaning: str) -> str:
        return quirks.undocumented.get(vocabulary) or word(hotel.language, vocabulary, meaning, quirks.wording)

    return says
