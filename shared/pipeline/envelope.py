"""The envelope: one raw record and how it came (DESIGN.md §3).

A webhook object holds one envelope; a polled, fetched or imported page holds one per line (NDJSON).
The payload is the vendor's own text, byte for byte: ``msgspec.Raw`` carries it through unparsed, so a
number such as ``450.00`` keeps its digits and the raw lake can always be mapped again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from shared.decoding import UNREADABLE, fault
from shared.errors import Malformed
from shared.model.calendar import Instant, in_calendar

if TYPE_CHECKING:
    from shared.streams import Stream
    from shared.vendors.api_contract import ListPage

Channel = Literal["webhook", "poll", "fetch", "import"]
VERSION = 1


Payload = TypeVar("Payload")


class Envelope(
    msgspec.Struct, Generic[Payload], kw_only=True, frozen=True, omit_defaults=True, tag_field="v", tag=VERSION
):
    """``received_at``: UTC; for a poll the request's start (DESIGN.md §4, Order). Written with ``"v": 1``.

    ``Payload`` is ``msgspec.Raw`` wherever envelopes are made and carried; a reader that knows what the
    payload is may decode both in one pass (``decoder_of``).
    """

    vendor: str
    property_id: str
    channel: Channel
    received_at: Instant
    payload: Payload
    entity: str | None = None
    event: str | None = None
    delivery_id: str | None = None

    def __post_init__(self) -> None:
        # A year that PostgreSQL does not have would hold up every other row of its batch. UTC is the calendar's own,
        # and this runs for every record.
        if self.received_at.tzinfo is not UTC:
            in_calendar(self.received_at)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope[msgspec.Raw])


def encode(envelope: Envelope[msgspec.Raw]) -> bytes:
    return _encoder.encode(envelope)


def encode_page(envelopes: Iterable[Envelope[msgspec.Raw]]) -> bytes:
    """NDJSON. A payload printed over several lines is put on one: white space is not content."""
    return b"".join(_encoder.encode(one_line(envelope)) + b"\n" for envelope in envelopes)


def encode_polled(stream: Stream, page: ListPage) -> bytes:
    """NDJSON. All bear the request's start: what came later may already be older."""
    return encode_page(
        Envelope(
            vendor=stream.vendor,
            property_id=stream.property_id,
            channel="poll",
            entity=stream.entity,
            received_at=page.requested_at,
            payload=record.payload,
        )
        for record in page.records
    )


def one_line(envelope: Envelope[msgspec.Raw]) -> Envelope[msgspec.Raw]:
    text = bytes(envelope.payload)
    if b"\n" not in text and b"\r" not in text:
        return envelope
    compact = msgspec.json.format(text, indent=-1)
    return msgspec.structs.replace(envelope, payload=msgspec.Raw(compact))


def decode(line: bytes) -> Envelope[msgspec.Raw]:
    """Raises Malformed; the message names the field, never its value."""
    try:
        return _decoder.decode(line)
    except UNREADABLE as error:
        raise Malformed(f"not an envelope: {fault(error)}", reason="not_an_envelope") from None


@cache
def decoder_of(payload: type) -> msgspec.json.Decoder[Any]:
    """Reads an envelope and its payload, of the type ``payload``, in one pass."""
    return msgspec.json.Decoder(Envelope[payload])  # type: ignore[valid-type]


@cache
def record_decoder(payload: type) -> msgspec.json.Decoder[Any]:
    """Reads a payload of the type ``payload`` alone."""
    return msgspec.json.Decoder(payload)


def lines(key: str, body: bytes) -> list[bytes]:
    """The envelopes' texts in the raw object at ``key`` (already decompressed), in order."""
    if not key.endswith((".ndjson", ".ndjson.gz")):
        return [body]
    return [line for line in body.split(b"\n") if line and not line.isspace()]
