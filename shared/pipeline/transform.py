"""Raw objects into unified rows: the one step that the live path and the batch path share.

Pure: bytes in, rows and refusals out. A raw object holds one envelope or a page of them; each envelope
leads to some rows, or to one refusal. Nothing is dropped: what leads to neither is a refusal too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec

from shared.decoding import UNREADABLE
from shared.errors import Malformed, NotFound, PousadaError, Refuse, Unmappable
from shared.model.columns import ENTITIES
from shared.model.identity import record_id
from shared.model.mapping import MappingContext, Refusal, Row, Warned
from shared.pipeline import envelope as envelopes
from shared.pipeline import raw_keys, rules
from shared.pipeline.envelope import Envelope, decoder_of
from shared.pipeline.plain import NUL, Page, Plain
from shared.vendors.registry import part

ContextOf = Callable[[str, str], MappingContext]
"""``(vendor, property_id)`` → what the mapping may know of the property (from the integration item)."""


@dataclass(slots=True)
class Mapped:
    """What a set of raw objects came to."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    refusals: list[Refusal] = field(default_factory=list)
    warned: Warned = field(default_factory=Warned)
    records: int = 0

    def add(self, other: Mapped) -> None:
        for entity, rows in other.rows.items():
            self.rows[entity].extend(rows)
        self.refusals.extend(other.refusals)
        self.warned.update(other.warned)
        self.records += other.records


def map_object(key: str, body: bytes, context_of: ContextOf) -> Mapped:
    """All rows and refusals of the raw object at ``key``; ``body`` is decompressed."""
    mapped = Mapped()
    for part_of_it in map_lines(key, envelopes.lines(key, body), context_of):
        mapped.add(part_of_it)
    return mapped


def map_lines(key: str, lines: Sequence[bytes], context_of: ContextOf, chunk: int = 10_000) -> Iterator[Mapped]:
    """As ``map_object``, ``chunk`` lines at a time: a page of any size is mapped in bounded memory."""
    try:
        mapper = RecordMapper.of(key, context_of)
    except (Malformed, NotFound) as error:
        yield refuse_object(key, error)
        return
    for first in range(0, len(lines), chunk):
        yield mapper.map_lines((key, number, line) for number, line in enumerate(lines[first : first + chunk], first))


def refuse_object(key: str, error: Refuse) -> Mapped:
    """A raw object that cannot be read at all, or whose property nobody onboarded: one refusal for the whole."""
    vendor, property_id, version = "unknown", "unknown", 0
    with suppress(Malformed, NotFound):  # what lies in the bucket by mistake is refused as well, and by no mapping
        address = raw_keys.parse(key)
        vendor, property_id = address.vendor, address.property_id
        version = part(vendor, "mapping").VERSION
    return Mapped(refusals=[Refusal(vendor, property_id, "unknown", error.reason, None, key, 0, version)])


def map_payload(vendor: str, entity: str, payload: bytes, context: MappingContext) -> list[tuple[str, Row]]:
    """The rows of one record outside any raw object: content and identity, no provenance (``pousada map``).

    Raises Unmappable for a record that would be quarantined, NotFound for an unknown vendor or entity.
    """
    if entity not in ENTITIES:
        raise NotFound(f"unknown entity; the known are {', '.join(ENTITIES)}", reason="unknown_entity")
    version = part(vendor, "mapping").VERSION
    rows = _map_record(vendor, entity, part(vendor, "payloads").decode(payload, entity), context)
    for kind, row in rows:
        _identify(kind, row, vendor, context, version)
        rules.hold(kind, row, context.warned)
    return rows


Line = tuple[str, int, bytes]
"""A raw object's key, the number of a line in it, and the envelope that stands there."""


