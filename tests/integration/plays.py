"""Deliveries of a few records, played in any order by the live path and the batch path, many plays at once.

A play is an order of deliveries, divided into invocations of the one path or the other. Each has hotels of its own, and
so records of its own: what one play's deliveries do, no other's feel. All plays take their first steps together, then
their second, in the same few transactions: a play costs a millisecond or two, and runs through all of the code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import permutations, product
from typing import Any, Literal, NamedTuple

import msgspec
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg.rows import dict_row

from glue_jobs import batch, etl, upsert
from glue_jobs.batch import Plan
from scripts.rehearsal.snapshot import MADE_BY_ARRIVAL
from shared.model.columns import ENTITIES, TABLES, content_columns, lake_columns, order_columns
from shared.pipeline import raw_keys
from shared.pipeline.envelope import Envelope, encode, encode_page
from shared.pipeline.live import apply_objects
from shared.pipeline.manifest import RawEvent, manifest_of, read_event
from shared.pipeline.transform import map_object
from shared.storage.postgres import Database
from shared.storage.unified_store import UnifiedStore
from shared.vendors.hostpms import mapping, words
from tests import factories
from tests.factories import VENDOR, minutes, record, text
from tests.fakes.lakes import FakeProcessedLake, FakeRawLake
from tests.integration.storing_aws import created

Road = Literal["live", "batch"]
ROADS: tuple[Road, ...] = ("live", "batch")
MENDED = mapping.VERSION + 1
_EVENTS = {"booking": "reservation.updated", "guest": "guest.created", "room": "room.status_changed"}
_FOLDERS = {"poll": "polling", "import": "imports"}


class Says(NamedTuple):
    """A record as the vendor sends it: ``what`` tells its content from that of another version."""

    what: str
    updated: float | str | None
    """The vendor's clock: minutes after ``factories.RECEIVED``, or as it is written; None where it does not say."""
    entity: str = "booking"
    id: str = "1"
    check_out: str = "2024-03-25"

    def payload(self, hotel: str) -> bytes:
        at = self.updated if isinstance(self.updated, str | None) else minutes(self.updated).isoformat()
        if self.entity == "guest":
            return text(record("guest", guest_id=self.id, property_id=hotel, apelido=self.what, updated_at=at))
        if self.entity == "room":
            return text(record("room", room_id=self.id, property_id=hotel, cama=self.what, updated_at=at))
        stay = {"dates": {"updated_at": at, "check_out": self.check_out}, "special_requests": self.what}
        guest = {"guest_id": "1", "name": f"Ana {self.what}"}
        return text(record("booking", reservation_id=self.id, property_id=hotel, guest=guest, **stay))


class Delivery(NamedTuple):
    """A raw object, announced. One of an earlier one's name is that one's retry, and overwrites it."""

    channel: Literal["webhook", "poll", "import"]
    received: float
    """Our clock: minutes after ``factories.RECEIVED``; for a poll, the start of its request."""
    says: tuple[Says, ...]
    name: str = "x"
    hotel: str = "A"
    replayed: bool = False
    """Announced by ``pousada replay``, and not by its landing."""
    mended: bool = False
    """Mapped by the next version of the mapping, which makes something else of a word."""


class Step(NamedTuple):
    """One invocation of the live path, or one batch."""

    road: Road
    deliveries: tuple[Delivery, ...]


Play = tuple[Step, ...]


def orders(deliveries: Sequence[Delivery]) -> Iterator[tuple[Delivery, ...]]:
    """Every order, and each once where a delivery comes twice."""
    yield from dict.fromkeys(permutations(deliveries))


def plays(order: Sequence[Delivery], together: bool) -> Iterator[Play]:
    """Every way for the two paths to do ``order``: each delivery by itself, or ``together`` with its neighbours too."""
    for cuts in product([True, False] if together else [True], repeat=len(order) - 1):
        steps = [[order[0]]]
        for cut, delivery in zip(cuts, order[1:], strict=True):
            if cut:
                steps.append([])
            steps[-1].append(delivery)
        for roads in product(ROADS, repeat=len(steps)):
            yield tuple(Step(road, tuple(step)) for road, step in zip(roads, steps, strict=True))


