"""HostPMS records, raw objects and unified rows for tests. Nobody in them exists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from stdnum.pt import nif as nif_numbers

from shared.model.columns import row_type
from shared.model.identity import record_id
from shared.model.mapping import MappingContext, Row
from shared.pipeline.transform import Mapped, map_object

VENDOR = "hostpms"
PROPERTY = "PT-LIS-001"
TIME_ZONE = "Europe/Lisbon"
RECEIVED = datetime(2024, 3, 1, 10, 31, tzinfo=UTC)

GIVEN_RESERVATION = """{
  "reservation_id": "RSV-12345", "property_id": "PT-LIS-001",
  "guest": {"guest_id": "G-77", "name": "João Silva", "email": "joao.silva@example.pt",
            "phone": "+351912345678", "country": "PT", "nif": "123456789"},
  "room": {"type": "Quarto Duplo", "number": "201", "floor": 2},
  "dates": {"check_in": "2024-03-20", "check_out": "2024-03-25",
            "created_at": "2024-03-01T10:30:00Z", "updated_at": "2024-03-01T10:30:00Z"},
  "pricing": {"total": 450.00, "currency": "EUR", "rate_plan": "Flexível", "iva": 103.50,
              "taxa_turistica": 10.00, "deposit": 0.00},
  "status": "confirmado", "channel": "booking_com", "payment_method": "credit_card",
  "adults": 2, "children": 0, "special_requests": "Quarto silencioso"
}"""
"""The product's own example, to the letter: its numbers keep their digits only as text."""

_GUEST = """{"guest_id": "G-77", "property_id": "PT-LIS-001", "primeiro_nome": "João", "apelido": "Silva",
 "email": "joao.silva@example.pt", "telefone": "+351912345678", "pais": "PT", "nif": "123456789",
 "data_nascimento": "1984-05-02", "fidelidade": "ouro", "quarto_preferido": "Quarto Duplo",
 "consentimento_marketing": true, "updated_at": "2024-03-01T10:30:00Z"}"""
_ROOM = """{"room_id": "R-201", "property_id": "PT-LIS-001", "numero": "201", "piso": 2, "tipo": "Quarto Duplo",
 "estado": "limpo", "ocupacao_maxima": 3, "cama": "Casal", "comodidades": ["wifi", "varanda"],
 "tarifa_base": 90.00, "moeda": "EUR", "updated_at": "2024-03-01T10:30:00Z"}"""
_PAYMENT = """{"payment_id": "P-9", "property_id": "PT-LIS-001", "reservation_id": "RSV-12345", "valor": 100.00,
 "moeda": "EUR", "metodo": "mbway", "estado": "recebido", "recebido_em": "2024-03-02T09:00:00Z"}"""
GIVEN = {"booking": GIVEN_RESERVATION, "guest": _GUEST, "room": _ROOM, "payment": _PAYMENT}


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
"""As a value: the field is not sent at all."""


def record(entity: str, **changes: Any) -> dict[str, Any]:
    """The given record of ``entity``, changed: ``record("booking", pricing={"total": "450,00"}, channel=ABSENT)``."""
    return _changed(json.loads(GIVEN[entity]), changes)


