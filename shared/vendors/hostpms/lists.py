"""HostPMS's list answers: the records untouched, and of each only when it last changed.

    {"data": [...], "meta": {"page", "per_page", "total", "next_page": int | null}}

The records stay the vendor's own bytes (``msgspec.Raw``): what they mean is the mapping's business, and
one that cannot be mapped must land all the same.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from shared.decoding import UNREADABLE, fault
from shared.errors import Malformed


class Meta(msgspec.Struct):
    next_page: int | None
    """Required: a list without it could not be told from its own last page."""
    total: int | None = None


class _List(msgspec.Struct):
    data: list[msgspec.Raw]
    meta: Meta


class _Dates(msgspec.Struct):
    updated_at: str | None = None


class _Reservation(msgspec.Struct):
    dates: _Dates

    @property
    def changed(self) -> str | None:
        return self.dates.updated_at


class _Dated(msgspec.Struct):
    updated_at: str | None = None

    @property
    def changed(self) -> str | None:
        return self.updated_at


class _Payment(msgspec.Struct):
    updated_at: str | None = None
    recebido_em: str | None = None

    @property
    def changed(self) -> str | None:
        # HostPMS's example of a payment has no updated_at. Received is never later than changed, so it may
        # hold a cursor back, and never carries it too far.
        return self.updated_at or self.recebido_em


_list_decoder = msgspec.json.Decoder(_List)
_decoders: dict[str, msgspec.json.Decoder[_Reservation] | msgspec.json.Decoder[_Dated] | msgspec.json.Decoder[_Payment]]
_decoders = {
    "booking": msgspec.json.Decoder(_Reservation),
    "guest": msgspec.json.Decoder(_Dated),
    "room": msgspec.json.Decoder(_Dated),
    "payment": msgspec.json.Decoder(_Payment),
}


def decode_list(body: bytes) -> tuple[list[msgspec.Raw], Meta]:
    """The records' own texts and the list's ``meta``. Raises Malformed, naming the field."""
    try:
        answer = _list_decoder.decode(body)
    except UNREADABLE as error:
        raise Malformed(f"the list is not HostPMS's: {fault(error)}", reason="malformed_list") from None
    return answer.data, answer.meta


def updated_at_of(entity: str, payload: msgspec.Raw) -> datetime | None:
    """When the record last changed, in UTC; None where it does not say so beyond doubt.

    An instant without an offset is doubtful here: were it the hotel's local time, a cursor made of it
    would lie ahead of what has been read. (The mapping may take it for UTC: an error there is seen.)
    """
    try:
        text = _decoders[entity].decode(payload).changed
        instant = datetime.fromisoformat(text) if text else None
        return instant.astimezone(UTC) if instant and instant.tzinfo else None
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        return None
