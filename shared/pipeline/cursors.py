"""Where a stream's next poll begins, and what it will find there that has landed already.

A cursor stays behind the newest change that was read (``list_walk``: what may still slip), so that every poll asks
for the last minutes again. Of a list to which nothing happens it gets the very page that the poll before landed.
``landed`` knows the records of those minutes by their texts; a page that ends its list and has no other is not
landed once more.

Leaving a page out only puts it off. It moves nothing, neither cursor nor ``landed``, so that each poll asks for the
same records until one lands them: the first that finds anything else beside them, for that lands its pages whole,
or the first after ``KNOWN_FOR``. It matters to the order of versions (DESIGN.md §4). Of two contents that bear the
same time of change, the one received later holds, and a delivery that comes late may bring back the older one. The
page that lands again was received later still, and puts that right: within a day, where it was within the hour.

``landed`` is written together with the cursor, after the put. Where a worker dies in between, both are as they were,
and the page that landed lands again. Only a text that the vendor had replaced meanwhile, and then wrote anew with
the same time of change, is taken for landed last, and waits its day as well.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from shared.model.calendar import Instant, in_calendar

if TYPE_CHECKING:
    from shared.vendors.api_contract import Listed, ListPage

KNOWN_FOR = timedelta(days=1)
"""As often as the daily audit looks: the newest records are then among what it reads."""
MOST_KNOWN = 100
"""Records. With so many, a cursor's item is still read as one unit of DynamoDB's (4 kB)."""
_DIGEST_LENGTH = 32


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """The instant since which a stream has to be read again; everything changed earlier is durable."""

    updated_since: Instant
    """UTC."""
    landed: frozenset[str] = frozenset()
    """Digests of texts, as they were landed last, of records changed since then; empty where it is not known."""
    landed_at: Instant | None = None
    """UTC, the start of the request that brought them."""

    def __post_init__(self) -> None:
        in_calendar(self.updated_since)
        if self.landed_at:
            in_calendar(self.landed_at)

    def knows(self, page: ListPage, now: datetime) -> bool:
        """Whether every record of ``page`` has landed, and not too long ago, with the very text that it has there."""
        if self.landed_at is None or not timedelta() <= now - self.landed_at < KNOWN_FOR:
            return False
        return all(_digest(record) in self.landed for record in page.records)


def cursor_at(updated_since: datetime, page: ListPage) -> Cursor:
    """A cursor that knows what the next poll is to find of ``page``, which has landed."""
    # Of a record without a time, receipt alone orders the contents: it lands each time that it is listed.
    again = [record for record in page.records if record.updated_at and record.updated_at >= updated_since]
    if not again or len(again) > MOST_KNOWN:
        return Cursor(updated_since)
    return Cursor(updated_since, frozenset(map(_digest, again)), page.requested_at)


def _digest(record: Listed) -> str:
    """Of the vendor's own text, to the letter: whatever differs may be a change."""
    return sha256(record.payload).hexdigest()[:_DIGEST_LENGTH]
