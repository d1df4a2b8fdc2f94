"""How to read a list that changes under the reader, and lose nothing.

The trap. A vendor's list is ordered by the records' modification time and cut into numbered pages. A
record that changes between two requests leaves its position and moves to the end, so that everything
behind it moves one position *to the left*: the first record of the next page is now the last of the
page just read, and who simply counts pages never sees it.

The walk. Its steps are pure: ``step(place, page)`` says what one answer means and where to ask next.

1. **On.** Ask for page 1 of what changed since ``since``. One answer is one consistent view: everything
   up to its newest time was in it, but for records that share that newest time. So ask next for page 1
   since (just before) that newest time. What changes meanwhile moves to the end, ahead of us; no page
   number is ever carried over a change. The list's last page ends the walk.
2. **Out.** Where a whole page lies within ``since``'s own two seconds (a migration at the vendor gives
   thousands of records one time), page 1 leads nowhere and numbers cannot be avoided. Look ahead, at
   pages 2, 4, 8…, for one that lies beyond, or is the last.
3. **Back.** From there read *backwards* to page 1. Records move only to the left, so one that has not been
   read yet stays in a page not yet read: it cannot slip past. Then go on from the newest time seen.

Why it ends: 1 and 3 move ``since`` strictly forwards, 2 doubles the page number up to the list's end.

What is not assumed. Whether ``updated_since`` includes its own instant, or compares more finely or more
coarsely than it prints: the next ``since`` lies one whole second before the newest time. Whether it is
obeyed at all: a vendor that ignores it is read whole, by 2 and 3. The order, where a page contradicts
it: such a page proves nothing about what follows, so only the list's end ends its stretch.

What may still slip. A record that becomes visible late, with a time that is already behind us (a long
transaction at the vendor, or a change within the very second we have read), is missed, and pushes
others to the right. It can only do so near the present: the cursor therefore stays behind the run's
start by an overlap, and the next run reads those minutes again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, NamedTuple

import msgspec

from shared.model.calendar import Instant
from shared.vendors.api_contract import ListPage

RESOLUTION = timedelta(seconds=1)
"""The coarsest step in which a vendor may print or compare its times."""
LARGEST_SKEW = timedelta(minutes=5)
"""How far a vendor's clock may be ahead of ours."""
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a walk stands: all it needs to go on in another process."""

    since: Instant | None = None
    """None: from the beginning of history."""
    page: Annotated[int, msgspec.Meta(ge=1)] = 1
    heading: Literal["on", "out", "back"] = "on"
    newest: Instant | None = None
    """Back only: the newest time seen in this stretch."""
    to_end: bool = False
    """Back only: the stretch reaches to the list's end."""


class Step(NamedTuple):
    land: bool
    """Whether the page's records belong to the walk, or were only looked at."""
    covered: datetime | None
    """Every record whose time is earlier than this has been read, once this page is durable."""
    place: Place | None
    """Where to ask next; None: the walk is over."""


def anchor(newest: datetime) -> datetime:
    """The ``since`` that certainly includes every record whose time is ``newest``, on a whole second."""
    return newest.replace(microsecond=0) - RESOLUTION


def furthest(place: Place | None, cursor: datetime | None) -> Place:
    """Where to start: at ``place``, unless the cursor says that everything up to a later time is durable."""
    if place is None or (cursor is not None and (place.since is None or cursor > place.since)):
        return Place(cursor)
    return place


def step(place: Place, page: ListPage) -> Step:
    """What the answer to the request at ``place`` means."""
    if place.heading == "back":
        return _step_back(place, page)
    if place.heading == "out":
        return _step_out(place, page)
    return _step_on(place, page)


def _step_on(place: Place, page: ListPage) -> Step:
    if page.last:
        return Step(True, _newest(page), None)
    beyond = _reach_beyond(place, page)
    if beyond is not None:
        return Step(True, beyond, Place(anchor(beyond)))
    return Step(False, None, Place(place.since, 2, "out"))


def _step_out(place: Place, page: ListPage) -> Step:
    if page.last or _reach_beyond(place, page) is not None:
        return Step(True, None, Place(place.since, place.page - 1, "back", _newest(page), page.last))
    ahead = 2 * place.page
    if page.pages is not None and page.pages > place.page:
        ahead = min(ahead, page.pages)
    return Step(False, None, Place(place.since, ahead, "out"))


def _step_back(place: Place, page: ListPage) -> Step:
    newest = max(filter(None, (place.newest, _newest(page))), default=None)
    if place.page > 1:
        return Step(True, None, Place(place.since, place.page - 1, "back", newest, place.to_end))
    over = place.to_end or newest is None
    return Step(True, newest, None if over else Place(anchor(newest)))  # type: ignore[arg-type]


def _reach_beyond(place: Place, page: ListPage) -> datetime | None:
    """The newest time up to which ``page`` proves the list read, where that leads beyond ``place.since``."""
    times = _times(page)
    if not times or times != sorted(times):
        return None
    return times[-1] if place.since is None or anchor(times[-1]) > place.since else None


def _newest(page: ListPage) -> datetime | None:
    return max(_times(page), default=None)


def _times(page: ListPage) -> list[datetime]:
    """The credible times. One in the future would carry the cursor past all that comes before it."""
    latest = page.requested_at + LARGEST_SKEW
    times = (record.updated_at for record in page.records)
    return [time for time in times if time is not None and _EARLIEST <= time <= latest]
