"""The order guard on a real PostgreSQL: whatever order versions come in, the newest stands in the end."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from shared.model import arrow
from shared.model.columns import ENTITIES, columns, content_columns, row_type
from shared.model.mapping import Row
from shared.storage.upsert import staged_columns, upsert_many, upsert_rows
from tests import factories
from tests.factories import booking_row, guest_row, minutes

Connection = psycopg.Connection[Any]
Feed = Callable[[psycopg.Cursor[Any], str, Sequence[Row]], int]


def as_many(cursor: psycopg.Cursor[Any], entity: str, rows: Sequence[Row]) -> int:
    return upsert_many(cursor, entity, arrow.NewestRows(entity, arrow.table(entity, rows)))


FEEDS: dict[str, Feed] = {"rows": upsert_rows, "many": as_many}
EACH_FEED = pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS.keys())
_hotels = (f"H-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def hotel() -> str:
    """One that nobody has used yet."""
    return next(_hotels)


def put(connection: Connection, entity: str, rows: Sequence[Row], feed: Feed = upsert_rows) -> int:
    with connection.transaction(), connection.cursor() as cursor:
        return feed(cursor, entity, rows)


def held(connection: Connection, hotel: str, table: str = "bookings") -> list[dict[str, Any]]:
    query = f"SELECT *, xmin, ctid FROM hotel.{table} WHERE hotel_id = %s ORDER BY external_id"
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, (hotel,)).fetchall()


def tuples(connection: Connection, hotel: str) -> list[tuple[Any, ...]]:
    """The rows as they lie in the table's file: neither written anew nor, which is a write as well, locked."""
    query = "SELECT ctid, xmin, xmax, * FROM hotel.bookings WHERE hotel_id = %s ORDER BY ctid"
    return connection.execute(query, (hotel,)).fetchall()


# -- Every order, every split --------------------------------------------------------------------------


@dataclass(frozen=True)
class Version:
    """One of a booking: what it says, and the fields that rank it."""

    says: str
    updated: int | None
    received: int
    mapping: int = 1
    key: str = "a"
    line: int = 0

    @property
    def rank(self) -> tuple[Any, ...]:
        return (
            float("-inf") if self.updated is None else self.updated,
            self.received,
            self.mapping,
            self.key,
            self.line,
        )

    def row(self, hotel: str) -> Row:
        return booking_row(
            property_id=hotel,
            updated_at=None if self.updated is None else minutes(self.updated),
            received_at=minutes(self.received),
            mapping_version=self.mapping,
            raw_key=self.key,
            raw_line=self.line,
            rate_plan=self.says,
        )


Play = Sequence[Sequence[Version]]
"""What reaches the store, upsert by upsert."""


def expected(play: Play) -> tuple[Version, int]:
    """The version that stands in the end, and how many changes of content were accepted on the way."""
    standing, changes = None, 0
    for newest in (max(together, key=lambda version: version.rank) for together in play):
        if standing is None or newest.rank > standing.rank:
            changes += standing is None or newest.says != standing.says
            standing = newest
    assert standing is not None
    return standing, changes


def perform(connection: Connection, plays: Sequence[Play]) -> Iterator[tuple[Version, int]]:
    """Plays all at once, each in a hotel of its own, by one feed and the other in turn; what each came to."""
    hotels = [next(_hotels) for _ in plays]
    for step in range(max(map(len, plays))):
        for number, feed in enumerate(FEEDS.values()):
            rows = [
                version.row(hotel)
                for index, (hotel, play) in enumerate(zip(hotels, plays, strict=True))
                if step < len(play) and (index + step) % 2 == number
                for version in play[step]
            ]
            put(connection, "booking", rows, feed)
    query = "SELECT hotel_id, * FROM hotel.bookings WHERE hotel_id = ANY(%s)"
    with connection.cursor(row_factory=dict_row) as cursor:
        found = {row["hotel_id"]: row for row in cursor.execute(query, (hotels,))}
    return (told(found[hotel]) for hotel in hotels)


def told(row: dict[str, Any]) -> tuple[Version, int]:
    updated = row["source_updated_at"] and (row["source_updated_at"] - factories.RECEIVED).total_seconds() // 60
    received = (row["raw_received_at"] - factories.RECEIVED).total_seconds() // 60
    version = Version(row["rate_plan"], updated, received, row["mapping_version"], row["raw_key"], row["raw_line"])
    return version, row["version"]


