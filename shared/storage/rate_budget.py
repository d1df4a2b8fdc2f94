"""A vendor's rate limit, held by all workers together.

The generic cell rate algorithm (GCRA): one number for each stream, its *theoretical arrival time*, the
moment at which the budget would be whole again. A request books the next place by moving that number
on by one interval; how far it lies ahead says how long to wait. One number is one DynamoDB item and
one conditional write a request, no counter to reset, and a booking made is a queue position kept: those
who wait do not race each other again.

How much of a limit of L a minute is spent. With a burst of b and an interval of i seconds, n requests
leave within no less than (n - b)·i seconds. L + 1 of them must not fit into 60 s, though clocks of
workers differ and the vendor counts at arrival, not at departure. Here b = L/20 and i = 60/(0.9·L): for
100 a minute a burst of 5, then one each 667 ms. 101 requests take at least 64 s, so up to 4 s of skew
and of jitter on the way are covered. The burst is worth little (an hourly poll makes one to three
requests), a margin much: a 429 costs more than the 10 % left unspent.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from shared.errors import RateLimited, StoreUnavailable
from shared.storage.dynamodb import ConditionFailed, partition_of, reaching
from shared.streams import Stream

SPENT = 0.9
BURST_SHARE = 20
MOST_ATTEMPTS = 100
_SECOND = 1_000_000
_KEPT_SECONDS = 86_400


class Pace(NamedTuple):
    interval: int
    """Microseconds from one request to the next."""
    tolerance: int
    """Microseconds a request may come before its theoretical arrival: the burst, less the request itself."""

    @classmethod
    def of(cls, limit: int) -> Pace:
        """``limit``: requests a minute."""
        interval = math.ceil(60 * _SECOND / (SPENT * limit))
        return cls(interval, interval * (max(1, limit // BURST_SHARE) - 1))


class Booking(NamedTuple):
    wait: int
    """Microseconds from now until the request may leave."""
    arrival: int
    """The theoretical arrival time after it, in microseconds since the epoch."""


def book(arrival: int | None, now: int, pace: Pace) -> Booking:
    """The place after all those booked so far. ``arrival`` is None for a stream that was never asked."""
    arrival = max(now, arrival or 0)
    return Booking(max(0, arrival - pace.tolerance - now), arrival + pace.interval)


class RateBudget:
    """``table`` is the sync-state table; ``clock`` gives UTC, ``sleep`` takes seconds."""

    def __init__(self, table: Any, clock: Callable[[], datetime], sleep: Callable[[float], None]) -> None:
        self._table = table
        self._clock = clock
        self._sleep = sleep
        # What each stream's number was last seen to be. Alone at a stream, one write is all it takes.
        self._seen: dict[Stream, int | None] = {}

    def acquire(self, stream: Stream, limit: int, deadline: datetime) -> float:
        """Waits until one request may leave (``limit`` a minute) and returns the seconds waited.

        Raises RateLimited, having waited and booked nothing, where its turn comes only after ``deadline``.
        """
        pace = Pace.of(limit)
        for _ in range(MOST_ATTEMPTS):
            booking = book(self._arrival(stream), _microseconds(self._clock()), pace)
            wait = booking.wait / _SECOND
            if wait and self._clock() + timedelta(seconds=wait) > deadline:
                raise RateLimited("the rate budget is spent", retry_after=wait, stream="/".join(stream))
            if self._swap(stream, booking.arrival):
                return self._waited(wait)
        raise StoreUnavailable("the rate budget is contended beyond use", store="dynamodb", stream="/".join(stream))

    def hold(self, stream: Stream, seconds: float, limit: int) -> None:
        """The vendor wants no request for ``seconds``: the next booking of any worker comes after them."""
        pace = Pace.of(limit)
        for _ in range(MOST_ATTEMPTS):
            until = _microseconds(self._clock()) + int(seconds * _SECOND) + pace.tolerance
            arrival = self._arrival(stream)
            if (arrival is not None and arrival >= until) or self._swap(stream, until):
                return

    def _waited(self, wait: float) -> float:
        if wait:
            self._sleep(wait)
        return wait

    def _arrival(self, stream: Stream) -> int | None:
        if stream not in self._seen:
            with reaching(self._table):
                item = self._table.get_item(Key=_key(stream), ConsistentRead=True).get("Item")
            self._seen[stream] = int(item["arrival"]) if item else None
        return self._seen[stream]

    def _swap(self, stream: Stream, arrival: int) -> bool:
        """Writes ``arrival`` if the number is still what was seen; else learns what it is now."""
        seen = self._seen[stream]
        item = {**_key(stream), "arrival": arrival, "expires_at": arrival // _SECOND + _KEPT_SECONDS}
        try:
            with reaching(self._table):
                self._table.put_item(
                    Item=item,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **_condition(seen),
                )
        except ConditionFailed as failed:
            self._seen[stream] = int(failed.item["arrival"]["N"]) if failed.item else None
            # A breath, so that many workers at one stream do not fail each other in step.
            self._sleep(random.uniform(0, 0.02))  # nosec B311 # noqa: S311 - no secret
            return False
        self._seen[stream] = arrival
        return True


def _condition(seen: int | None) -> dict[str, Any]:
    if seen is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {"ConditionExpression": "arrival = :seen", "ExpressionAttributeValues": {":seen": seen}}


def _key(stream: Stream) -> dict[str, str]:
    return {"pk": partition_of(stream), "sk": f"rate#{stream.entity}"}


def _microseconds(instant: datetime) -> int:
    return round(instant.timestamp() * _SECOND)
