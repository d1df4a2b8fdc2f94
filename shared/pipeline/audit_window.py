"""A stretch of one hotel's raw keys, in order: as many as one leg of its audit holds in memory.

In it are the keys that the raw lake holds and those that batches name, both whole up to the window's last key. So what
one side has and the other lacks is found in the window, and the next one begins behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from heapq import nsmallest
from typing import NamedTuple

import msgspec

from shared.pipeline.audit import OBJECTS_AT_ONCE, RawObject
from shared.pipeline.manifest import Manifest, ObjectAddress

KEYS = 10_000
"""Of the lake's, and as many of the batches': some 10 MB, however many a hotel or its batches have."""


class Part(NamedTuple):
    """What is looked at in one go."""

    objects: list[RawObject]
    done: list[Manifest]
    pending: list[Manifest]
    """Both with those objects alone that lie in the part."""
    last: str


@dataclass(frozen=True, slots=True)
class Window:
    objects: Sequence[RawObject]
    done: Sequence[Manifest]
    pending: Sequence[Manifest]
    last: str | None
    """The greatest key that belongs to it; None: nothing follows."""

    def parts(self) -> Iterator[Part]:
        """As many keys at a time as are fetched in one go: one that the lake lacks costs a request as well."""
        named = (address.key for manifest in self.done for address in manifest.objects)
        keys = sorted(key for key in {*named, *(one.key for one in self.objects)} if self._holds(key))
        for first in range(0, len(keys), OBJECTS_AT_ONCE):
            some = keys[first : first + OBJECTS_AT_ONCE]
            yield self._part(frozenset(some), some[-1])

    def _holds(self, key: str) -> bool:
        return self.last is None or key <= self.last

    def _part(self, keys: Set[str], last: str) -> Part:
        objects = [one for one in self.objects if one.key in keys]
        return Part(objects, _narrowed(self.done, keys), _narrowed(self.pending, keys), last)


def window(objects: Sequence[RawObject], done: Named, pending: Named) -> Window:
    """``objects``: the first ``KEYS`` of the lake's; fewer, if there are no more."""
    listed_to = objects[-1].key if len(objects) >= KEYS else None
    ends = [end for end in (listed_to, done.last, pending.last) if end is not None]
    return Window(objects, done.manifests, pending.manifests, min(ends, default=None))


class Named(NamedTuple):
    """The first keys that some manifests name, by manifest."""

    manifests: list[Manifest]
    last: str | None
    """Up to this key they are all there are; None: there are no more."""


def first_named(manifests: Iterable[Manifest], prefix: str, after: str) -> Named:
    """Of the keys that begin with ``prefix`` and are greater than ``after``, the first ``KEYS``.

    One manifest at a time is in memory, and ``KEYS`` addresses.
    """
    heads: list[Manifest] = []

    def named() -> Iterator[tuple[ObjectAddress, int]]:
        for number, manifest in enumerate(manifests):
            heads.append(msgspec.structs.replace(manifest, objects=()))
            for address in manifest.objects:
                if address.key > after and address.key.startswith(prefix):
                    yield address, number

    first = nsmallest(KEYS, named())
    objects: dict[int, list[ObjectAddress]] = {}
    for address, number in first:
        objects.setdefault(number, []).append(address)
    filled = [msgspec.structs.replace(heads[number], objects=tuple(some)) for number, some in sorted(objects.items())]
    return Named(filled, _last([address.key for address, _ in first]) if len(first) == KEYS else None)


def _last(keys: Sequence[str]) -> str:
    """The last key of which all is here: of the very last, a further manifest that names it may have been cut off."""
    return next((key for key in reversed(keys) if key != keys[-1]), keys[-1])


def _narrowed(manifests: Iterable[Manifest], keys: Set[str]) -> list[Manifest]:
    within = (
        msgspec.structs.replace(manifest, objects=tuple(one for one in manifest.objects if one.key in keys))
        for manifest in manifests
    )
    return [manifest for manifest in within if manifest.objects]