def splits(versions: Sequence[Version]) -> Iterator[Play]:
    """Every way to cut the sequence into upserts."""
    for cuts in itertools.product([False, True], repeat=len(versions) - 1):
        play = [[versions[0]]]
        for cut, version in zip(cuts, versions[1:], strict=True):
            if cut:
                play.append([])
            play[-1].append(version)
        yield play


SETS = {
    "times that rise": [Version("a", 1, 1), Version("b", 2, 2), Version("c", 3, 3), Version("d", 4, 4)],
    "received in another order than changed": [Version("a", 1, 9), Version("b", 2, 5), Version("c", 3, 1)],
    "changed at one time": [Version("a", 1, 1), Version("b", 1, 2), Version("c", 1, 3)],
    "all times equal, in other objects": [
        Version("a", 1, 1, key="a"),
        Version("b", 1, 1, key="b"),
        Version("c", 1, 1, key="B"),
    ],
    "all times equal, on other lines": [
        Version("a", 1, 1, line=2),
        Version("b", 1, 1, line=10),
        Version("c", 1, 1, line=9),
    ],
    "no time of change": [Version("a", None, 1), Version("b", None, 2), Version("c", None, 3)],
    "some without a time of change": [
        Version("a", None, 9),
        Version("b", 1, 1),
        Version("c", None, 5),
        Version("d", 0, 7),
    ],
    "one version again and again": [Version("a", 1, 1)] * 3 + [Version("b", 2, 2)] * 2,
    "back to what it was": [Version("a", 1, 1), Version("b", 2, 2, key="b"), Version("a", 3, 3, key="c")],
    "the same thing said later, and a change between": [
        Version("a", 1, 1, key="hook"),
        Version("a", 1, 30, key="poll"),
        Version("a", 1, 60, key="poll2"),
        Version("b", 2, 45, key="hook2"),
        Version("b", 2, 90, key="poll3"),
    ],
    "a mended mapping's replay": [
        Version("wrong", 1, 1, mapping=1),
        Version("right", 1, 1, mapping=2),
        Version("right", 1, 1, mapping=3),
        Version("later", 2, 2, mapping=1, key="b"),
    ],
    "a replay that says the same": [
        Version("a", 1, 1, mapping=1),
        Version("a", 1, 1, mapping=2),
        Version("b", 1, 0, key="b"),
    ],
}


@pytest.mark.parametrize("versions", SETS.values(), ids=SETS.keys())
def test_every_order_and_every_split_ends_in_the_newest(connection, versions) -> None:
    plays = [play for order in itertools.permutations(versions) for play in splits(order)]
    outcomes = list(perform(connection, plays))
    assert outcomes == [expected(play) for play in plays]
    assert len({standing for standing, _ in outcomes}) == 1


OBJECTS = st.builds(
    lambda key, updated, received: [
        Version(f"{key}{mapping}" if key > "m" else "same", updated, received, mapping, key) for mapping in (1, 2)
    ],
    st.sampled_from("abcdxyz"),
    st.none() | st.integers(0, 3),
    st.integers(0, 3),
)
"""A raw object, and what two versions of the mapping make of it."""


@st.composite
def plays_of_one_set(draw: st.DrawFn) -> list[Play]:
    objects = {version.key: found for found in draw(st.lists(OBJECTS, min_size=1, max_size=6)) for version in found}
    versions = [version for found in objects.values() for version in found]
    deliveries = st.lists(st.lists(st.sampled_from(versions), min_size=1, max_size=4), max_size=6)
    everything = st.permutations(versions).map(lambda order: [[version] for version in order])
    return [draw(deliveries) + draw(everything) + draw(deliveries) for _ in range(8)]


@settings(max_examples=20)
@given(plays_of_one_set())
def test_any_set_of_versions_in_any_order_with_any_repetition_ends_alike(connection, plays) -> None:
    outcomes = list(perform(connection, plays))
    assert outcomes == [expected(play) for play in plays]
    assert len({standing for standing, _ in outcomes}) == 1


