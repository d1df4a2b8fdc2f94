"""Which audits a day's order comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

from shared.errors import Misconfigured
from shared.pipeline.audit_orders import HotelAudit
from shared.storage.integrations import Integration


class Integrations(Protocol):
    def all(self) -> Iterator[Integration]: ...


class Lake(Protocol):
    def folders(self, prefix: str) -> Iterator[str]: ...


def hotels(
    vendors: Iterable[str], lake: Lake, integrations: Integrations, broken: list[Misconfigured]
) -> set[tuple[str, str]]:
    """Vendor and property of every hotel that has an integration, paused or not, or raw objects.

    Each of the two may be what is lost. An integration that cannot be read is added to ``broken``: the audit of its
    hotel, if there are raw objects, fails by itself and becomes a dead letter.
    """
    found = {(vendor, property_id) for vendor in vendors for property_id in lake.folders(f"{vendor}/")}
    try:
        for integration in integrations.all():
            found.add((integration.vendor, integration.property_id))
    except Misconfigured as error:
        broken.append(error)
    return found


def orders(found: Iterable[tuple[str, str]], now: datetime, days: int, grace: timedelta) -> Iterator[HotelAudit]:
    """For what came in the last ``days`` before ``now`` (UTC), and longer than ``grace`` ago."""
    since, settled_before = (now - timedelta(days=days)).date(), now - grace
    for vendor, property_id in sorted(found):
        yield HotelAudit(vendor=vendor, property_id=property_id, since=since, settled_before=settled_before)
