"""Which rotations a day's order comes to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from shared.errors import Misconfigured
from shared.pipeline.rotation_orders import HotelRotation
from shared.storage.integrations import Integration


class Integrations(Protocol):
    def all(self) -> Iterator[Integration]: ...


def orders(
    integrations: Integrations, older_than: datetime, broken: list[Misconfigured], *, ages_only: bool
) -> Iterator[HotelRotation]:
    """One for each hotel, paused or not: a paused one's deliveries are accepted.

    An integration that cannot be read is added to ``broken``.
    """
    try:
        for one in integrations.all():
            yield HotelRotation(
                vendor=one.vendor, property_id=one.property_id, older_than=older_than, ages_only=ages_only
            )
    except Misconfigured as error:
        broken.append(error)