# -- What a write costs --------------------------------------------------------------------------------


@EACH_FEED
def test_rows_that_are_not_newer_cost_no_write(connection, hotel, feed) -> None:
    rows = [booking_row(f"RSV-{number}", property_id=hotel, received_at=minutes(5)) for number in range(20)]
    older = [booking_row(f"RSV-{number}", property_id=hotel, rate_plan="older") for number in range(20)]
    assert put(connection, "booking", rows, feed) == 20
    before = tuples(connection, hotel)
    assert put(connection, "booking", rows, feed) == 0
    assert put(connection, "booking", older, feed) == 0
    assert tuples(connection, hotel) == before


@EACH_FEED
def test_the_same_content_later_moves_its_order_on_and_nothing_else(connection, hotel, feed) -> None:
    put(connection, "booking", [booking_row(property_id=hotel, raw_key="hook", rate_plan="a")], feed)
    (before,) = held(connection, hotel)
    later = booking_row(
        property_id=hotel, updated_at=minutes(1), received_at=minutes(7), raw_key="poll", raw_line=3, rate_plan="a"
    )
    assert put(connection, "booking", [later], feed) == 1
    (after,) = held(connection, hotel)
    moved = {name for name in after if after[name] != before[name]}
    assert moved == {"source_updated_at", "raw_received_at", "raw_key", "raw_line", "xmin", "ctid"}


@EACH_FEED
def test_an_accepted_change_counts_one_version_and_says_when(connection, hotel, feed) -> None:
    put(connection, "booking", [booking_row(property_id=hotel, adults=None)], feed)
    (before,) = held(connection, hotel)
    assert before["version"] == 1
    put(connection, "booking", [booking_row(property_id=hotel, received_at=minutes(1), adults=2)], feed)
    (after,) = held(connection, hotel)
    assert (after["version"], after["adults"]) == (2, 2)
    assert after["synced_at"] > before["synced_at"]


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_change_of_any_column_of_the_content_is_a_change(connection, entity) -> None:
    """To null and from null too, for which plain inequality is blind."""
    for column in columns(entity):
        if column.name not in content_columns(entity):
            continue
        one, other = ONE[column.kind.__name__], OTHER[column.kind.__name__]
        for before, after in [(one, other), *([(one, None), (None, one)] if column.nullable else [])]:
            hotel = next(_hotels)
            for step, value in enumerate((before, after)):
                row = filled_row(entity, hotel, step)
                setattr(row, column.name, value)
                put(connection, entity, [row])
            (found,) = held(connection, hotel, ENTITIES[entity].table)
            assert found["version"] == (1 if column.name == "is_profile" and not after else 2), (column.name, after)


ONE = {
    "UUID": "00000000-0000-5000-8000-000000000000", "str": "x", "int": 1, "bool": False, "Decimal": Decimal("1.00"),
    "date": factories.RECEIVED.date(), "datetime": factories.RECEIVED, "list": ["x"],
}  # fmt: skip
OTHER = {
    "UUID": "10000000-0000-5000-8000-000000000000", "str": "", "int": 0, "bool": True, "Decimal": Decimal("0.00"),
    "date": minutes(9999).date(), "datetime": minutes(1), "list": [],
}  # fmt: skip


def filled_row(entity: str, hotel: str, step: int = 0, values: dict[str, Any] = ONE) -> Row:
    content = {column.name: values[column.kind.__name__] for column in columns(entity)}
    row = row_type(entity)(**content)
    row.id, row.external_id, row.source, row.hotel_id = factories.record_id("s", hotel, entity, "1"), "1", "s", hotel
    row.source_updated_at = row.raw_received_at = minutes(step)
    row.mapping_version, row.raw_key, row.raw_line = 1, f"{step}", 0
    return row


# -- Guests ----------------------------------------------------------------------------------------


