"""One leg of a sync run: what one invocation of the poll worker does for one order.

A run reads one stream (an entity of a property) from its cursor to the list's end. It takes as many
legs as the function's time limit, the vendor's rate limit or its outages (503) cut it into; each ends
by putting the order for the next one into the queue. ``list_walk`` says which page comes next; here
every page becomes durable before anything remembers having read it:

    request page → put raw object → move cursor → count in the run's record → next page

A crash between any two of these loses nothing. Before the put, the page is asked for again. After it,
the page lands a second time, and mapping the same content again changes nothing. It lands under
another key: the key names the invocation, because the repeated page may hold other records by then,
and must not overwrite the first one before that has been read.

Of a list to which nothing happens a page is read that the run before has landed. It is not put again, nothing
moves, and the run succeeds (``cursors``).

The lease keeps two workers off one stream. Who finds it held acts by what his order is:

- a fresh order is dropped: the holder is doing exactly that work, and the next hour orders it again;
- a continuation knows a place that nobody else knows, so it goes back to the queue and waits.

Between two legs the lease stays reserved for the run, so that the hourly order does not start the same
walk beside it. An invocation that dies leaves its lease to expire; who takes it then closes the dead
run's record. Should a lease fail to protect, nothing is lost either: the cursor never moves back, and
two walks only land the same records twice.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

import msgspec

from shared.errors import LeaseHeld, PousadaError, RateLimited, VendorUnavailable
from shared.pipeline import envelope, list_walk, raw_keys
from shared.pipeline.cursors import Cursor, cursor_at
from shared.pipeline.list_walk import Place
from shared.pipeline.poll_orders import PollOrder
from shared.pipeline.sync_runs import Holder, Status, SyncRun, described
from shared.streams import Stream
from shared.vendors.api_contract import ListApi, ListPage

DEFAULT_OVERLAP = timedelta(minutes=5)
PAGE_TIME = timedelta(seconds=5)
"""With less time than this left before the deadline, no further page is asked for."""
LEASE_MARGIN = timedelta(seconds=30)
"""How long after its deadline an invocation can still be at work, and clocks apart."""
RESERVATION = timedelta(minutes=10)
"""How long the next leg may take to start before somebody else may poll."""
FIRST_DELAY = 15.0
"""Seconds until a vendor that is unavailable is asked again."""
HELD_DELAY = 60.0
LARGEST_QUEUE_DELAY = 900.0
"""Seconds; SQS's own limit. A longer wait is several delays in a row."""
MOST_IDLE_LEGS = 5
"""A run that no answer comes to any more ends as failed, and is seen, instead of circling for ever."""


class RawStore(Protocol):
    def put(self, key: str, content: bytes) -> None: ...


class CursorStore(Protocol):
    def get(self, stream: Stream) -> Cursor | None: ...
    def advance(self, stream: Stream, to: Cursor) -> None:
        """Durable on return. Never moves a cursor back; in its place, it knows what ``to`` knows and no more."""
        ...


class LeaseStore(Protocol):
    def take(self, stream: Stream, holder: Holder, until: datetime) -> Holder | None:
        """Takes what is free, expired, or reserved for the holder's run; returns whose lease had expired.

        Raises LeaseHeld.
        """
        ...

    def reserve(self, stream: Stream, holder: Holder, until: datetime) -> None: ...
    def release(self, stream: Stream, holder: Holder) -> None: ...


class RunStore(Protocol):
    def get(self, stream: Stream, started_at: datetime, run_id: str) -> SyncRun | None: ...
    def save(self, run: SyncRun) -> None: ...
    def abandon(self, stream: Stream, started_at: datetime, run_id: str) -> None:
        """Closes the record of a run whose invocation died."""
        ...


