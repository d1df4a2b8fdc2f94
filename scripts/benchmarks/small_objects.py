"""The batch path over many small raw objects, webhooks with one record in each, beside the same records in pages.

In one process, with the raw objects in memory and no PostgreSQL: the function's work of a map task and nothing of S3's,
which in the embedded AWS costs more than all the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from unittest import mock

from glue_jobs import batch
from glue_jobs.batch import Batch, Plan, map_group
from scripts.benchmarks.pages import EVENT, PROPERTY, delivered, pages
from scripts.simulators.hostpms.bulk import reservations
from shared.pipeline.envelope import encode
from shared.pipeline.manifest import GROUP_OBJECTS, ObjectAddress
from shared.pipeline.raw_keys import page_key, webhook_key

_SEED = 7


def run(objects: int = 10_000, rounds: int = 5) -> dict[str, float]:
    """Records per second of each, medians of ``rounds``, and their ratio."""
    webhooks, paged = _webhooks(objects), _pages(objects)
    _seconds(webhooks)  # imports, caches
    small = objects / median(_seconds(webhooks) for _ in range(rounds))
    large = objects / median(_seconds(paged) for _ in range(rounds))
    return {
        "objects": objects,
        "small_objects_per_s": round(small),
        "in_pages_per_s": round(large),
        "small_to_pages": round(small / large, 3),
    }


def _webhooks(count: int) -> dict[str, bytes]:
    began = datetime.now(UTC)
    made = {}
    for number, record in enumerate(reservations(count, _SEED, property_id=PROPERTY)):
        at = began + timedelta(milliseconds=number)
        key = webhook_key("hostpms", PROPERTY, EVENT, at, record)
        made[key] = encode(delivered(record, at))
    return made


def _pages(count: int) -> dict[str, bytes]:
    began = datetime.now(UTC)
    return {
        page_key("hostpms", PROPERTY, "booking", began, "benchmark", number): page
        for number, page in enumerate(pages(count, began), start=1)
    }


class _InMemory:
    """The raw and the processed lake."""

    def __init__(self, bodies: Mapping[str, bytes]) -> None:
        self._bodies = bodies

    def many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        return ((key, self._bodies[key]) for key in keys)

    def put(self, key: str, content: bytes) -> None:
        pass


def _seconds(bodies: Mapping[str, bytes]) -> float:
    plan = Plan("raw", "processed", "none", {("hostpms", PROPERTY): "Europe/Lisbon"}, upsert=False)
    lake = _InMemory(bodies)
    addresses = [ObjectAddress(key, len(body)) for key, body in bodies.items()]
    groups = [addresses[start : start + GROUP_OBJECTS] for start in range(0, len(addresses), GROUP_OBJECTS)]
    named = mock.patch.multiple(batch, _raw_lake=lambda _: lake, _processed_lake=lambda _: lake)
    began = perf_counter()
    with named:
        for number, group in enumerate(groups):
            for _ in map_group(number, group, Batch("benchmark", datetime.now(UTC), 1), plan, _ignore):
                pass
    return perf_counter() - began


def _ignore(outcome: object) -> None:
    pass