@EACH_FEED
@pytest.mark.parametrize("stub_at", [None, -60, 0, 60])
@pytest.mark.parametrize("profile_first", [True, False])
def test_a_profile_stands_against_any_guest_of_a_reservation(connection, hotel, feed, stub_at, profile_first) -> None:
    profile = guest_row(is_profile=True, property_id=hotel, first_name="Profile")
    at = None if stub_at is None else minutes(stub_at)
    stub = guest_row(is_profile=False, property_id=hotel, updated_at=at, received_at=minutes(99), first_name="Stub")
    for rows in ([profile], [stub]) if profile_first else ([stub], [profile]):
        put(connection, "guest", rows, feed)
    (found,) = held(connection, hotel, "guests")
    assert (found["first_name"], found["is_profile"]) == ("Profile", True)


def test_a_profile_without_a_time_stands_too(connection, hotel) -> None:
    put(connection, "guest", [guest_row(is_profile=False, property_id=hotel, first_name="Stub")])
    put(connection, "guest", [guest_row(is_profile=True, property_id=hotel, updated_at=None, first_name="Profile")])
    put(connection, "guest", [guest_row(is_profile=False, property_id=hotel, updated_at=minutes(9), first_name="Stub")])
    (found,) = held(connection, hotel, "guests")
    assert (found["first_name"], found["version"]) == ("Profile", 2)


def test_of_two_reservations_guests_the_newer_stands(connection, hotel) -> None:
    put(connection, "guest", [guest_row(is_profile=False, property_id=hotel, updated_at=minutes(2), phone="new")])
    put(connection, "guest", [guest_row(is_profile=False, property_id=hotel, updated_at=minutes(1), phone="old")])
    assert held(connection, hotel, "guests")[0]["phone"] == "new"


# -- What is stored is what was mapped -----------------------------------------------------------------