class OrderQueue(Protocol):
    def send(self, order: PollOrder, delay: float = 0) -> None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What one leg works with."""

    connect: Callable[[], ListApi]
    """Called once the run has begun, so that missing credentials are told in its record."""
    raw: RawStore
    cursors: CursorStore
    leases: LeaseStore
    runs: RunStore
    queue: OrderQueue
    clock: Callable[[], datetime]
    """UTC."""
    deadline: datetime
    """UTC; early enough before the function's end to put a page away and send a continuation."""
    new_id: Callable[[], str]
    overlap: timedelta = DEFAULT_OVERLAP
    """How far the cursor stays behind the newest change seen (see ``list_walk``: what may still slip)."""


@dataclass(frozen=True, slots=True)
class Leg:
    """What came of one order."""

    outcome: Literal["succeeded", "continued", "failed", "skipped", "put_back"]
    run: SyncRun | None = None
    """As its record stands now; None where the order was skipped or put back."""
    fetched: int = 0
    """Records landed in this leg."""
    unchanged: int = 0
    """Records read in this leg that needed no landing."""
    waited_ms: int = 0
    error: Exception | None = None
    """Why it failed. The run's record says so, and the order is still the caller's to give back."""


def poll(order: PollOrder, desk: Desk) -> Leg:
    """Works at ``order`` until the list's end or the deadline.

    Raises only what befalls it before the run began (StoreUnavailable).
    """
    wait = (order.not_before - desk.clock()).total_seconds() if order.not_before else 0.0
    if wait > 0:
        return _put_back(order, desk, wait)
    run = _run_of(order, desk)
    holder = Holder(desk.new_id(), run.run_id, run.started_at)
    try:
        expired = desk.leases.take(order.stream, holder, desk.deadline + LEASE_MARGIN)
    except LeaseHeld:
        return _put_back(order, desk, HELD_DELAY) if order.run_id else Leg("skipped")
    return _LegAtWork(order, desk, run, holder).work(expired)


def _put_back(order: PollOrder, desk: Desk, wait: float) -> Leg:
    # A new message, not a failed one: waiting must not bring an order nearer to the dead letters.
    desk.queue.send(order, min(wait, LARGEST_QUEUE_DELAY))
    return Leg("put_back")


def _run_of(order: PollOrder, desk: Desk) -> SyncRun:
    run_id, started_at = order.run_id or desk.new_id(), order.started_at or desk.clock()
    known = desk.runs.get(order.stream, started_at, run_id) if order.run_id else None
    return known or SyncRun(**order.stream._asdict(), run_id=run_id, started_at=started_at)


