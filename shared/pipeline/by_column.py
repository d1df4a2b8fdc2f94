"""Many records mapped by column: the batch path's fast road, and the same rows as record by record.

A mapper computes by ``context.each`` alone. Here its record is a chunk of records (``vectors.Records``) whose every
field is a column, and ``each`` applies a function once for each distinct value: in thousands of reservations there
are few statuses, countries, days and room types. So there is one definition of what a record comes to, and its cost
for each record falls by more than half.

A record that breaks a rule, is warned of, or makes a function raise, is *odd*: it is mapped by itself
(``transform.RecordMapper``), which counts its warnings and words its refusal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.errors import Malformed, NotFound, Unmappable
from shared.model import arrow
from shared.model.mapping import MappingContext, Row, Warned
from shared.model.vectors import FAILED, Codes, Mask, Records, Vector, column
from shared.pipeline import rules
from shared.pipeline.kernels import KERNELS
from shared.pipeline.plain import Plain
from shared.pipeline.raw_keys import RawAddress, parse
from shared.pipeline.transform import ContextOf, Line, Mapped, RecordMapper, refuse_object

FEWEST = 64
"""Records below which columns do not pay."""


class _Warns(Exception):
    """A function warns of a value; how often, is counted record by record."""


_ODD = (Unmappable, ValueError, OverflowError, _Warns)
"""What a mapper's functions raise for a record that is odd."""


@dataclass
class Chunk:
    """What some lines of a raw object came to."""

    mapped: Mapped
    """Record by record; its ``records`` counts those of the tables too."""
    source: str = ""
    tables: dict[str, pa.Table] = field(default_factory=dict)
    """Entity → rows of ``source``."""


class _Lines(NamedTuple):
    """Lines that are mapped together: the envelopes' texts, and where each stands."""

    texts: Sequence[bytes]
    keys: Sequence[str]
    numbers: npt.NDArray[np.int32]

    @classmethod
    def of(cls, objects: Iterable[tuple[str, Sequence[bytes]]]) -> _Lines:
        lines = [(text, key, number) for key, texts in objects for number, text in enumerate(texts)]
        texts, keys, numbers = zip(*lines, strict=True) if lines else ((), (), ())
        return cls(texts, keys, np.array(numbers, np.int32))

    def at(self, places: Iterable[int]) -> Iterator[Line]:
        return ((self.keys[place], int(self.numbers[place]), self.texts[place]) for place in places)


Read = Callable[[Sequence[bytes]], Plain]


def map_chunks(key: str, texts: Sequence[bytes], context_of: ContextOf, length: int) -> Iterator[Chunk]:
    """All rows and refusals of the raw object at ``key``, ``length`` lines at a time."""
    try:
        mapper = RecordMapper.of(key, context_of)
    except (Malformed, NotFound) as error:
        yield Chunk(refuse_object(key, error))
        return
    for first in range(0, len(texts), length):
        some = texts[first : first + length]
        numbers = np.arange(first, first + len(some), dtype=np.int32)
        page = mapper.page_of(some[0]) if len(some) >= FEWEST else None
        yield _map(mapper, _Lines(some, [key] * len(some), numbers), page.read if page else None)


def map_small(objects: Iterable[tuple[str, Sequence[bytes]]], context_of: ContextOf) -> Iterator[Chunk]:
    """All rows and refusals of small raw objects, as ``(key, lines)``: those of one kind and property together."""
    alike: dict[RawAddress, list[tuple[str, Sequence[bytes]]]] = defaultdict(list)
    for key, texts in objects:
        try:
            alike[parse(key)].append((key, texts))
        except Malformed as error:
            yield Chunk(refuse_object(key, error))
    for address, some in alike.items():
        try:
            mapper = RecordMapper(address, context_of(address.vendor, address.property_id))
        except NotFound as error:
            yield from (Chunk(refuse_object(key, error)) for key, _ in some)
        else:
            lines = _Lines.of(some)
            yield _map(mapper, lines, mapper.read if len(lines.texts) >= FEWEST else None)


def _map(mapper: RecordMapper, lines: _Lines, read: Read | None) -> Chunk:
    """``read``: gives the records that are to be mapped by column, if any are."""
    plain = read(lines.texts) if read else Plain()
    places, tables = np.array(plain.places, np.int32), {}
    odd = np.ones(len(lines.texts), np.bool_)
    if plain.records:
        context = _ChunkContext(mapper.context, len(places))
        try:
            rows = _rows(mapper, plain, lines, places, context)
        except _ODD:  # on what all the records share
            context.odd[:] = True
        keep = np.flatnonzero(~context.odd) if context.odd.any() else None
        if keep is None or len(keep):
            tables = {kind: arrow.column_table(kind, row, len(places), keep) for kind, row in rows}
        odd[places] = context.odd
    mapped = mapper.map_lines(lines.at(np.flatnonzero(odd).tolist()))
    mapped.records = len(lines.texts)
    return Chunk(mapped, mapper.vendor, tables)


