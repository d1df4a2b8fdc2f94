"""Raw objects into unified rows: the one step that the live path and the batch path share.

Pure: bytes in, rows and refusals out. A raw object holds one envelope or a page of them; each envelope
leads to some rows, or to one refusal. Nothing is dropped: what leads to neither is a refusal too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import islice

import msgspec

from shared.errors import Malformed, NotFound, PousadaError, Refuse, Unmappable
from shared.model.columns import ENTITIES
from shared.model.identity import record_id
from shared.model.mapping import MappingContext, Refusal, Row, Warned
from shared.pipeline import envelope as envelopes
from shared.pipeline import raw_keys, rules
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
    address = raw_keys.parse(key)
    try:
        context = context_of(address.vendor, address.property_id)
    except NotFound as error:
        yield refuse_object(key, error)
        return
    numbered = enumerate(lines)
    while piece := list(islice(numbered, chunk)):
        mapped = Mapped(records=len(piece))
        context.warned = mapped.warned
        one_object = _ObjectMapper(address, key, context, mapped)
        for number, line in piece:
            one_object.map_line(line, number)
        yield mapped


def refuse_object(key: str, error: Refuse) -> Mapped:
    """A raw object that cannot be read at all, or whose property nobody onboarded: one refusal for the whole."""
    address = raw_keys.parse(key)
    version: int = part(address.vendor, "mapping").VERSION
    refusal = Refusal(address.vendor, address.property_id, "unknown", error.reason, None, key, 0, version)
    return Mapped(refusals=[refusal])


def map_payload(vendor: str, entity: str, payload: bytes, context: MappingContext) -> list[tuple[str, Row]]:
    """The rows of one record outside any raw object: content and identity, no provenance (``pousada map``).

    Raises Unmappable for a record that would be quarantined, NotFound for an unknown vendor or entity.
    """
    rows = _mapper(vendor, entity)(payload, context)
    for kind, row in rows:
        row.id = row.id or record_id(vendor, context.property_id, kind, row.external_id)
        row.source = vendor
        row.hotel_id = context.property_id
        row.mapping_version = part(vendor, "mapping").VERSION
        rules.hold(kind, row, context.warned)
    return rows


class _ObjectMapper:
    """Maps the envelopes of one raw object: what they share is looked up once (this is the hot loop)."""

    def __init__(self, address: raw_keys.RawAddress, key: str, context: MappingContext, mapped: Mapped) -> None:
        self._address = address
        self._key = key
        self._context = context
        self._mapped = mapped
        self._version: int = part(address.vendor, "mapping").VERSION

    def map_line(self, line: bytes, number: int) -> None:
        envelope, entity = None, None
        try:
            envelope = envelopes.decode(line)
            if envelope.property_id != self._address.property_id or envelope.vendor != self._address.vendor:
                raise Unmappable("the envelope is another property's", reason="property_mismatch", field="property_id")
            entity = entity_of(envelope)
            self._map_envelope(envelope, entity, number)
        except (Unmappable, Malformed, NotFound) as error:
            self._refuse(error, entity, number, envelope)

    def _map_envelope(self, envelope: envelopes.Envelope, entity: str, number: int) -> None:
        context, vendor = self._context, envelope.vendor
        property_id = context.property_id
        rows = _mapper(vendor, entity)(envelope.payload, context)
        for kind, row in rows:
            if row.id is None:
                row.id = record_id(vendor, property_id, kind, row.external_id)
            row.source = vendor
            row.hotel_id = property_id
            row.raw_received_at = envelope.received_at
            row.mapping_version = self._version
            row.raw_key = self._key
            row.raw_line = number
            rules.hold(kind, row, context.warned)
        # Only now: a record of which one row is refused is refused whole.
        for kind, row in rows:
            self._mapped.rows[kind].append(row)

    def _refuse(
        self, error: PousadaError, entity: str | None, number: int, envelope: envelopes.Envelope | None
    ) -> None:
        refusal = Refusal(
            vendor=self._address.vendor,
            property_id=self._address.property_id,
            entity=entity or "unknown",
            reason=str(error.facts.get("reason", "unmappable")),
            field=error.facts.get("field"),  # type: ignore[arg-type]
            raw_key=self._key,
            raw_line=number,
            mapping_version=self._version,
            received_at=envelope.received_at if envelope else None,
        )
        self._mapped.refusals.append(refusal)


def entity_of(envelope: envelopes.Envelope) -> str:
    """What the payload is: the envelope says so itself, or its event does by the vendor's table."""
    entity = envelope.entity or part(envelope.vendor, "webhook").EVENTS.get(envelope.event)
    if entity not in ENTITIES:
        raise Unmappable("no known event or entity", reason="unknown_event", field="event")
    return str(entity)


@cache
def _mapper(vendor: str, entity: str) -> Callable[[msgspec.Raw | bytes, MappingContext], list[tuple[str, Row]]]:
    if entity not in ENTITIES:
        raise NotFound(f"unknown entity; the known are {', '.join(ENTITIES)}", reason="unknown_entity")
    return partial(part(vendor, "mapping").map_record, entity)