class _LegAtWork:
    def __init__(self, order: PollOrder, desk: Desk, run: SyncRun, holder: Holder) -> None:
        self._order = order
        self._desk = desk
        self._stream = order.stream
        self._run = run
        self._holder = holder
        self._before = run
        self._answers = 0
        self._place = Place()
        self._cursor: Cursor | None = None
        self._api: ListApi

    def work(self, expired: Holder | None) -> Leg:
        try:
            if expired:
                self._desk.runs.abandon(self._stream, expired.started_at, expired.run_id)
            return self._work_or_continue_later()
        except Exception as error:  # whatever it was: the record says so, and the lease is free again
            return self._fail(error)

    def _work_or_continue_later(self) -> Leg:
        self._save("running", finished_at=None, error=None)
        self._api = self._desk.connect()
        self._cursor = self._desk.cursors.get(self._stream)
        since = self._cursor.updated_since if self._cursor else None
        ahead: Place | None = list_walk.furthest(self._order.place, since)
        try:
            while ahead is not None:
                self._place = ahead
                if self._desk.deadline - self._desk.clock() < PAGE_TIME:
                    return self._continue_later(0, VendorUnavailable("not one answer within the function's time"))
                ahead = self._read_page(ahead)
        except (RateLimited, VendorUnavailable) as error:
            return self._continue_later(self._delay_after(error), error)
        self._save("succeeded", finished_at=self._desk.clock())
        self._release()
        return self._leg("succeeded")

    def _read_page(self, place: Place) -> Place | None:
        page = self._api.page(self._stream.entity, place.since, place.page)
        self._answers += 1
        self._count(waited_ms=round(page.waited * 1000))
        step = list_walk.step(place, page)
        # One view of the whole list since ``place``. Behind a page of several, something new may follow.
        if place.heading == "on" and page.last and self._knows(page):
            self._count(unchanged=len(page.records))
            return None
        if step.land and page.records:
            self._land(page)
        if step.covered is not None:
            self._advance(step.covered, page)
        self._save("running")
        return step.place

    def _knows(self, page: ListPage) -> bool:
        return self._cursor is not None and self._cursor.knows(page, self._desk.clock())

    def _advance(self, covered: datetime, page: ListPage) -> None:
        # Not later than the run's start: what appeared late while it ran (see ``list_walk``) is older than that
        # by the overlap at most, however long the run took and its continuations waited.
        to = list_walk.anchor(min(covered, self._run.started_at) - self._desk.overlap)
        # The newest record may be gone from the list: what has landed is to be known all the same.
        to = max(to, self._cursor.updated_since) if self._cursor else to
        self._cursor = cursor_at(to, page)
        self._desk.cursors.advance(self._stream, self._cursor)

    def _land(self, page: ListPage) -> None:
        run, writer = self._run, f"{self._run.run_id}-{self._holder.owner}"
        key = raw_keys.page_key(*self._stream, run.started_at, writer, run.pages + 1)
        try:
            self._desk.raw.put(key, envelope.encode_polled(self._stream, page))
        except PousadaError:
            self._count(failed=len(page.records))
            raise
        self._count(fetched=len(page.records), pages=1)

    @property
    def _idle_legs(self) -> int:
        return 0 if self._answers else self._order.idle_legs + 1

    def _delay_after(self, error: RateLimited | VendorUnavailable) -> float:
        """What the vendor asked for; of one that does not say, twice as long each time nothing came of it."""
        if isinstance(error, RateLimited):
            return error.retry_after
        asked = error.facts.get("retry_after")
        return float(asked) if isinstance(asked, (int, float)) else FIRST_DELAY * 2**self._idle_legs

    def _continue_later(self, delay: float, otherwise: Exception) -> Leg:
        """Ends this leg and orders the next; fails with ``otherwise`` where too many in a row were idle."""
        idle_legs = self._idle_legs
        if idle_legs > MOST_IDLE_LEGS:
            raise otherwise
        due = self._desk.clock() + timedelta(seconds=delay)
        self._save("continued")
        # Reserved before it is ordered: the next leg may start at once.
        self._desk.leases.reserve(self._stream, self._holder, due + RESERVATION)
        continuation = self._continuation(due if delay else None, idle_legs)
        self._desk.queue.send(continuation, min(delay, LARGEST_QUEUE_DELAY))
        return self._leg("continued")

    def _continuation(self, not_before: datetime | None, idle_legs: int) -> PollOrder:
        run = self._run
        return msgspec.structs.replace(
            self._order,
            run_id=run.run_id,
            started_at=run.started_at,
            place=self._place,
            not_before=not_before,
            idle_legs=idle_legs,
        )

    def _fail(self, error: Exception) -> Leg:
        # Tidying up may fail as well (the store may be what failed); the first error is the one to tell.
        with suppress(PousadaError):
            self._save("failed", finished_at=self._desk.clock(), error=described(error))
        self._release()
        return self._leg("failed", error)

    def _release(self) -> None:
        # A lease that cannot be given back expires, and everything it guarded is durable by now.
        with suppress(PousadaError):
            self._desk.leases.release(self._stream, self._holder)

    def _count(self, **more: int) -> None:
        self._run = msgspec.structs.replace(self._run, **{k: getattr(self._run, k) + n for k, n in more.items()})

    def _save(self, status: Status, **facts: object) -> None:
        self._run = msgspec.structs.replace(self._run, status=status, **facts)
        self._desk.runs.save(self._run)

    def _leg(self, outcome: Literal["succeeded", "continued", "failed"], error: Exception | None = None) -> Leg:
        run, before = self._run, self._before
        counts = {name: getattr(run, name) - getattr(before, name) for name in ("fetched", "unchanged", "waited_ms")}
        return Leg(outcome, run, **counts, error=error)
