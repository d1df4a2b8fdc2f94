"""Raw objects into unified rows: the one step that the live path and the batch path share.

Pure: bytes in, rows and refusals out. A raw object holds one envelope or a page of them; each envelope
leads to some rows, or to one refusal. Nothing is dropped: what leads to neither is a refusal too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from shared.errors import Malformed, NotFound, PousadaError, Refuse, Unmappable
from shared.model.columns import ENTITIES
from shared.model.identity import record_id
from shared.model.mapping import MappingContext, Refusal, Row, Warned
from shared.pipeline import envelope as envelopes
from shared.pipeline import raw_keys, rules
from shared.pipeline.envelope import Envelope, decoder_of
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


def map_lines(key: str, lines: Iterable[bytes], context_of: ContextOf, chunk: int = 10_000) -> Iterator[Mapped]:
    """As ``map_object``, ``chunk`` lines at a time: a page of any size is mapped in bounded memory."""
    try:
        address = raw_keys.parse(key)
        mapper = _ObjectMapper(address, key, context_of(address.vendor, address.property_id))
    except (Malformed, NotFound) as error:
        yield refuse_object(key, error)
        return
    numbered = enumerate(lines)
    while piece := list(islice(numbered, chunk)):
        yield mapper.map_lines(piece)


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
        _identify(kind, row, vendor, context.property_id, version)
        rules.hold(kind, row, context.warned)
    return rows


class _ObjectMapper:
    """Maps the envelopes of one raw object; what they share is looked up once, for this is the hot loop."""

    def __init__(self, address: raw_keys.RawAddress, key: str, context: MappingContext) -> None:
        self._address = address
        self._key = key
        self._context = context
        self._version: int = part(address.vendor, "mapping").VERSION
        # What the key promises of every envelope; one that says otherwise is read by what it says itself.
        self._kind = "event" if address.channel == "webhooks" else "entity"
        self._entity = _entity(address.vendor, **{self._kind: address.kind})
        records = part(address.vendor, "payloads").RECORDS
        self._plain = decoder_of(records[self._entity]) if self._entity in records else None

    def map_lines(self, numbered: Iterable[tuple[int, bytes]]) -> Mapped:
        mapped = Mapped()
        self._context.warned = mapped.warned
        for number, line in numbered:
            mapped.records += 1
            try:
                rows = self._rows(line, number)
            except (Unmappable, Malformed, NotFound) as error:
                mapped.refusals.append(self._refusal(error, line, number))
            else:
                # Only now: a record of which one row is refused is refused whole.
                for kind, row in rows:
                    mapped.rows[kind].append(row)
        return mapped

    def _rows(self, line: bytes, number: int) -> list[tuple[str, Row]]:
        envelope, entity, record = self._read(line)
        context, received_at, key = self._context, envelope.received_at, self._key
        rows = _map_record(self._address.vendor, entity, record, context)
        for kind, row in rows:
            _identify(kind, row, self._address.vendor, context.property_id, self._version)
            row.raw_received_at = received_at
            row.raw_key = key
            row.raw_line = number
            rules.hold(kind, row, context.warned)
        return rows

    def _read(self, line: bytes) -> tuple[Envelope[Any], str, Any]:
        """Envelope, entity and typed record: in one pass where they are as the key promises."""
        if self._plain is not None and _NUL not in line:
            try:
                envelope = self._plain.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return self._read_carefully(line)
            promised = self._address
            if (
                envelope.property_id == promised.property_id
                and envelope.vendor == promised.vendor
                and getattr(envelope, self._kind) == promised.kind
            ):
                return envelope, self._entity, envelope.payload
        return self._read_carefully(line)

    def _read_carefully(self, line: bytes) -> tuple[Envelope[Any], str, Any]:
        if _NUL_CHARACTER.search(line):
            raise Unmappable("a text holds the character NUL, which PostgreSQL cannot store", reason="nul_character")
        envelope = envelopes.decode(line)
        if envelope.vendor != self._address.vendor or envelope.property_id != self._address.property_id:
            raise Unmappable("the envelope is another property's", reason="property_mismatch", field="property_id")
        entity = _entity(envelope.vendor, entity=envelope.entity, event=envelope.event)
        if entity not in ENTITIES:
            raise Unmappable("no known event or entity", reason="unknown_event", field="event")
        return envelope, entity, part(envelope.vendor, "payloads").decode(envelope.payload, entity)

    def _refusal(self, error: PousadaError, line: bytes, number: int) -> Refusal:
        try:
            envelope = envelopes.decode(line)
        except Malformed:
            envelope = None
        entity = _entity(self._address.vendor, entity=envelope.entity, event=envelope.event) if envelope else ""
        return Refusal(
            vendor=self._address.vendor,
            property_id=self._address.property_id,
            entity=entity if entity in ENTITIES else "unknown",
            reason=str(error.facts.get("reason", "unmappable")),
            field=error.facts.get("field"),  # type: ignore[arg-type]
            raw_key=self._key,
            raw_line=number,
            mapping_version=self._version,
            received_at=envelope.received_at if envelope else None,
        )


_NUL = rb"\u0000"
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
    return rows


def _identify(entity: str, row: Row, vendor: str, property_id: str, version: int) -> None:
    """What the pipeline knows, and the vendor's mapping need not repeat."""
    if row.id is None:
        row.id = record_id(vendor, property_id, entity, row.external_id)
    row.source = vendor
    row.hotel_id = property_id
    row.mapping_version = version
