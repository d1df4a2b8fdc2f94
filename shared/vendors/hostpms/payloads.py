"""HostPMS's records as they come (../shared/vendors/hostpms.md; the assumed fields are marked there).

The plain case is read in one pass of msgspec (``RECORDS``). Only a record that this refuses comes to ``decode``,
which reads it untyped and puts it right where HostPMS is known to be loose: wrapped in a delivery, a number as
a string, a number where a text is meant, an empty string for nothing.
"""

from __future__ import annotations

import re
import types
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from shared.decoding import UNREADABLE
from shared.errors import Unmappable
from shared.model.calendar import Instant

# What the columns and their indexes hold: a longer text or a greater number is refused here, by name,
# and not by PostgreSQL in the midst of a batch.
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Number = Annotated[str, msgspec.Meta(max_length=64)]
Email = Annotated[str, msgspec.Meta(max_length=320)]
Amount = msgspec.Raw
"""The JSON text, for ``money.read_amount``: a number or, now and then, a text with a decimal comma."""
_NULL = msgspec.Raw(b"null")
Count = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]


class EmbeddedGuest(msgspec.Struct, gc=False):
    """The guest inside a reservation; ``guest_id`` is absent in older accounts."""

    guest_id: Identifier | None = None
    name: str | None = None
    email: Email | None = None
    phone: str | None = None
    country: str | None = None
    nif: str | None = None


class EmbeddedRoom(msgspec.Struct, gc=False):
    type: str | None = None
    number: Number | None = None


class Dates(msgspec.Struct, gc=False):
    check_in: date
    check_out: date
    created_at: Instant | None = None
    updated_at: Instant | None = None


class Pricing(msgspec.Struct, gc=False):
    total: Amount = _NULL
    currency: str | None = None
    rate_plan: str | None = None
    iva: Amount = _NULL
    taxa_turistica: Amount = _NULL
    deposit: Amount = _NULL


class Reservation(msgspec.Struct, gc=False):
    reservation_id: Identifier
    dates: Dates
    status: str
    property_id: str | None = None
    guest: EmbeddedGuest | None = None
    room: EmbeddedRoom | None = None
    pricing: Pricing | None = None
    channel: str | None = None
    payment_method: str | None = None
    adults: Count | None = None
    children: Count | None = None
    special_requests: str | None = None


class Guest(msgspec.Struct, gc=False):
    guest_id: Identifier
    property_id: str | None = None
    primeiro_nome: str | None = None
    apelido: str | None = None
    email: Email | None = None
    telefone: str | None = None
    pais: str | None = None
    nif: str | None = None
    data_nascimento: date | None = None
    fidelidade: str | None = None
    quarto_preferido: str | None = None
    consentimento_marketing: bool | None = None
    updated_at: Instant | None = None


class Room(msgspec.Struct, gc=False):
    room_id: Identifier
    property_id: str | None = None
    numero: Number | None = None
    piso: Count | None = None
    tipo: str | None = None
    estado: str | None = None
    ocupacao_maxima: Count | None = None
    cama: str | None = None
    comodidades: list[str] | None = None
    tarifa_base: Amount = _NULL
    moeda: str | None = None
    updated_at: Instant | None = None


class Payment(msgspec.Struct, gc=False):
    payment_id: Identifier
    valor: Amount
    moeda: str
    property_id: str | None = None
    reservation_id: Identifier | None = None
    metodo: str | None = None
    estado: str | None = None
    recebido_em: Instant | None = None
    updated_at: Instant | None = None


RECORDS: dict[str, type[msgspec.Struct]] = {
    "booking": Reservation,
    "guest": Guest,
    "room": Room,
    "payment": Payment,
}
"""What a payload is, by entity: the plain case, which msgspec reads in one pass."""


class _Wrapped(msgspec.Struct):
    """A delivery's ``{"event_id", "event", "data"}`` around the record."""

    data: msgspec.Raw


_wrapped_decoder = msgspec.json.Decoder(_Wrapped)
_untyped_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def decode(payload: msgspec.Raw | bytes, entity: str) -> Any:
    """The ``RECORDS[entity]`` in ``payload``, wrapped or bare, with HostPMS's looseness put right.

    Raises Unmappable: ``missing_field``, ``malformed_field`` or ``malformed_json``.
    """
    record = RECORDS[entity]
    try:
        value = _untyped_decoder.decode(payload)
        if isinstance(value, dict) and "data" in value and record.__struct_fields__[0] not in value:
            return decode(_wrapped_decoder.decode(payload).data, entity)
        return msgspec.convert(_loosen(value, record), record)
    except msgspec.ValidationError as error:
        raise _unmappable(error) from None
    except UNREADABLE:
        raise Unmappable("the payload is not JSON", reason="malformed_json", field=None) from None
    except ArithmeticError:  # an exponent that no Decimal has, 1e99999999999999999999
        raise Unmappable("a number is beyond all measure", reason="malformed_field", field=None) from None


_PATH = re.compile(r" - at `\$\.?([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")


def _unmappable(error: msgspec.ValidationError) -> Unmappable:
    """msgspec's message names types and paths, never values."""
    text = str(error)
    path = found[1] if (found := _PATH.search(text)) else ""
    if missing := _MISSING.search(text):
        field = f"{path}.{missing[1]}".lstrip(".")
        return Unmappable(f"{field} is missing", reason="missing_field", field=field)
    return Unmappable(f"{path or 'the record'} is malformed", reason="malformed_field", field=path or None)


def _loosen(value: Any, kind: Any) -> Any:
    """``value`` with HostPMS's known looseness put right; what is no such case is left for msgspec to judge."""
    kind, optional = _without_none(kind)
    # A text of blanks is kept, as the plain road keeps it: which road a record takes must not show in its rows.
    if optional and isinstance(value, str) and not (value if kind is str else value.strip()):
        return None
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = _hints(kind)
        return {name: _loosen(item, hints[name]) for name, item in value.items() if name in hints}
    loosen = _LOOSENERS.get(kind)
    return loosen(value) if loosen else value


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Without the Metas: the looseners go by the plain type."""
    return get_type_hints(kind)


def _without_none(kind: Any) -> tuple[Any, bool]:
    if get_origin(kind) not in (Union, types.UnionType):
        return kind, False
    (arm,) = (arm for arm in get_args(kind) if arm is not type(None))
    return arm, True


def _raw(value: Any) -> Any:
    return msgspec.Raw(_encoder.encode(value))


def _integer(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,9}\s*", value, re.ASCII):
        return int(value)
    # No count has more digits; int() of 1e999999 would write them all out.
    if isinstance(value, Decimal) and value.adjusted() < 10 and value == value.to_integral_value():
        return int(value)
    return value


def _text(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _date(value: Any) -> Any:
    """A date that came with a time of day: the calendar date as the hotel wrote it."""
    return value[:10] if isinstance(value, str) and re.match(r"\d{4}-\d{2}-\d{2}[T ]", value, re.ASCII) else value


def _instant(value: Any) -> Any:
    """An instant without an offset is UTC, as HostPMS's documented instants are."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?", value, re.ASCII):
        return (value if value.count(":") == 2 else f"{value}:00").replace(" ", "T") + "Z"
    return value


_LOOSENERS = {Amount: _raw, int: _integer, str: _text, date: _date, datetime: _instant}