def _changed(fields: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    fields = deepcopy(fields)
    for name, value in changes.items():
        if value is ABSENT:
            fields.pop(name, None)
        elif isinstance(value, dict) and isinstance(fields.get(name), dict):
            fields[name] = _changed(fields[name], value)
        else:
            fields[name] = value
    return fields


def text(payload: object) -> bytes:
    """``payload`` as JSON; what is text or bytes already is taken as it is."""
    if isinstance(payload, str | bytes):
        return payload.encode() if isinstance(payload, str) else payload
    return json.dumps(payload, ensure_ascii=False).encode()


def envelope(
    payload: object,
    entity: str | None = "booking",
    *,
    received_at: datetime = RECEIVED,
    property_id: str = PROPERTY,
    vendor: str = VENDOR,
    event: str | None = None,
) -> bytes:
    """One line of a page, or with ``event`` and no entity the content of a webhook object."""
    fields: dict[str, Any] = {
        "v": 1,
        "vendor": vendor,
        "property_id": property_id,
        "channel": "webhook" if event else "poll",
        "received_at": received_at.isoformat(),
    }
    fields |= {"entity": entity} if entity else {}
    fields |= {"event": event} if event else {}
    head = json.dumps(fields)[:-1].encode()
    return head + b',"payload":' + text(payload).replace(b"\n", b" ") + b"}"


def page_key(entity: str = "booking", run: str = "run", page: int = 1, property_id: str = PROPERTY) -> str:
    return f"{VENDOR}/{property_id}/polling/{entity}/2024/03/01/{run}-{page:05d}.ndjson.gz"


def webhook_key(
    event: str = "reservation.created", delivery: str = "1709289000000", property_id: str = PROPERTY
) -> str:
    return f"{VENDOR}/{property_id}/webhooks/{event}/2024/03/01/{delivery}-0123456789abcdef.json"


def page(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def context(vendor: str = VENDOR, property_id: str = PROPERTY) -> MappingContext:
    """``transform.ContextOf``: every property is onboarded, and lies in Lisbon."""
    return MappingContext.of(property_id, TIME_ZONE)


def mapped(entity: str, payload: object, time_zone: str = TIME_ZONE, **how: Any) -> Mapped:
    """What a page with the one record ``payload`` comes to."""
    line = envelope(payload, entity, **how)
    return map_object(page_key(entity), line, lambda vendor, property_id: MappingContext.of(property_id, time_zone))


def row_of(entity: str, payload: object, **how: Any) -> Row:
    """The row of ``entity`` that the record leads to."""
    result = mapped(entity, payload, **how)
    assert not result.refusals, result.refusals
    (row,) = result.rows[entity]
    return row


def refusal_of(entity: str, payload: object, **how: Any) -> tuple[str, str | None]:
    """Reason and field of the refusal that the record leads to; it leads to no row."""
    result = mapped(entity, payload, **how)
    assert not result.rows
    (refusal,) = result.refusals
    return refusal.reason, refusal.field


def nif(number: int) -> str:
    """A Portuguese tax id with a right check digit; equal numbers give equal ids."""
    digits = f"{20_000_000 + number % 10_000_000}"
    return digits + nif_numbers.calc_check_digit(digits)


def booking_row(
    external_id: str = "RSV-1",
    *,
    property_id: str = PROPERTY,
    updated_at: datetime | None = RECEIVED,
    received_at: datetime = RECEIVED,
    mapping_version: int = 1,
    raw_key: str | None = None,
    raw_line: int = 0,
    **content: Any,
) -> Row:
    """A booking as the pipeline hands it to a store."""
    fields: dict[str, Any] = {
        "check_in_date": date(2024, 3, 20),
        "check_out_date": date(2024, 3, 25),
        "status": "confirmed",
        "channel": "ota",
        "total_amount": Decimal("450.00"),
        "currency": "EUR",
        "length_of_stay": 5,
    }
    return row_type("booking")(
        id=record_id(VENDOR, property_id, "booking", external_id),
        external_id=external_id,
        source=VENDOR,
        hotel_id=property_id,
        source_updated_at=updated_at,
        raw_received_at=received_at,
        mapping_version=mapping_version,
        raw_key=raw_key or page_key(property_id=property_id),
        raw_line=raw_line,
        **(fields | content),
    )


def guest_row(
    external_id: str = "G-1",
    *,
    is_profile: bool,
    property_id: str = PROPERTY,
    updated_at: datetime | None = RECEIVED,
    received_at: datetime = RECEIVED,
    raw_key: str | None = None,
    raw_line: int = 0,
    **content: Any,
) -> Row:
    return row_type("guest")(
        id=record_id(VENDOR, property_id, "guest", external_id),
        external_id=external_id,
        source=VENDOR,
        hotel_id=property_id,
        is_profile=is_profile,
        source_updated_at=updated_at,
        raw_received_at=received_at,
        mapping_version=1,
        raw_key=raw_key or page_key("guest", property_id=property_id),
        raw_line=raw_line,
        **content,
    )


def minutes(count: float) -> datetime:
    """``count`` minutes after the records were received."""
    return RECEIVED + timedelta(minutes=count)
