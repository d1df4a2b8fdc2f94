"""In whatever order a booking's deliveries come, and whichever path takes which of them, the end is the same.

``SETS`` are small: every order of each is tried, and every way to divide it between the live and the batch path. Of
larger sets hypothesis draws some.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.storage.postgres import Database
from tests.integration.plays import Delivery, Play, Says, Step, Theatre, orders, plays


def webhook(what: str, updated: float | str | None, received: float, **how: str | bool) -> Delivery:
    return _delivery("webhook", what, updated, received, how)


def poll(what: str, updated: float | str | None, received: float, **how: str | bool) -> Delivery:
    return _delivery("poll", what, updated, received, how)


def backfill(what: str, updated: float | str | None, received: float, **how: str | bool) -> Delivery:
    return _delivery("import", what, updated, received, how)


def _delivery(channel, what, updated, received, how) -> Delivery:  # type: ignore[no-untyped-def]
    said = {name: value for name, value in how.items() if name in Says._fields}
    came = {"name": f"{what}.{received}"} | {name: value for name, value in how.items() if name in Delivery._fields}
    return Delivery(channel, received, (Says(what, updated, **said),), **came)


def page(received: float, *says: Says) -> Delivery:
    return Delivery("poll", received, says, f"page.{received}")


def replayed(delivery: Delivery) -> Delivery:
    return delivery._replace(replayed=True)


def mended(delivery: Delivery) -> Delivery:
    """Replayed once the mapping was mended."""
    return delivery._replace(replayed=True, mended=True)


class Case(NamedTuple):
    deliveries: tuple[Delivery, ...]
    stands: str
    """The content that all is to end in, by the order of versions (DESIGN.md §4)."""
    table: str = "bookings"
    column: str = "special_requests"
    together: bool = True
    """Several deliveries in one invocation, too; not where there are too many plays."""


REFUSED = "2024-03-01"
"""The guest would leave before they come."""
NEWS, OLD, CANCELLED = webhook("b", 2, 2), webhook("a", 1, 1), webhook("cancelled", 3, 3)

SETS: dict[str, Case] = {
    "changes in turn": Case((OLD, NEWS, webhook("c", 3, 3)), "c"),
    "received in another order than changed": Case((webhook("a", 1, 9), poll("b", 2, 5), webhook("c", 3, 1)), "c"),
    "equal times of change, other content": Case(
        (webhook("a", 1, 1), poll("b", 1, 2), backfill("c", 1, 3), webhook("d", 1, 0)), "c"
    ),
    "equal times of change, equal content": Case((webhook("a", 1, 1), poll("a", 1, 2), backfill("a", 1, 60)), "a"),
    "all times equal, other content": Case(
        (webhook("a", 1, 1), webhook("b", 1, 1), poll("c", 1, 1), backfill("d", 1, 1)), "b"
    ),
    "one instant, written in several zones": Case(
        (
            webhook("a", "2024-03-01T10:31:00Z", 1),
            poll("b", "2024-03-01T11:31:00+01:00", 2),
            webhook("c", "2024-03-01T07:31:00.000-03:00", 3),
        ),
        "c",
    ),
    "no time of change": Case((webhook("a", None, 1), poll("b", None, 2), backfill("c", None, 3)), "c"),
    "some without a time of change": Case(
        (webhook("a", None, 9), poll("b", 1, 1), webhook("c", None, 5), backfill("d", 0, 7)), "b"
    ),
    "the vendor's clock behind ours": Case((webhook("a", -61, 1), webhook("b", -60, 2), poll("b", -60, 30)), "b"),
    "the vendor's clock ahead of ours": Case((webhook("a", 600, 1), webhook("b", 601, 2), poll("a", 600, 3)), "b"),
    "the vendor's clock set back between two changes": Case(
        (webhook("a", 50, 1), webhook("b", 10, 2), poll("b", 10, 3), webhook("c", 51, 60)), "c"
    ),
    "a poll that began before the change and read after it": Case(
        (poll("b", 5, 3), webhook("b", 5, 5), poll("a", 1, 2), webhook("a", 1, 1)), "b"
    ),
    "a poll that read within the change's second": Case((poll("a", 5, 4), webhook("b", 5, 5), poll("b", 5, 60)), "b"),
    "a delivery that comes three times": Case((OLD, OLD, OLD, NEWS), "b"),
    "deliveries that come twice": Case((OLD, OLD, NEWS, NEWS), "b"),
    "a retry that overwrites the first try": Case(
        (webhook("a", 1, 1, name="one"), webhook("a", 1, 9, name="one"), webhook("b", 1, 5)), "a"
    ),
    "a replay after a newer one": Case((OLD, NEWS, replayed(OLD)), "b"),
    "all replayed": Case((OLD, NEWS, replayed(OLD), replayed(NEWS)), "b"),
    "cancelled, then an older update comes late": Case((OLD, CANCELLED, webhook("late", 2, 9)), "cancelled"),
    "back to what it was": Case((webhook("a", 1, 1), webhook("b", 2, 2), webhook("a", 3, 3)), "a"),
    "the same said later, and a change from between": Case(
        (webhook("a", 1, 1), poll("a", 3, 30), webhook("b", 2, 45), poll("a", 3, 60)), "a"
    ),
    "webhook, poll, backfill and replay": Case(
        (webhook("a", 1, 1), poll("b", 2, 3), backfill("a", 1, 60), replayed(webhook("a", 1, 1)), webhook("c", 2, 4)),
        "c",
        together=False,
    ),
    "a page that has it twice": Case(
        (page(3, Says("c", 3), Says("a", 1)), webhook("b", 2, 9), backfill("b", 2, 1)), "c"
    ),
    "one of them is refused": Case(
        (OLD, webhook("refused", 2, 2, check_out=REFUSED), webhook("c", 3, 3), backfill("c", 3, 0)), "c"
    ),
    "the newest is refused": Case((OLD, NEWS, webhook("refused", 3, 3, check_out=REFUSED)), "b"),
    "a refused delivery that is tried again": Case(
        (
            webhook("refused", 3, 3, name="one", check_out=REFUSED),
            webhook("refused", 3, 9, name="one", check_out=REFUSED),
            NEWS,
        ),
        "b",
    ),
    "a mended mapping's replay": Case((OLD, mended(OLD), NEWS, mended(NEWS)), "b"),
    "a mended mapping's replay of the older alone": Case((OLD, mended(OLD), NEWS), "b"),
    "a guest's profile, and reservations": Case(
        (
            webhook("a", 9, 9),
            poll("Silva", 1, 1, entity="guest"),
            webhook("b", 10, 10, id="2"),
            webhook("Sousa", 2, 2, entity="guest"),
        ),
        "Sousa",
        *("guests", "last_name"),
    ),
    "a profile without a time of change, and a reservation": Case(
        (webhook("a", 9, 9), poll("Silva", None, 1, entity="guest"), poll("a", 9, 30)), "Silva", "guests", "last_name"
    ),
    "a guest of two reservations": Case(
        (webhook("a", 1, 1), webhook("b", 3, 2, id="2"), poll("c", 2, 3)), "b", "guests", "last_name"
    ),
    "a room, twice in a second": Case(
        (
            webhook("a", 1, 1, entity="room"),
            webhook("b", 1, 2, entity="room"),
            poll("b", 1, 0, entity="room"),
        ),
        "b",
        *("rooms", "bed_type"),
    ),
    "two properties with the same external id": Case(
        (webhook("a", 1, 1), webhook("b", 2, 2), webhook("x", 1, 5, hotel="B"), poll("y", 0, 6, hotel="B")), "b"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def theatre(database: str) -> Iterator[Theatre]:
    connected = Database(lambda: database)
    with psycopg.connect(database, autocommit=True) as connection, Theatre(connected, connection).at_hand() as made:
        yield made
    connected.close()


def ended(theatre: Theatre, tried: list[Play]) -> list[Play]:
    """The plays that ended otherwise than the first."""
    theatre.perform(tried)
    ends = theatre.ends(len(tried))
    differing = [play for play, end in zip(tried, ends, strict=True) if end != ends[0]]
    assert theatre.not_held_by_their_objects() == []
    theatre.batch_the_rest(tried)
    # The batch path brings nothing that the live path has not brought.
    assert theatre.ends(len(tried)) == ends
    assert theatre.told_otherwise_by_the_lake() == []
    return differing


@pytest.mark.parametrize("name", SETS)
def test_every_order_by_either_path_ends_alike(name, theatre, record_property) -> None:
    case = SETS[name]
    tried = [play for order in orders(case.deliveries) for play in plays(order, case.together)]
    assert ended(theatre, tried) == []
    record_property("points", len(tried))
    (standing,) = {row[case.column] for row in theatre.rows(case.table, "A-%") if row["external_id"] == "1"}
    assert standing == case.stands


# -- Larger sets -----------------------------------------------------------------------------------

SAID = st.builds(
    Says,
    what=st.sampled_from("abc"),
    updated=st.none() | st.integers(-2, 3),
    entity=st.just("booking"),
    id=st.sampled_from("12"),
    check_out=st.sampled_from(["2024-03-25", "2024-03-25", "2024-03-25", REFUSED]),
)


@st.composite
def deliveries(draw: st.DrawFn) -> list[Delivery]:
    """Raw objects, some announced again: by the queue, by a replay, for a mended mapping, by the vendor's next try."""
    made: list[Delivery] = []
    for number in range(draw(st.integers(2, 8))):
        channel, received = draw(st.sampled_from(["webhook", "poll", "import"])), draw(st.integers(0, 4))
        entity = draw(st.sampled_from(["booking", "booking", "guest"]))
        says = draw(st.lists(SAID, min_size=1, max_size=1 if channel == "webhook" else 3))
        found = Delivery(channel, received, tuple(said._replace(entity=entity) for said in says), f"o{number}")
        # Not both: a mapping that is mended was mended for what is received from then on, too.
        later = draw(st.sampled_from([mended(found), found._replace(received=received + 2)]))
        again = draw(st.lists(st.sampled_from([found, replayed(found), later]), max_size=2))
        made += [found, *again]
    return made


@st.composite
def plays_of_one_set(draw: st.DrawFn) -> list[Play]:
    found, tried = draw(deliveries()), []
    for _ in range(4):
        left, steps = list(draw(st.permutations(found))), list[Step]()
        while left:
            count = draw(st.integers(1, len(left)))
            steps.append(Step(draw(st.sampled_from(["live", "batch"])), tuple(left[:count])))
            left = left[count:]
        tried.append(tuple(steps))
    return tried


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plays_of_one_set())
def test_any_larger_set_in_any_order_by_either_path_ends_alike(theatre, tried) -> None:
    assert ended(theatre, tried) == []