AWKWARD = ["", " ", '"', '""', "'", ",", "\\", "\\N", "\\.", "a\n\\.\nb", "\r\n", "NULL", "null", "{}", "\t", "«ñ» 🛏"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.sampled_from(
    AWKWARD
)
AMOUNTS = st.none() | st.decimals(-(10**13), 10**13, places=2)


@settings(max_examples=60)
@given(
    texts=st.lists(st.none() | TEXTS, min_size=3, max_size=3),
    amenities=st.none() | st.lists(TEXTS, max_size=4),
    amount=AMOUNTS,
)
def test_both_feeds_store_what_the_row_says(connection, texts, amenities, amount) -> None:
    stored = []
    for feed in FEEDS.values():
        hotel = next(_hotels)
        room = filled_row("room", hotel)
        room.number, room.type, room.bed_type = texts
        room.amenities, room.base_rate, room.currency = amenities, amount, "EUR"
        put(connection, "room", [room], feed)
        (found,) = held(connection, hotel, "rooms")
        assert {name: found[name] for name in content_columns("room")} == {
            name: getattr(room, name) for name in content_columns("room")
        }
        stored.append(str(found["base_rate"]))
    assert stored == [str(amount)] * 2 or amount == 0


@EACH_FEED
@pytest.mark.parametrize("values", [ONE, OTHER], ids=["one", "other"])
@pytest.mark.parametrize("entity", ENTITIES)
def test_every_column_of_every_entity_comes_back(connection, hotel, entity, values, feed) -> None:
    row = filled_row(entity, hotel, values=values)
    put(connection, entity, [row], feed)
    (found,) = held(connection, hotel, ENTITIES[entity].table)
    for name in staged_columns(entity):
        wanted = getattr(row, name)
        assert (str(found[name]) if name == "id" or name.endswith("_id") else found[name]) == wanted, name


@EACH_FEED
def test_no_rows_are_no_writes(connection, feed) -> None:
    assert put(connection, "booking", [], feed) == 0


@EACH_FEED
def test_new_rows_older_and_newer_ones_are_told_apart(connection, hotel, feed) -> None:
    held_at = {"held later": 5, "held earlier": 1}
    rows = [booking_row(name, property_id=hotel, received_at=minutes(at)) for name, at in held_at.items()]
    put(connection, "booking", rows, feed)
    names = ["held earlier", "held later", "new"]
    rows = [booking_row(name, property_id=hotel, received_at=minutes(3), rate_plan="sent") for name in names]
    assert put(connection, "booking", rows, feed) == 2
    found = {row["external_id"]: (row["rate_plan"], row["version"]) for row in held(connection, hotel)}
    assert found["new"] == ("sent", 1)
    assert found["held earlier"] == ("sent", 2)
    assert found["held later"][0] != "sent"


@EACH_FEED
def test_a_writer_that_row_security_holds_for_writes_as_the_owner_does(database, connection, hotel, feed) -> None:
    rows = [booking_row("1", property_id=hotel), booking_row("2", property_id=hotel)]
    with psycopg.connect(database, autocommit=True) as mine:
        mine.execute("SET ROLE pousada_writer")
        assert put(mine, "booking", rows[:1], feed) == 1
        assert put(mine, "booking", rows, feed) == 1
        assert put(mine, "booking", rows, feed) == 0
        later = [booking_row("1", property_id=hotel, received_at=minutes(1), rate_plan="later")]
        assert put(mine, "booking", later, feed) == 1
    assert {row["external_id"]: row["version"] for row in held(connection, hotel)} == {"1": 2, "2": 1}


def test_two_upserts_in_one_transaction_do_not_mix(connection, hotel) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        assert upsert_rows(cursor, "booking", [booking_row("1", property_id=hotel)]) == 1
        assert upsert_rows(cursor, "booking", [booking_row("2", property_id=hotel)]) == 1
        assert upsert_rows(cursor, "guest", [guest_row(is_profile=True, property_id=hotel)]) == 1
    assert len(held(connection, hotel)) == 2


def test_what_is_rolled_back_was_never_there(connection, hotel) -> None:
    rows = [booking_row("1", property_id=hotel), booking_row("2", property_id=hotel, adults=2**40)]
    with pytest.raises(psycopg.DataError):
        put(connection, "booking", rows)
    assert held(connection, hotel) == []
    assert put(connection, "booking", [booking_row("1", property_id=hotel)]) == 1


# -- Two at once ---------------------------------------------------------------------------------------


@EACH_FEED
def test_two_that_upsert_the_same_ids_in_opposite_order_do_not_stand_in_each_other_s_way(
    database, connection, hotel, feed
) -> None:
    count, rounds = 400, 6
    errors: list[Exception] = []
    meeting = threading.Barrier(2, timeout=30)

    def upsert(me: int) -> None:
        try:
            with psycopg.connect(database, autocommit=True) as mine, mine.cursor() as cursor:
                # Sooner than the default second, or a deadlock would be waited out unseen.
                cursor.execute("SET deadlock_timeout = '10ms'")
                for turn in range(rounds):
                    at = minutes(turn * 2 + me)
                    rows = [
                        booking_row(f"RSV-{n}", property_id=hotel, updated_at=at, rate_plan=f"{turn}.{me}")
                        for n in range(count)
                    ]
                    meeting.wait()
                    with mine.transaction():
                        feed(cursor, "booking", rows[:: 1 if me else -1])
        except Exception as error:
            errors.append(error)
            meeting.abort()

    threads = [threading.Thread(target=upsert, args=(me,)) for me in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {row["rate_plan"] for row in held(connection, hotel)} == {f"{rounds - 1}.1"}


@EACH_FEED
@pytest.mark.parametrize("first", [True, False], ids=["a row that was held", "a row that neither found"])
def test_one_that_waited_for_another_is_still_held_to_the_order(database, connection, hotel, feed, first) -> None:
    """It looked before the other committed: the guard looks again once the row is free."""
    if first:
        put(connection, "booking", [booking_row(property_id=hotel, rate_plan="first")])
    done = threading.Event()

    def older() -> None:
        with psycopg.connect(database, autocommit=True) as mine:
            rows = [booking_row(property_id=hotel, updated_at=minutes(1), rate_plan="older")]
            put(mine, "booking", [*rows, booking_row("another", property_id=hotel)], feed)
        done.set()

    with psycopg.connect(database) as mine, mine.cursor() as cursor:
        feed(cursor, "booking", [booking_row(property_id=hotel, updated_at=minutes(2), rate_plan="newer")])
        waiting = threading.Thread(target=older)
        waiting.start()
        assert not done.wait(0.3)  # it waits for the row
        mine.commit()
    waiting.join(10)
    found = {row["external_id"]: row for row in held(connection, hotel)}
    assert found.keys() == {"RSV-1", "another"}
    assert (found["RSV-1"]["rate_plan"], found["RSV-1"]["version"]) == ("newer", 2 if first else 1)
