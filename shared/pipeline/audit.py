"""The ledger: proof, for any period, that no raw record was lost on its way (``pousada audit``).

Every raw object is to be in a batch that is done, and every record in it to be a row, an older version of one, or in
the quarantine. In exactly one batch, but for replays, which are told apart, and for what was announced twice, which is
counted. The raw lake is read again and mapped again: what is believed is the bytes, and not what any step said
of itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal, Protocol

import msgspec

from shared.errors import Refuse, Retry
from shared.model.mapping import Refusal, Row
from shared.pipeline.envelope import lines
from shared.pipeline.manifest import Manifest
from shared.pipeline.transform import ContextOf, Mapped, map_lines, refuse_object

Kind = Literal["not_in_a_batch", "batch_not_done", "raw_object_missing", "row_missing", "row_older", "refusal_missing"]
OBJECTS_AT_ONCE = 200
"""Objects that are fetched and compared in one go, however few records they hold."""
RECORDS_AT_ONCE = 10_000
"""Records that are compared in one go: what bounds the memory where objects are large."""
CLOCKS_APART = timedelta(hours=1)
"""A key names the day by the vendor's clock: its batch may be of the evening before, by ours."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that is not as it must be. Holds nothing of a record's content."""

    kind: Kind
    raw_key: str
    raw_line: int | None = None
    entity: str | None = None
    id: str | None = None
    """The row's."""
    reason: str | None = None
    """The refusal's."""


@dataclass
class Totals:
    """What has been looked at."""

    objects: int = 0
    young: int = 0
    """Objects too new to be judged: their batch may be on its way."""
    records: int = 0
    rows: int = 0
    refused: int = 0
    repeated: int = 0
    """Objects that several batches took without being asked to."""
    replayed: int = 0
    """Objects that a batch took, or took again, for a replay."""
    found: Counter[str] = field(default_factory=Counter)


class RawObject(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def stored_at(self) -> datetime | None: ...


class RawLake(Protocol):
    """Its bytes (``shared.storage.raw_lake``)."""

    def many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | Refuse | Retry]]: ...
    def exists(self, key: str) -> bool: ...


class Ledger(Protocol):
    """PostgreSQL's side (``shared.storage.ledger``)."""

    def unaccounted(self, rows: Mapping[str, Sequence[Row]], refusals: Sequence[Refusal]) -> Iterable[Finding]:
        """What of the rows and refusals that raw records lead to is not held."""
        ...


@dataclass(frozen=True, slots=True)
class Books:
    """What is held against one another."""

    raw: RawLake
    context_of: ContextOf
    ledger: Ledger


class Batches:
    """Which raw objects are in a batch, by the manifests that are done and those that are pending."""

    def __init__(self, done: Iterable[Manifest], pending: Iterable[Manifest]) -> None:
        taken: Counter[str] = Counter()
        self.replayed: set[str] = set()
        for address in (address for manifest in done for address in manifest.objects):
            if address.replayed:
                self.replayed.add(address.key)
            else:
                taken[address.key] += 1
        self.done = self.replayed.union(taken)
        # No finding: a queue may deliver twice, and a vendor's next try overwrites the one before and is announced too.
        self.repeated = {key for key, times in taken.items() if times > 1}
        self.pending = {address.key for manifest in pending for address in manifest.objects}

    def judge(self, key: str) -> Finding | None:
        if key in self.done:
            return None
        return Finding("batch_not_done" if key in self.pending else "not_in_a_batch", key)


def audit(
    objects: Iterable[RawObject], batches: Batches, books: Books, settled_before: datetime, totals: Totals
) -> Iterator[Finding]:
    """Everything that is lost of ``objects``, and what the batches that are done name and the raw lake lacks.

    ``settled_before``: objects stored later are only counted. ``totals`` is kept up as the audit goes on. Raises
    StoreUnavailable where the raw lake or PostgreSQL cannot be read: then nothing is proved.
    """
    seen: set[str] = set()
    remaining = iter(objects)
    while some := list(islice(remaining, OBJECTS_AT_ONCE)):
        settled = [one.key for one in some if one.stored_at is None or one.stored_at < settled_before]
        seen.update(one.key for one in some)
        totals.objects += len(some)
        totals.young += len(some) - len(settled)
        for finding in _lost(settled, batches, books, totals):
            totals.found[finding.kind] += 1
            yield finding
    for key in sorted(batches.done - seen):
        if not books.raw.exists(key):
            totals.found["raw_object_missing"] += 1
            yield Finding("raw_object_missing", key)


def _lost(keys: Sequence[str], batches: Batches, books: Books, totals: Totals) -> Iterator[Finding]:
    totals.repeated += len(batches.repeated.intersection(keys))
    totals.replayed += len(batches.replayed.intersection(keys))
    for key in keys:
        if finding := batches.judge(key):
            yield finding
    for mapped in _mapped(books.raw.many(keys), books.context_of):
        totals.records += mapped.records
        totals.rows += sum(map(len, mapped.rows.values()))
        totals.refused += len(mapped.refusals)
        yield from books.ledger.unaccounted(mapped.rows, mapped.refusals)


def _mapped(fetched: Iterable[tuple[str, bytes | Refuse | Retry]], context_of: ContextOf) -> Iterator[Mapped]:
    """What the objects come to, small ones together and a large one in parts."""
    gathered = Mapped()
    for key, body in fetched:
        if isinstance(body, Retry):
            raise body
        parts = [refuse_object(key, body)] if isinstance(body, Refuse) else map_lines(key, lines(key, body), context_of)
        for part in parts:
            gathered.add(part)
            if gathered.records >= RECORDS_AT_ONCE:
                yield gathered
                gathered = Mapped()
    yield gathered
