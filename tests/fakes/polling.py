"""In-memory stand-ins for what a poll works with: a vendor's list that changes, stores that can crash, a queue."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter

import msgspec

from shared.errors import LeaseHeld
from shared.pipeline import envelope
from shared.pipeline.cursors import Cursor
from shared.pipeline.poll_orders import PollOrder
from shared.pipeline.polling import Desk, Leg, poll
from shared.pipeline.sync_runs import Holder, SyncRun
from shared.streams import Stream
from shared.vendors.api_contract import Listed, ListPage

START = datetime(2024, 3, 1, 10, 30, tzinfo=UTC)
STREAM = Stream("hostpms", "PT-LIS-001", "booking")


class VirtualClock:
    """Instants that move when told to, or when somebody sleeps."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Row:
    id: int
    version: int
    changed: datetime
    """By which the vendor orders."""
    lag: timedelta = timedelta(0)
    """How much older than that is what it prints."""
    dated: bool = True
    turn: int = 0
    """Rises with every change at the vendor."""


@dataclass
class ModelList:
    """One list of a vendor, ordered by modification time, cut into numbered pages, changing between requests.

    ``inclusive``: ``updated_since`` includes its own instant. ``coarse``: it is compared by whole seconds.
    ``obeys_since``: it is heeded at all. ``ties_by_id``: records of one instant are ordered by their ids, so that
    a change within the current instant may come before others. Times are always printed in whole seconds.
    """

    clock: Callable[[], datetime]
    per_page: int = 3
    inclusive: bool = True
    coarse: bool = False
    obeys_since: bool = True
    ties_by_id: bool = False
    ascending: bool = True
    tells_pages: bool = True
    rows: dict[int, Row] = field(default_factory=dict)
    between: Iterator[Callable[[], None]] = field(default_factory=lambda: iter(()))
    """What happens after each request."""
    requests: int = 0
    errors: dict[int, Exception] = field(default_factory=dict)
    """Number of a request (from 1) → what it raises."""
    seconds_a_page: float = 0.0
    turns: Iterator[int] = field(default_factory=itertools.count)

    def add(self, changed: datetime | None = None, **how: object) -> Row:
        turn = next(self.turns)
        row = Row(turn, 1, changed or self.clock(), turn=turn, **how)  # type: ignore[arg-type]
        self.rows[row.id] = row
        return row

    def change(self, number: int, at: datetime | None = None) -> None:
        row = self.rows.get(number)
        if row:
            self.rows[number] = Row(number, row.version + 1, at or self.clock(), row.lag, row.dated, next(self.turns))

    def remove(self, number: int) -> None:
        self.rows.pop(number, None)

    def page(self, entity: str, updated_since: datetime | None, page: int) -> ListPage:
        requested_at = self.clock()
        self.requests += 1
        if self.requests in self.errors:
            raise self.errors[self.requests]
        if self.seconds_a_page:
            self.clock.sleep(self.seconds_a_page)  # type: ignore[attr-defined]
        rows = self._since(updated_since)
        shown = rows[(page - 1) * self.per_page : page * self.per_page]
        pages = max(1, -(-len(rows) // self.per_page))
        answer = ListPage(
            [Listed(self._payload(row), self._printed(row)) for row in shown],
            last=page >= pages,
            pages=pages if self.tells_pages else None,
            requested_at=requested_at,
            waited=0.0,
        )
        next(self.between, lambda: None)()
        return answer

    def _since(self, since: datetime | None) -> list[Row]:
        rows = [
            row
            for row in self.rows.values()
            if not (self.obeys_since and since and row.dated and self._is_before(row, since))
        ]
        ties = attrgetter("id" if self.ties_by_id else "turn")
        return sorted(rows, key=lambda row: (row.dated, row.changed, ties(row)), reverse=not self.ascending)

    def _is_before(self, row: Row, since: datetime) -> bool:
        changed = _whole(row.changed) if self.coarse else row.changed
        return changed < since if self.inclusive else changed <= since

    def _printed(self, row: Row) -> datetime | None:
        return _whole(row.changed) - row.lag if row.dated else None

    @staticmethod
    def _payload(row: Row) -> msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode({"id": row.id, "version": row.version}))

    def versions(self) -> dict[int, int]:
        return {row.id: row.version for row in self.rows.values()}


def _whole(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)


class Killed(BaseException):
    """What a process dies of: no ``except Exception`` sees it, so nothing is tidied up."""


@dataclass
class Faults:
    """``kill_at`` counts the stores' calls; at that one the process dies, before or after the call took effect."""

    kill_at: int | None = None
    after: bool = False
    calls: int = 0
    errors: dict[str, Exception] = field(default_factory=dict)
    """Name of a call (``raw.put``) → what it raises, each time."""

    def around(self, name: str, effect: Callable[[], object]) -> object:
        self.calls += 1
        if name in self.errors:
            raise self.errors[name]
        if self.calls == self.kill_at and not self.after:
            raise Killed(name)
        result = effect()
        if self.calls == self.kill_at:
            raise Killed(name)
        return result


class FakeRaw:
    def __init__(self, faults: Faults) -> None:
        self.objects: dict[str, bytes] = {}
        self.overwritten: list[str] = []
        self._faults = faults

    def put(self, key: str, content: bytes) -> None:
        self._faults.around("raw.put", lambda: self._put(key, content))

    def _put(self, key: str, content: bytes) -> None:
        if key in self.objects:
            self.overwritten.append(key)
        self.objects[key] = content

    def envelopes(self) -> list[envelope.Envelope[msgspec.Raw]]:
        return [envelope.decode(line) for body in self.objects.values() for line in body.splitlines()]

    def versions(self) -> dict[int, int]:
        """The newest version landed of each record."""
        newest: dict[int, int] = {}
        for found in self.envelopes():
            record = msgspec.json.decode(found.payload)
            newest[record["id"]] = max(newest.get(record["id"], 0), record["version"])
        return newest


class FakeCursors:
    def __init__(self, faults: Faults) -> None:
        self.at: dict[Stream, Cursor] = {}
        self._faults = faults

    def get(self, stream: Stream) -> Cursor | None:
        return self.at.get(stream)

    def advance(self, stream: Stream, to: Cursor) -> None:
        self._faults.around("cursors.advance", lambda: self._advance(stream, to))

    def _advance(self, stream: Stream, to: Cursor) -> None:
        if stream not in self.at or self.at[stream].updated_since <= to.updated_since:
            self.at[stream] = to


class FakeLeases:
    def __init__(self, faults: Faults, clock: Callable[[], datetime]) -> None:
        self.held: dict[Stream, tuple[Holder, datetime, bool]] = {}
        self._faults = faults
        self._clock = clock

    def take(self, stream: Stream, holder: Holder, until: datetime) -> Holder | None:
        taken = self._faults.around("leases.take", lambda: self._take(stream, holder, until))
        assert taken is None or isinstance(taken, Holder)
        return taken

    def _take(self, stream: Stream, holder: Holder, until: datetime) -> Holder | None:
        held = self.held.get(stream)
        if held and held[1] > self._clock() and not (held[2] and held[0].run_id == holder.run_id):
            raise LeaseHeld("another worker polls this stream")
        self.held[stream] = (holder, until, False)
        return held[0] if held and held[0].run_id != holder.run_id else None

    def reserve(self, stream: Stream, holder: Holder, until: datetime) -> None:
        self._faults.around("leases.reserve", lambda: self.held.__setitem__(stream, (holder, until, True)))

    def release(self, stream: Stream, holder: Holder) -> None:
        self._faults.around("leases.release", lambda: self._release(stream, holder))

    def _release(self, stream: Stream, holder: Holder) -> None:
        if stream in self.held and self.held[stream][0].owner == holder.owner:
            del self.held[stream]


class FakeRuns:
    def __init__(self, faults: Faults) -> None:
        self.records: dict[str, SyncRun] = {}
        self._faults = faults

    def get(self, stream: Stream, started_at: datetime, run_id: str) -> SyncRun | None:
        return self.records.get(run_id)

    def save(self, run: SyncRun) -> None:
        self._faults.around("runs.save", lambda: self.records.__setitem__(run.run_id, run))

    def abandon(self, stream: Stream, started_at: datetime, run_id: str) -> None:
        run = self.records.get(run_id)
        if run and run.status in ("running", "continued"):
            self.records[run_id] = msgspec.structs.replace(run, status="failed", error="Abandoned")


class FakeQueue:
    """Orders as they wait, each with the moment it becomes visible."""

    def __init__(self, faults: Faults, clock: Callable[[], datetime]) -> None:
        self.waiting: list[tuple[datetime, PollOrder]] = []
        self._faults = faults
        self._clock = clock

    def send(self, order: PollOrder, delay: float = 0) -> None:
        due = self._clock() + timedelta(seconds=delay)
        self._faults.around("queue.send", lambda: self.waiting.append((due, order)))


class Hotel:
    """A poller of one stream with its stores, its queue and its time."""

    def __init__(self, listed: ModelList | None = None, **how: object) -> None:
        self.clock = listed.clock if listed else VirtualClock()
        assert isinstance(self.clock, VirtualClock)
        self.listed = listed or ModelList(self.clock)
        self.faults = Faults()
        self.raw = FakeRaw(self.faults)
        self.cursors = FakeCursors(self.faults)
        self.leases = FakeLeases(self.faults, self.clock)
        self.runs = FakeRuns(self.faults)
        self.queue = FakeQueue(self.faults, self.clock)
        self.overlap = timedelta(minutes=5)
        self.seconds_a_leg = 300.0
        self._ids = itertools.count()

    def desk(self) -> Desk:
        assert isinstance(self.clock, VirtualClock)
        return Desk(
            connect=lambda: self.listed,
            raw=self.raw,
            cursors=self.cursors,
            leases=self.leases,
            runs=self.runs,
            queue=self.queue,
            clock=self.clock,
            deadline=self.clock() + timedelta(seconds=self.seconds_a_leg),
            new_id=lambda: f"id{next(self._ids)}",
            overlap=self.overlap,
        )

    def poll(self, order: PollOrder | None = None) -> Leg:
        return poll(order or PollOrder(**STREAM._asdict()), self.desk())

    def work_off(self) -> list[Leg]:
        """Takes every waiting order when it is due, until none is left."""
        legs = []
        while self.queue.waiting:
            self.queue.waiting.sort(key=lambda waiting: waiting[0])
            due, order = self.queue.waiting.pop(0)
            assert isinstance(self.clock, VirtualClock)
            self.clock.now = max(self.clock.now, due)
            legs.append(self.poll(order))
            assert len(legs) < 500, "the orders do not come to an end"
        return legs

    @property
    def run(self) -> SyncRun:
        """The one run there is."""
        (run,) = self.runs.records.values()
        return run
