"""The records in a payload file, whatever shape it has. Pure: bytes in, each record's own text out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from shared.decoding import UNREADABLE
from shared.errors import Malformed
from shared.storage.raw_lake import LARGEST, unpacked

Fields = dict[str, msgspec.Raw]


class FoundRecord(NamedTuple):
    number: int
    """From 1, in the file's order."""
    payload: bytes
    """The vendor's own text: a number such as 450.00 keeps its digits."""
    property_id: str | None
    """Where the record, or the envelope around it, tells."""


def records(content: bytes) -> Iterator[FoundRecord | Malformed]:
    """Every record of one record, a list, a list response ``{"data": […]}``, NDJSON, or a raw object's envelopes.

    A line that is not JSON comes as Malformed, in its place; gzip is unpacked. Raises Malformed or TooLarge
    where it is no whole gzip file, or of more than a raw object's size.
    """
    if content[:2] == b"\x1f\x8b":
        content = unpacked(content, LARGEST)
    for number, text in enumerate(_texts(content), start=1):
        try:
            yield _record(number, text)
        except UNREADABLE:
            # Not the decoder's message: it may quote the payload.
            yield Malformed("not a JSON object", reason="not_json", record=number)


def _texts(content: bytes) -> Iterator[bytes]:
    whole = content.strip()
    try:
        yield from _elements(whole)
    except UNREADABLE:
        yield from (line for line in whole.split(b"\n") if line.strip())


def _elements(whole: bytes) -> list[bytes]:
    """The records of one JSON document. Raises DecodeError where it is not one document."""
    if whole.startswith(b"["):
        return [bytes(element) for element in msgspec.json.decode(whole, type=list[msgspec.Raw])]
    fields = msgspec.json.decode(whole, type=Fields)
    if bytes(fields.get("data", msgspec.Raw(b""))).startswith(b"["):
        return _elements(bytes(fields["data"]))
    return [whole]


def _record(number: int, text: bytes) -> FoundRecord:
    fields = msgspec.json.decode(text, type=Fields)
    if fields.keys() >= {"vendor", "channel", "payload"}:
        return FoundRecord(number, bytes(fields["payload"]), _property_of(fields))
    return FoundRecord(number, text, _property_of(fields))


def _property_of(fields: Fields) -> str | None:
    """``property_id``, of the record itself or of the one a webhook's wrapping holds in ``data``."""
    if bytes(fields.get("data", msgspec.Raw(b""))).startswith(b"{"):
        fields = fields | msgspec.json.decode(fields["data"], type=Fields)
    value = msgspec.json.decode(fields["property_id"]) if "property_id" in fields else None
    return value if isinstance(value, str) else None