def _rows(
    mapper: RecordMapper, plain: Plain, lines: _Lines, places: Codes, context: _ChunkContext
) -> list[tuple[str, Row]]:
    """A row for each kind that the records lead to, whose every field is a column or the one value of all."""
    rows = mapper.map(Records(plain.records), context)
    received, keys = column(plain.received), column([lines.keys[place] for place in plain.places])
    numbers = Vector.of_array(pa.array(lines.numbers[places]))
    for kind, row in rows:
        mapper.identify(kind, row, context)
        row.raw_received_at, row.raw_key, row.raw_line = received, keys, numbers
        for rule in rules.rules_of(kind, row):
            context.refuse(context.each(rule.check, *[getattr(row, name) for name in rule.reads]))
    return rows


class _Raising(Warned):
    def add(self, entity: str, rule: str, field: str) -> NoReturn:
        raise _Warns

    def unknown_word(self, entity: str, field: str) -> NoReturn:
        raise _Warns


class _ChunkContext(MappingContext):
    """The context of ``length`` records that are mapped together."""

    def __init__(self, context: MappingContext, length: int) -> None:
        super().__init__(context.property_id, context.time_zone, _Raising())
        self.odd: Mask = np.zeros(length, np.bool_)

    def each(self, function: Callable[..., Any], *values: Any) -> Any:
        """The column of ``function``'s results; one value where all ``values`` are, and then whatever it raises."""
        vectors = [value for value in values if isinstance(value, Vector)]
        if not vectors:
            return function(*values)
        kernel = KERNELS.get(function)
        if kernel is not None and (result := kernel(self.odd, *values)) is not None:
            return result
        together = _together(vectors, len(self.odd))
        if together is None:
            results, failed = _applied(function, _arguments(values, [vector.rows() for vector in vectors]))
            self.odd[failed] = True
            return Vector(results)
        columns, codes = together
        results, failed = _applied(function, _arguments(values, columns))
        if failed:
            self.odd |= np.isin(codes, failed)
        return Vector.coded(results, codes)

    def refuse(self, kept: Any) -> None:
        """Takes the records as odd that are not True in ``kept``."""
        self.odd |= ~kept.mask() if isinstance(kept, Vector) else kept is not True


def _arguments(values: Sequence[Any], columns: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """``columns`` in the vectors' places, and beside them what is the same for all, repeated."""
    rest, length = iter(columns), len(columns[0])
    return [next(rest) if isinstance(value, Vector) else [value] * length for value in values]


def _applied(function: Callable[..., Any], arguments: Sequence[Sequence[Any]]) -> tuple[list[Any], list[int]]:
    """The results, and where the function raised one of ``_ODD``."""
    try:
        return list(map(function, *arguments)), []
    except Exception:  # it is found again, alone, and raised where it is none of ours
        return _applied_one_by_one(function, arguments)


def _applied_one_by_one(
    function: Callable[..., Any], arguments: Sequence[Sequence[Any]]
) -> tuple[list[Any], list[int]]:
    results: list[Any] = []
    failed = []
    for number, values in enumerate(zip(*arguments, strict=True)):
        result = FAILED
        if not any(value is FAILED for value in values):
            try:
                result = function(*values)
            except _ODD:
                failed.append(number)
        results.append(result)
    return results, failed


def _together(vectors: Sequence[Vector], length: int) -> tuple[list[list[Any]], Codes] | None:
    """The distinct combinations of the vectors' values, a list for each vector, and which each record has.

    None where the combinations are not far fewer than the records.
    """
    coded: list[tuple[list[Any], Codes]] = []
    for vector in vectors:
        found = vector.distinct()
        if found is None:
            return None
        coded.append(found)
    codes = coded[0][1]
    if all(other is codes for _, other in coded):
        return [values for values, _ in coded], codes
    sizes = [len(values) for values, _ in coded]
    if prod(sizes) > 2 * length:
        return None
    present = np.zeros(sizes, np.bool_)
    places = tuple(codes for _, codes in coded)
    present[places] = True
    numbers: npt.NDArray[np.int32] = (np.cumsum(present.ravel(), dtype=np.int32) - 1).reshape(sizes)
    found_at = np.nonzero(present)
    return [[values[n] for n in place.tolist()] for (values, _), place in zip(coded, found_at, strict=True)], numbers[
        places
    ]
