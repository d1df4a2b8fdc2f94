"""What one pass looks at, and what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from lambdas.watch.workplace import Workplace
from shared.errors import Misconfigured
from shared.pipeline.health import StreamHealth, SyncGauges, is_down, stream_health
from shared.pipeline.raw_walk import objects_under
from shared.pipeline.unbatched import unbatched
from shared.storage.integrations import Integration
from shared.vendors.registry import VENDORS

_RUNS_AT_ONCE = 5
"""Read in one request: the newest may be under way, and the one before it mostly has succeeded."""


@dataclass
class Syncs:
    total: SyncGauges = field(default_factory=SyncGauges)
    by_vendor: dict[str, SyncGauges] = field(default_factory=lambda: {vendor: SyncGauges() for vendor in VENDORS})
    down: list[Integration] = field(default_factory=list)
    unreadable: Misconfigured | None = None
    """An integration that cannot be read is neither polled nor mapped: it is down, whose ever it is."""


def syncs(at: Workplace, now: datetime) -> Syncs:
    """Raises StoreUnavailable. For each stream it costs a request to the sync-state table, and seldom more."""
    found = Syncs()
    try:
        for integration in at.integrations.active():
            _look_at(integration, at, now, found)
    except Misconfigured as error:
        found.unreadable = error
        found.total.down += 1
    return found


def _look_at(integration: Integration, at: Workplace, now: datetime, found: Syncs) -> None:
    streams = _streams(integration, at, now)
    down = is_down(streams, partial(_heard_since, at, integration), now)
    if down:
        found.down.append(integration)
    found.total.add(streams, down=down)
    found.by_vendor.setdefault(integration.vendor, SyncGauges()).add(streams, down=down)


def _streams(integration: Integration, at: Workplace, now: datetime) -> Sequence[StreamHealth]:
    # Written by hand, an item may lack its date: it then counts from now on, at every pass anew.
    onboarded_at = integration.onboarded_at or now
    return [
        stream_health(at.runs.newest(stream, _RUNS_AT_ONCE), onboarded_at, now, at.polls_every)
        for stream in integration.streams
    ]


def _heard_since(at: Workplace, integration: Integration, since: datetime) -> bool:
    deliveries = objects_under(at.raw, f"{integration.vendor}/{integration.property_id}/webhooks/", since.date())
    return any(found.stored_at and found.stored_at > since for found in deliveries)


def queues(at: Workplace) -> dict[str, int]:
    """Dead letters, by queue."""
    return at.dead_letters.counts()


def oldest_pending(at: Workplace, now: datetime) -> timedelta:
    """How long the batch that has waited longest has waited."""
    announced = at.manifests.oldest_pending()
    return max(now - announced, timedelta()) if announced else timedelta()


def raw(at: Workplace, now: datetime) -> list[str]:
    """Raw objects in no batch, of the hotels whose turn it is. Hotels without an integration have theirs as well."""
    known = ((vendor, property_id) for vendor in VENDORS for property_id in at.raw.folders(f"{vendor}/"))
    return unbatched((hotel for hotel in known if at.rota.takes(hotel, now)), at.raw, at.manifests, now)
