"""In-memory stand-ins for the buckets and the tables that records end in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shared.errors import NotFound, Refuse, Retry
from shared.model.mapping import Refusal, Row


class FakeRawLake:
    """Key → what ``get`` would give; an exception is handed over in a body's place, as by ``RawLake.many``."""

    def __init__(self, objects: Mapping[str, bytes | Refuse | Retry] | None = None) -> None:
        self.objects: dict[str, bytes | Refuse | Retry] = dict(objects or {})
        self.fetched: list[str] = []

    def many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | Refuse | Retry]]:
        for key in keys:
            self.fetched.append(key)
            yield key, self.objects.get(key, NotFound("no such raw object", reason="no_such_object", key=key))

    def exists(self, key: str) -> bool:
        return key in self.objects


class FakeProcessedLake:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put(self, key: str, content: bytes) -> None:
        self.files[key] = content


class FakeStore:
    """Keeps what is applied in one call whole or not at all. ``fail`` makes calls fail, ``poison`` certain rows."""

    def __init__(self) -> None:
        self.applied: list[tuple[str, ...]] = []
        """The raw keys of each call that was stored."""
        self.calls = 0
        self.rows: list[Row] = []
        self.refusals: list[Refusal] = []
        self._faults: list[Exception] = []
        self._poisoned: dict[str, Exception] = {}

    def fail(self, error: Exception, times: int = 1) -> None:
        self._faults += [error] * times

    def poison(self, raw_key: str, error: Exception) -> None:
        """Every call that brings something of ``raw_key`` fails with ``error``."""
        self._poisoned[raw_key] = error

    def apply(
        self, rows: Mapping[str, Sequence[Row]], refusals: Sequence[Refusal], raw_keys: Sequence[str]
    ) -> dict[str, int]:
        self.calls += 1
        if self._faults:
            raise self._faults.pop(0)
        for key in raw_keys:
            if key in self._poisoned:
                raise self._poisoned[key]
        self.applied.append(tuple(raw_keys))
        self.rows += [row for of_entity in rows.values() for row in of_entity]
        self.refusals += refusals
        return {entity: len(of_entity) for entity, of_entity in rows.items()}


class FakeIntegrations:
    """Property → time zone, or what reading it raises."""

    def __init__(self, zones: Mapping[str, str | Exception]) -> None:
        self.zones = dict(zones)
        self.reads = 0

    def get(self, property_id: str, vendor: str) -> Any:
        from shared.storage.integrations import Integration

        self.reads += 1
        zone = self.zones.get(property_id, NotFound("nobody", reason="unknown_property"))
        if isinstance(zone, Exception):
            raise zone
        return Integration(property_id=property_id, vendor=vendor, time_zone=zone, base_url="", entities=())
