"""A batch: a fixed set of raw objects that is handed to the Glue job (DESIGN.md §3).

Everything about a batch is derived from the events that announced its objects, never from the moment:
the same events, redelivered, make the same manifest under the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from operator import attrgetter
from typing import Annotated

import msgspec

from shared.decoding import UNREADABLE, fault
from shared.errors import Malformed
from shared.model.calendar import Instant, in_calendar
from shared.segments import Segment

PENDING = "manifests/pending/"
DONE = "manifests/done/"

BUCKET_BYTES = 4 * 1024 * 1024
"""Raw bytes, as stored, that make one bucket of rows: some 50,000 records of gzipped NDJSON, 200 MB in a worker."""
MERGED_OBJECTS = 10_000
MERGED_BYTES = 2 * 1024**3
"""Where one batch ends when small manifests are merged into it."""
GROUP_BYTES = 4 * 1024 * 1024
GROUP_OBJECTS = 2_500
"""What makes one file for each entity, if it is more than one object: small ones are fetched for longer."""
_LONGEST_KEY = 1024
_LARGEST_OBJECT = 50 * 1024**4
"""Bytes; S3's own limits."""


REPLAY = "pousada.replay"
"""An event's source, where the operator asks for an object once more; what lands is announced by S3."""


class ObjectAddress(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    key: str
    size: Annotated[int, msgspec.Meta(ge=0, le=_LARGEST_OBJECT)]
    """Bytes as stored."""
    replayed: bool = False
    """Of a manifest's: nothing but a replay announced it."""

    def __post_init__(self) -> None:
        # What S3 has no key for, it is asked for in vain at every try: one such address would hold up its whole batch.
        if not self.key or len(self.key.encode()) > _LONGEST_KEY or "\0" in self.key:
            raise ValueError("no key of S3's")


class RawEvent(msgspec.Struct, frozen=True):
    """S3's "Object Created" as EventBridge brings it, or a replay's event of the same form."""

    class Detail(msgspec.Struct, frozen=True):
        class Bucket(msgspec.Struct, frozen=True):
            name: str

        bucket: Bucket
        object: ObjectAddress

    time: Instant
    detail: Detail
    source: str = "aws.s3"

    @property
    def address(self) -> ObjectAddress:
        return msgspec.structs.replace(self.detail.object, replayed=self.source == REPLAY)

    def __post_init__(self) -> None:
        in_calendar(self.time)


class Manifest(msgspec.Struct, frozen=True):
    batch_id: Segment
    created_at: Instant
    """UTC; the newest event's time: the day of the batch's Parquet partition."""
    objects: tuple[ObjectAddress, ...]
    merged_from: tuple[Segment, ...] = ()
    """The batches that this one took over: they are no longer to be done."""

    def __post_init__(self) -> None:
        in_calendar(self.created_at)

    @property
    def size(self) -> int:
        return sum(address.size for address in self.objects)

    @property
    def buckets(self) -> int:
        """Into how many ranges of ids the batch's rows are divided for PostgreSQL: bounds a worker's memory."""
        return 1 + self.size // BUCKET_BYTES

    def groups(self) -> list[tuple[ObjectAddress, ...]]:
        """The objects divided among map tasks, big ones alone and small ones together: fixes the files."""
        groups: list[list[ObjectAddress]] = []
        room = 0
        for address in self.objects:
            if not groups or address.size > room or len(groups[-1]) == GROUP_OBJECTS:
                groups.append([])
                room = GROUP_BYTES
            groups[-1].append(address)
            room -= address.size
        return [tuple(group) for group in groups]


_event_decoder = msgspec.json.Decoder(RawEvent)


def read_event(message: str | bytes) -> RawEvent:
    """The event in a queue's message. Raises Malformed."""
    try:
        return _event_decoder.decode(message)
    except UNREADABLE as error:
        raise Malformed(f"not an event of a raw object: {fault(error)}", reason="not_a_raw_event") from None


def manifest_of(events: Sequence[RawEvent]) -> Manifest:
    """The manifest of ``events`` (at least one); an object that was announced twice is in it once."""
    newest = max(event.time for event in events).astimezone(UTC)
    return _manifest(newest, (event.address for event in events))


def merged(manifests: Iterable[Manifest]) -> Iterator[Manifest]:
    """Small manifests, oldest first, made into few: a file for each of them would be many small files.

    A manifest that is merged already comes back as it is. Like every batch, a merged one is named by what is in it.
    """
    together: list[Manifest] = []
    for manifest in manifests:
        if manifest.merged_from:
            yield manifest
            continue
        if together and _too_many([*together, manifest]):
            yield _merge(together)
            together = []
        together.append(manifest)
    if together:
        yield _merge(together)


def _too_many(manifests: Sequence[Manifest]) -> bool:
    return (
        sum(len(manifest.objects) for manifest in manifests) > MERGED_OBJECTS
        or sum(manifest.size for manifest in manifests) > MERGED_BYTES
    )


def _merge(manifests: Sequence[Manifest]) -> Manifest:
    if len(manifests) == 1:
        return manifests[0]
    newest = max(manifest.created_at for manifest in manifests)
    addresses = (address for manifest in manifests for address in manifest.objects)
    return _manifest(newest, addresses, tuple(manifest.batch_id for manifest in manifests))


def _manifest(created_at: datetime, addresses: Iterable[ObjectAddress], merged_from: tuple[str, ...] = ()) -> Manifest:
    objects = tuple(_each_once(addresses))
    batch_id = f"{created_at:%Y%m%dT%H%M%SZ}-{_digest(address.key for address in objects)}"
    # Where an older manifest has nothing that a newer lacks, the two together have the newer's name, and stand in
    # its place: it is not among those to be removed.
    return Manifest(batch_id, created_at, objects, tuple(other for other in merged_from if other != batch_id))


def _each_once(addresses: Iterable[ObjectAddress]) -> Iterator[ObjectAddress]:
    # Sorted first: which of two announcements of one object counts must not depend on the order they came in.
    for _, group in groupby(sorted(addresses), attrgetter("key")):
        announced = list(group)
        replayed = all(address.replayed for address in announced)
        yield msgspec.structs.replace(announced[-1], replayed=replayed)


def _digest(keys: Iterable[str]) -> str:
    return sha256("\n".join(keys).encode()).hexdigest()[:16]


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.encode(manifest)


def decode(text: bytes) -> Manifest:
    """Raises Malformed."""
    try:
        return msgspec.json.decode(text, type=Manifest)
    except UNREADABLE as error:
        raise Malformed(f"not a manifest: {fault(error)}", reason="not_a_manifest") from None
