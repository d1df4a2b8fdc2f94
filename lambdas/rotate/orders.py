"""Which rotations a day's order comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from shared.errors import Misconfigured
from shared.pipeline.rotation_orders import HotelRotation
from shared.storage.integrations import Integration


def orders(
    integrations: Iterable[Integration], older_than: datetime, broken: list[Misconfigured], *, ages_only: bool
) -> Iterator[HotelRotation]:
    """One for each hotel, paused or not: a paused one's deliveries are accepted.

    An integration that cannot be read is added to ``broken``.
    """
    try:
        for one in integrations:
            yield HotelRotation(
                vendor=one.vendor, property_id=one.property_id, older_than=older_than, ages_only=ages_only
            )
    except Misconfigured as error:
        broken.append(error)
