"""What one hotel's PMS has on record: the latest version of everything, as the API lists it.

The world writes, the API and the truth read; a version, once written, is never changed, only replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from scripts.simulators.hostpms.quirks import Record

ENTITIES = ("booking", "guest", "room", "payment")


@dataclass(frozen=True, slots=True)
class Version:
    id: str
    updated_at: datetime
    record: Record


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that no reader may accept, and why: a family of reasons, not the reader's own word for it."""

    version: Version
    reason: str
    listed: bool
    announced: bool


class Ledger:
    """Thread-safe: the API reads while the world lives on."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._versions: dict[str, dict[str, Version]] = {entity: {} for entity in ENTITIES}
        self._refused: dict[str, dict[str, Refused]] = {entity: {} for entity in ENTITIES}

    def put(self, entity: str, version: Version) -> None:
        with self._lock:
            self._versions[entity][version.id] = version

    def put_refused(self, entity: str, refused: Refused) -> None:
        with self._lock:
            self._refused[entity][refused.version.id] = refused

    def versions(self, entity: str) -> Mapping[str, Version]:
        with self._lock:
            return dict(self._versions[entity])

    def refused(self, entity: str) -> Mapping[str, Refused]:
        with self._lock:
            return dict(self._refused[entity])

    def listed(self, entity: str, since: datetime | None = None) -> list[Version]:
        """Everything the API shows that changed at or after ``since``, by (``updated_at``, id)."""
        shown = [refused.version for refused in self.refused(entity).values() if refused.listed]
        shown.extend(self.versions(entity).values())
        if since is not None:
            shown = [version for version in shown if version.updated_at >= since]
        return sorted(shown, key=lambda version: (version.updated_at, version.id))