@cache
def landed(delivery: Delivery) -> tuple[str, bytes]:
    """Raw key and content, in the first play's hotel: the other plays' are copies of it."""
    hotel, entity = f"{delivery.hotel}-000000", delivery.says[0].entity
    is_event = delivery.channel == "webhook"
    envelopes = [
        Envelope(
            vendor=VENDOR,
            property_id=hotel,
            channel=delivery.channel,
            received_at=minutes(delivery.received),
            payload=msgspec.Raw(said.payload(hotel)),
            entity=None if is_event else said.entity,
            event=_EVENTS[said.entity] if is_event else None,
        )
        for said in delivery.says
    ]
    if is_event:
        (one,) = envelopes
        return raw_keys.webhook_key(VENDOR, hotel, _EVENTS[entity], minutes(0), b"", delivery.name), encode(one)
    folder = _FOLDERS[delivery.channel]
    return raw_keys.page_key(VENDOR, hotel, entity, minutes(0), delivery.name, 1, folder), encode_page(envelopes)


@contextmanager
def mapping_of(mended: bool) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if mended:
            patch.setattr(mapping, "VERSION", MENDED)
            patch.setattr(words, "channel", lambda word: "direct")
        yield


Rows = list[dict[str, Any]]
End = dict[tuple[str, str, str], dict[str, Any]]
"""(table, hotel, external id or what is refused) → the row, in the words of the first play's hotel."""