class RecordMapper:
    """Maps envelopes of one kind and property; what they share is looked up once, for this is the hot loop."""

    def __init__(self, address: raw_keys.RawAddress, context: MappingContext) -> None:
        """Raises NotFound where there is no such vendor."""
        self.context = context
        self.vendor = address.vendor
        self._address = address
        self._version: int = part(address.vendor, "mapping").VERSION
        # What the key promises of every envelope; one that says otherwise is read by what it says itself.
        kind = "event" if address.channel == "webhooks" else "entity"
        self._kind_of = attrgetter(kind)
        self.entity = _entity(address.vendor, **{kind: address.kind})
        records = part(address.vendor, "payloads").RECORDS
        self._decode = decoder_of(records[self.entity]).decode if self.entity in records else None

    @classmethod
    def of(cls, key: str, context_of: ContextOf) -> RecordMapper:
        """Raises Malformed or NotFound: the key is none, or nobody onboarded its property."""
        address = raw_keys.parse(key)
        return cls(address, context_of(address.vendor, address.property_id))

    def map_lines(self, lines: Iterable[Line]) -> Mapped:
        mapped = Mapped()
        self.context.warned = mapped.warned
        for line in lines:
            mapped.records += 1
            try:
                rows = self._rows(line)
            except _REFUSED as error:
                mapped.refusals.append(self._refusal(error, line))
            else:
                # Only now: a record of which one row is refused is refused whole.
                for kind, row in rows:
                    mapped.rows[kind].append(row)
        return mapped

    def _rows(self, line: Line) -> list[tuple[str, Row]]:
        key, number, text = line
        envelope, entity = self._read(text)
        rows = _map_record(self.vendor, entity, envelope.payload, self.context)
        for kind, row in rows:
            self.identify(kind, row, self.context)
            row.raw_received_at, row.raw_key, row.raw_line = envelope.received_at, key, number
            rules.hold(kind, row, self.context.warned)
        return rows

    def read(self, texts: Sequence[bytes]) -> Plain:
        """The records of single envelopes."""
        plain = Plain()
        for place, text in enumerate(texts):
            with suppress(*_REFUSED):
                envelope, entity = self._read(text)
                if entity == self.entity:
                    plain.add(place, envelope.payload, envelope.received_at)
        return plain

    def page_of(self, line: bytes) -> Page | None:
        """What the line of a page says to read the other lines by; None where it is not plain."""
        try:
            envelope = envelopes.decode(line)
        except Malformed:
            return None
        payload = bytes(envelope.payload)
        before, _, after = line.partition(payload)
        if self._decode is None or not self._is_promised(envelope) or not before.endswith(b'"payload":'):
            return None
        return Page(before, after, envelope.received_at, self.vendor, self.entity)

    def map(self, record: Any, context: MappingContext) -> list[tuple[str, Row]]:
        """The content of what a plain record leads to; raises what the vendor's functions raise."""
        rows: list[tuple[str, Row]] = part(self.vendor, "mapping").MAPPERS[self.entity](record, context)
        return rows

    def identify(self, kind: str, row: Row, context: MappingContext) -> None:
        """What the pipeline knows of a row besides its content and where its record lies."""
        _identify(kind, row, self.vendor, context, self._version)

    def _read(self, line: bytes) -> tuple[Envelope[Any], str]:
        """Envelope, with its record typed, and entity: in one pass where they are as the key promises.

        Raises Malformed or Unmappable.
        """
        if self._decode is not None and NUL not in line:
            try:
                envelope: Envelope[Any] = self._decode(line)
            except UNREADABLE:
                return self._read_carefully(line)
            if self._is_promised(envelope):
                return envelope, self.entity
        return self._read_carefully(line)

    def _is_promised(self, envelope: Envelope[Any]) -> bool:
        """Whether the envelope says of itself what the object's key says of all."""
        promised = self._address
        return (
            envelope.property_id == promised.property_id
            and envelope.vendor == promised.vendor
            and self._kind_of(envelope) == promised.kind
        )

    def _read_carefully(self, line: bytes) -> tuple[Envelope[Any], str]:
        if _NUL_CHARACTER.search(line):
            raise Unmappable("a text holds the character NUL, which PostgreSQL cannot store", reason="nul_character")
        envelope = envelopes.decode(line)
        if envelope.vendor != self.vendor or envelope.property_id != self._address.property_id:
            raise Unmappable("the envelope is another property's", reason="property_mismatch", field="property_id")
        entity = _entity(envelope.vendor, entity=envelope.entity, event=envelope.event)
        if entity not in ENTITIES:
            raise Unmappable("no known event or entity", reason="unknown_event", field="event")
        record = part(envelope.vendor, "payloads").decode(envelope.payload, entity)
        return msgspec.structs.replace(envelope, payload=record), entity

    def _refusal(self, error: PousadaError, line: Line) -> Refusal:
        key, number, text = line
        try:
            envelope = envelopes.decode(text)
        except Malformed:
            envelope = None
        entity = _entity(self.vendor, entity=envelope.entity, event=envelope.event) if envelope else ""
        return Refusal(
            vendor=self.vendor,
            property_id=self._address.property_id,
            entity=entity if entity in ENTITIES else "unknown",
            reason=str(error.facts.get("reason", "unmappable")),
            field=error.facts.get("field"),  # type: ignore[arg-type]
            raw_key=key,
            raw_line=number,
            mapping_version=self._version,
            received_at=envelope.received_at if envelope else None,
        )


_REFUSED = (Unmappable, Malformed, NotFound)
"""What a record is refused by."""
_NUL_CHARACTER = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # behind an even number of backslashes it is no escape


def _entity(vendor: str, entity: str | None = None, event: str | None = None) -> str:
    """What a payload is: told by name, or by its event and the vendor's table; empty where neither tells."""
    return entity or part(vendor, "webhook").EVENTS.get(event, "")


def _map_record(vendor: str, entity: str, record: Any, context: MappingContext) -> list[tuple[str, Row]]:
    try:
        rows: list[tuple[str, Row]] = part(vendor, "mapping").MAPPERS[entity](record, context)
    except ValueError:
        raise Unmappable("an amount is not a number of money", reason="malformed_amount") from None
    except OverflowError:
        raise Unmappable("an instant lies outside the calendar", reason="malformed_instant") from None
    return [(kind, row) for kind, row in rows if row.external_id is not None]


def _identify(entity: str, row: Row, vendor: str, context: MappingContext, version: int) -> None:
    """What the vendor's mapping need not repeat."""
    if row.id is None:
        row.id = context.each(record_id, vendor, context.property_id, entity, row.external_id)
    row.source = vendor
    row.hotel_id = context.property_id
    row.mapping_version = version
