"""What the mapping may know of a property, from its integration item; remembered for a while."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Protocol

from shared.model.mapping import MappingContext
from shared.storage.integrations import Integration

KEPT_SECONDS = 300.0


class _Integrations(Protocol):
    def get(self, property_id: str, vendor: str) -> Integration: ...


class PropertyContexts:
    """Callable as ``transform.ContextOf``. Raises NotFound for a property that nobody onboarded."""

    def __init__(self, integrations: _Integrations, clock: Callable[[], float] = monotonic) -> None:
        self._integrations = integrations
        self._clock = clock
        self._zones: dict[tuple[str, str], tuple[float, str]] = {}

    def __call__(self, vendor: str, property_id: str) -> MappingContext:
        return MappingContext.of(property_id, self.time_zone(vendor, property_id))

    def time_zone(self, vendor: str, property_id: str) -> str:
        """The property's IANA time zone."""
        read_at, zone = self._zones.get((vendor, property_id), (float("-inf"), ""))
        if self._clock() - read_at > KEPT_SECONDS:
            zone = self._integrations.get(property_id, vendor).time_zone
            self._zones[vendor, property_id] = (self._clock(), zone)
        return zone
