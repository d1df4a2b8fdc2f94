"""Instants and days: instants are UTC, a stay's days are the hotel's (DESIGN.md §4, Time)."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from typing import Annotated

import msgspec

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""What msgspec decodes of an instant: with its offset, for else nobody knows when it was."""


def utc(instant: datetime | None) -> datetime | None:
    """``instant``, aware, in UTC. Raises OverflowError outside the calendar."""
    return instant if instant is None or instant.tzinfo is UTC else instant.astimezone(UTC)


def in_calendar(instant: datetime) -> None:
    """Raises ValueError where ``instant``, on the first day or the last, lies outside the calendar in UTC."""
    try:
        utc(instant)
    except OverflowError:
        raise ValueError("an instant outside the calendar") from None


def nights(check_in: date, check_out: date) -> int:
    return (check_out - check_in).days


def lead_time(check_in: date, booked_at: datetime | None, time_zone: tzinfo) -> int | None:
    """Days from the hotel's calendar date at ``booked_at`` to the arrival.

    Raises OverflowError outside the calendar.
    """
    return None if booked_at is None else (check_in - booked_at.astimezone(time_zone).date()).days