@dataclass
class Theatre:
    """PostgreSQL; and lakes in memory, which ``at_hand`` gives to the batch path."""

    database: Database
    connection: psycopg.Connection[Any]
    raw: FakeRawLake = field(default_factory=FakeRawLake)
    processed: FakeProcessedLake = field(default_factory=FakeProcessedLake)
    _received: dict[str, float] = field(default_factory=dict)
    _announced_so_far: int = 0
    """Each a second after the one before: a batch is named by its events' times."""

    @contextmanager
    def at_hand(self) -> Iterator[Theatre]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch, "_raw_lake", lambda bucket: self.raw)
            patch.setattr(batch, "_processed_lake", lambda bucket: self.processed)
            patch.setattr(upsert, "_store", lambda secret: UnifiedStore(self.database))
            yield self

    def perform(self, plays: Sequence[Play]) -> None:
        """All of them, from nothing."""
        for of_before in (self.raw.objects, self.processed.files, self._received):
            of_before.clear()
        for table in TABLES.values():  # of few rows, far sooner than TRUNCATE
            self.connection.execute(f"DELETE FROM hotel.{table}")
        for turn in range(max(map(len, plays))):
            self._together((number, play[turn]) for number, play in enumerate(plays) if turn < len(play))

    def batch_the_rest(self, plays: Sequence[Play]) -> None:
        """What went by the live path alone goes by the batch path too, as every raw object does in the end."""
        steps = ((number, step) for number, play in enumerate(plays) for step in play if step.road == "live")
        self._together((number, step._replace(road="batch")) for number, step in steps)

    def _together(self, steps: Iterable[tuple[int, Step]]) -> None:
        """The steps of several plays: what one path takes of them, with one mapping, is one invocation."""
        taken: dict[tuple[Road, bool], list[RawEvent]] = {}
        for number, step in steps:
            for delivery in step.deliveries:
                taken.setdefault((step.road, delivery.mended), []).append(self._announced(delivery, number))
        for (road, mended), events in taken.items():
            with mapping_of(mended):
                self._live(events) if road == "live" else self._batch(events)

    def _announced(self, delivery: Delivery, number: int) -> RawEvent:
        key, content = (_copied(part, number) for part in landed(delivery))
        # What was received last was put last, in whatever order the puts are announced.
        if self._received.get(key, delivery.received) <= delivery.received:
            self._received[key], self.raw.objects[key] = delivery.received, content
        self._announced_so_far += 1
        at = minutes(self._announced_so_far / 60).isoformat()
        source = "pousada.replay" if delivery.replayed else "aws.s3"
        return read_event(json.dumps(created(key, len(content), at, source)))

    def _live(self, events: Sequence[RawEvent]) -> None:
        keys = [event.detail.object.key for event in events]
        assert apply_objects(keys, self.raw.many, factories.context, UnifiedStore(self.database)).failed == {}

    def _batch(self, events: Sequence[RawEvent]) -> None:
        hotels = {tuple(event.detail.object.key.split("/")[:2]) for event in events}
        plan = Plan("raw", "processed", "secret", dict.fromkeys(hotels, factories.TIME_ZONE))  # type: ignore[arg-type]
        etl.in_this_process(manifest_of(events), plan)

    # -- What came of it -----------------------------------------------------------------------

    def ends(self, count: int) -> list[End]:
        """Of each of ``count`` plays, every column of every row but what arrival may decide."""
        tables = {table: self.rows(table) for table in TABLES.values()}
        # An id is made of the hotel's name too: it is told by what it is the id of.
        names = {row["id"]: f"{table} {row['external_id']}" for table, rows in tables.items() for row in rows}
        found: list[End] = [{} for _ in range(count)]
        for table, rows in tables.items():
            for row in rows:
                hotel, _, number = row["hotel_id"].partition("-")
                at_home = {
                    name: names[value] if value and _is_id(name) else _uncopied(value, row["hotel_id"])
                    for name, value in row.items()
                    if name not in MADE_BY_ARRIVAL[table]
                }
                of_what = at_home["external_id"] or f"{at_home['raw_key']} {at_home['raw_line']}"
                found[int(number)][table, hotel, of_what] = at_home
        return found

    def rows(self, table: str, hotels: str = "%") -> Rows:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(f"SELECT * FROM hotel.{table} WHERE hotel_id LIKE %s", (hotels,)).fetchall()
        return [{name: str(value) if _is_id(name) and value else value for name, value in row.items()} for row in rows]

    def told_otherwise_by_the_lake(self) -> list[str]:
        """Raw keys of the rows that differ in any column from the newest version that the Parquet files have."""
        otherwise = []
        for entity in ENTITIES:
            newest, order = dict[str, tuple[Any, dict[str, Any]]](), order_columns(entity)
            for row in self._files(entity):
                rank = [(row[name] is not None, row[name]) for name in order]
                if row["id"] not in newest or rank > newest[row["id"]][0]:
                    newest[row["id"]] = rank, row
            names = [column.name for column in lake_columns(entity) if column.name != "synced_at"]
            held = self.rows(TABLES[entity])
            assert {row["id"] for row in held} == set(newest)
            otherwise += [row["raw_key"] for row in held if any(row[n] != newest[row["id"]][1][n] for n in names)]
        return otherwise

    def _files(self, entity: str) -> Rows:
        of_entity = [content for key, content in self.processed.files.items() if key.startswith(f"{TABLES[entity]}/")]
        return [row for content in of_entity for row in pq.read_table(pa.BufferReader(content)).to_pylist()]

    def not_held_by_their_objects(self) -> list[str]:
        """Raw keys of the first play's rows whose content is not what that object, at that line, says."""
        wrong = []
        for entity in ENTITIES:
            for row in self.rows(TABLES[entity], "_-000000"):
                with mapping_of(row["mapping_version"] == MENDED):
                    found = map_object(row["raw_key"], self.raw.objects[row["raw_key"]], factories.context).rows[entity]
                said = [one for one in found if (one.raw_line, one.id) == (row["raw_line"], row["id"])]
                names = content_columns(entity)
                if [[getattr(one, name) for name in names] for one in said] != [[row[name] for name in names]]:
                    wrong.append(row["raw_key"])
        return wrong


def _copied(part: Any, number: int) -> Any:
    """A key or content of the first play's hotel, as that of the play ``number``."""
    if isinstance(part, bytes):
        return part.replace(b"-000000", b"-%06d" % number)
    return part.replace("-000000", f"-{number:06d}")


def _uncopied(value: Any, hotel: str) -> Any:
    return value.replace(hotel[1:], "-000000") if isinstance(value, str) else value


def _is_id(name: str) -> bool:
    return name in ("id", "guest_id", "room_id", "booking_id")
