"""One leg of a hotel's audit: what one invocation of the audit function does for one order.

A leg reads the manifests once, and goes through a window of raw keys until the window or the time is at its end. What
is left is another leg's, from the key that this one came to: so neither the time nor the memory of an invocation bounds
how large a hotel may be, and the order is all that goes from leg to leg. Every leg gets further than the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from itertools import islice
from typing import Protocol

import msgspec

from shared.errors import Malformed
from shared.pipeline import audit, audit_window
from shared.pipeline.audit import CLOCKS_APART, Batches, Books, Finding, Ledger, RawObject, Totals
from shared.pipeline.audit_orders import HotelAudit
from shared.pipeline.audit_window import Window, first_named
from shared.pipeline.manifest import Manifest
from shared.pipeline.raw_walk import MANY, objects_under
from shared.pipeline.transform import ContextOf

FINDINGS_TOLD = 100
"""Of one leg; the rest are counted. Where a table is gone, each of its rows is a finding."""


class RawLake(audit.RawLake, Protocol):
    def list(self, prefix: str, after: str = "", at_once: int = MANY) -> Iterator[RawObject]: ...


class Manifests(Protocol):
    def pending(self) -> Iterator[Manifest | Malformed]: ...
    def done(self, since: datetime) -> Iterator[Manifest | Malformed]: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What a leg works with."""

    raw: RawLake
    manifests: Manifests
    context_of: ContextOf
    ledger: Ledger
    clock: Callable[[], datetime]
    deadline: datetime
    """UTC; early enough before the function's end to finish a part that has been begun."""


@dataclass(slots=True)
class Leg:
    """What came of one order."""

    totals: Totals = field(default_factory=Totals)
    findings: list[Finding] = field(default_factory=list)
    """The first of them; ``totals.found`` counts all."""
    unreadable: int = 0
    """Objects among the manifests that are none."""
    continuation: HotelAudit | None = None
    """Where the hotel is not at its end."""


def audit_leg(order: HotelAudit, desk: Desk) -> Leg:
    """Goes through one window, or as much of it as there is time for: one part at least.

    Raises what ``audit`` raises: then nothing is proved, and the order is the caller's to give back.
    """
    leg, books = Leg(), Books(desk.raw, desk.context_of, desk.ledger)
    window, come_to = _window(order, desk, leg), order.after
    for part in window.parts():
        if come_to != order.after and desk.clock() >= desk.deadline:
            leg.continuation = msgspec.structs.replace(order, after=come_to)
            return leg
        batches = Batches(part.done, part.pending)
        for finding in audit.audit(part.objects, batches, books, order.settled_before, leg.totals):
            if len(leg.findings) < FINDINGS_TOLD:
                leg.findings.append(finding)
        come_to = part.last
    if window.last is not None:
        leg.continuation = msgspec.structs.replace(order, after=window.last)
    return leg


def _window(order: HotelAudit, desk: Desk, leg: Leg) -> Window:
    objects = list(islice(objects_under(desk.raw, order.prefix, order.since, order.after), audit_window.KEYS))
    # Pending before done: a batch that is finished in between is then in both, and not in neither.
    pending = first_named(_readable(desk.manifests.pending(), leg), order.prefix, order.after)
    since = datetime.combine(order.since, time(), UTC) - CLOCKS_APART
    done = first_named(_readable(desk.manifests.done(since), leg), order.prefix, order.after)
    return audit_window.window(objects, done, pending)


def _readable(manifests: Iterator[Manifest | Malformed], leg: Leg) -> Iterator[Manifest]:
    for manifest in manifests:
        if isinstance(manifest, Malformed):
            leg.unreadable += 1
        else:
            yield manifest
