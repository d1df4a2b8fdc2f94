"""Raw objects that no manifest names, hours after they landed: data loss in the making.

Each object is to be in a batch within minutes. Its event may have been lost, or lie among the dead letters; the object
itself is safe, and a replay brings it on its way. The daily audit finds the same and more; this finds it the same hour.

To list every hotel's folders at each pass would cost more than all else there is to watch. So each hotel has its turn
once in a cycle, and what is looked at then reaches back for longer than a cycle: nothing slips between two turns, and
what is lost is found again at each turn, for a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple, Protocol
from zlib import crc32

from shared.errors import Malformed
from shared.pipeline.audit import CLOCKS_APART, RawObject
from shared.pipeline.manifest import Manifest
from shared.pipeline.raw_walk import MANY, objects_under

Hotel = tuple[str, str]
"""Vendor and property."""

SETTLED_AFTER = timedelta(hours=2)
LOOKED_BACK = timedelta(hours=26)
HOTELS_AT_ONCE = 8
"""Whose folders are walked side by side; S3's client has ten connections."""


class Lake(Protocol):
    """``shared.storage.raw_lake.RawLake``."""

    def list(self, prefix: str, after: str = "", at_once: int = MANY) -> Iterator[RawObject]: ...


class Manifests(Protocol):
    """``shared.storage.manifests.Manifests``."""

    def pending(self) -> Iterator[Manifest | Malformed]: ...
    def done(self, since: datetime) -> Iterator[Manifest | Malformed]: ...


class Rota(NamedTuple):
    """Whose turn it is: passes are ``every`` apart, and every hotel has one turn in a ``cycle``."""

    every: timedelta
    cycle: timedelta

    def takes(self, hotel: Hotel, now: datetime) -> bool:
        turns = max(self.cycle // self.every, 1)
        turn = int(now.timestamp() // self.every.total_seconds()) % turns
        # Not Python's own hash: that is another one in each process.
        return crc32("/".join(hotel).encode()) % turns == turn


def unbatched(hotels: Iterable[Hotel], lake: Lake, manifests: Manifests, now: datetime) -> list[str]:
    """The keys of the hotels' raw objects that landed in the day before ``SETTLED_AFTER`` ago and are in no batch.

    What it costs: a request for each of a hotel's folders, and, where there are any objects, every manifest of a day.
    Raises StoreUnavailable.
    """
    since, settled = now - LOOKED_BACK, now - SETTLED_AFTER
    missing = _landed_of_all(hotels, lake, since, settled)
    if missing:
        # Pending before done: a batch that is finished in between is then in both, and not in neither.
        for manifest in chain(manifests.pending(), manifests.done(since - CLOCKS_APART)):
            if isinstance(manifest, Manifest):
                missing.difference_update(address.key for address in manifest.objects)
    return sorted(missing)


def _landed_of_all(hotels: Iterable[Hotel], lake: Lake, since: datetime, settled: datetime) -> set[str]:
    # Of a walk most is waiting, and a pass has few minutes for many hotels.
    with ThreadPoolExecutor(HOTELS_AT_ONCE) as pool:
        found = pool.map(lambda hotel: list(_landed(hotel, lake, since, settled)), hotels)
        return set(chain.from_iterable(found))


def _landed(hotel: Hotel, lake: Lake, since: datetime, settled: datetime) -> Iterator[str]:
    # The day in a key is of the vendor's clock.
    for found in objects_under(lake, f"{'/'.join(hotel)}/", (since - CLOCKS_APART).date()):
        if found.stored_at is not None and since <= found.stored_at < settled:
            yield found.key
