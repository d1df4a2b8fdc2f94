"""Rotation of a webhook secret: whatever is interrupted, what the vendor signs with verifies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdas.webhook.receiver import REFRESH_SECONDS, REMEMBERED_SECONDS
from shared.errors import LeaseHeld, Malformed, StoreUnavailable, Superseded, VendorUnavailable
from shared.hotel_secrets import Held, WebhookSecret
from shared.pipeline import rotation_orders
from shared.pipeline.rotation import Desk, Leg, rotate
from shared.pipeline.rotation_orders import HotelRotation

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
OVERLAP, NOTICE = timedelta(hours=72), timedelta(seconds=30)
FIRST = "first"


@dataclass
class Hotel:
    """The store, the vendor and the clock; ``crashes`` are raised at the steps that come next."""

    now: datetime = START
    stored: WebhookSecret = field(default_factory=lambda: WebhookSecret(FIRST))
    revision: int = 1
    changed_at: datetime = START
    signs_with: str = FIRST
    """What the vendor signs with."""
    told: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    made: int = 0
    busy: bool = False
    tellable: bool = True

    # -- What rotation sees --------------------------------------------------------------------
    def held(self) -> Held[WebhookSecret]:
        self._step()
        return Held(self.stored, self.revision, self.changed_at)

    def replace(self, held: Held[WebhookSecret], secret: WebhookSecret) -> None:
        with self._around(StoreUnavailable("the table did not answer")):
            if held.revision != self.revision:
                raise Superseded("written meanwhile")
            self.stored, self.revision, self.changed_at = secret, self.revision + 1, self.now

    def tell(self, secret: str) -> None:
        with self._around(VendorUnavailable("no answer")):
            self.told.append(secret)
            self.signs_with = secret

    @contextmanager
    def alone(self) -> Iterator[None]:
        if self.busy:
            raise LeaseHeld("another is at it")
        yield

    @property
    def desk(self) -> Desk:
        tell = self.tell if self.tellable else None
        return Desk(self, tell, self.alone, lambda: self.now, self._new_value, OVERLAP, NOTICE)

    def rotate(self, older_than: datetime, **how: Any) -> Leg:
        order = HotelRotation(vendor="hostpms", property_id="P", older_than=older_than, **how)
        return rotate(order, self.desk)

    # -- What goes wrong -----------------------------------------------------------------------
    def _new_value(self) -> str:
        self.made += 1
        return f"made-{self.made}"

    def _step(self) -> None:
        if self.crashes and self.crashes.pop(0) != "none":
            raise StoreUnavailable("the table did not answer")

    @contextmanager
    def _around(self, error: Exception) -> Iterator[None]:
        crash = self.crashes.pop(0) if self.crashes else "none"
        if crash == "before":
            raise error
        yield
        if crash == "after":
            raise error


def later(hotel: Hotel, by: timedelta) -> None:
    hotel.now += by


def whole(hotel: Hotel, **how: Any) -> None:
    order_of = hotel.now
    hotel.rotate(order_of, **how)
    later(hotel, NOTICE)
    assert hotel.rotate(order_of, **how).outcome == "rotated"


def test_a_rotation_stores_tells_and_promotes() -> None:
    hotel = Hotel()
    later(hotel, timedelta(days=90))
    due = hotel.now

    assert hotel.rotate(due) == Leg("begun", NOTICE)
    assert (hotel.stored.current, hotel.stored.next, hotel.told) == (FIRST, "made-1", [])

    later(hotel, timedelta(seconds=10))
    assert hotel.rotate(due) == Leg("waiting", timedelta(seconds=20))
    assert hotel.told == []

    later(hotel, timedelta(seconds=20))
    assert hotel.rotate(due) == Leg("rotated")
    assert hotel.told == ["made-1"]
    assert hotel.stored == WebhookSecret("made-1", FIRST, hotel.now + OVERLAP, since=hotel.now)


def test_an_order_that_comes_again_rotates_once() -> None:
    hotel = Hotel()
    later(hotel, timedelta(days=90))
    whole(hotel)

    assert hotel.rotate(START + timedelta(days=90)).outcome == "young"
    assert hotel.told == ["made-1"]


def test_a_young_secret_stays() -> None:
    hotel = Hotel()
    assert hotel.rotate(START).outcome == "young"
    assert hotel.stored == WebhookSecret(FIRST)


def test_a_rotation_that_does_not_get_on_leaves_the_secret_as_old_as_it_is() -> None:
    """Else its age would never call anybody."""
    hotel = Hotel()
    later(hotel, timedelta(days=90))
    hotel.rotate(hotel.now)
    assert (hotel.stored.since, hotel.changed_at) == (START, hotel.now)


def test_the_secret_before_verifies_until_its_time_is_over_and_no_longer() -> None:
    hotel = Hotel()
    later(hotel, timedelta(days=90))
    whole(hotel)
    until = hotel.now + OVERLAP

    assert FIRST in hotel.stored.verifying(until - timedelta(microseconds=1))
    assert hotel.stored.verifying(until) == ("made-1",)


def test_a_secret_from_before_there_were_times_verifies_as_it_did() -> None:
    assert WebhookSecret("new", previous="old").verifying(START) == ("new", "old")


def test_each_value_has_its_place_by_which_it_is_named() -> None:
    rotating = WebhookSecret("now", next="soon", next_since=START)
    assert rotating.verifying(START) == ("now", "now", "soon")
    assert WebhookSecret("now", "before", START, "soon").verifying(START) == ("now", "now", "soon")


def test_a_stolen_secret_is_forgotten_at_once() -> None:
    hotel = Hotel()
    later(hotel, timedelta(days=1))
    whole(hotel, forget_previous=True)
    assert hotel.stored.verifying(hotel.now) == ("made-1",)


def test_a_secret_that_was_rotated_already_is_forgotten_too() -> None:
    hotel = Hotel()
    later(hotel, timedelta(days=1))
    whole(hotel)
    since = hotel.stored.since

    assert hotel.rotate(START, forget_previous=True).outcome == "forgotten"
    assert (hotel.stored.verifying(hotel.now), hotel.stored.since) == (("made-1",), since)
    assert hotel.rotate(START, forget_previous=True).outcome == "young"


def test_a_vendor_that_cannot_be_told_keeps_its_secret() -> None:
    hotel = Hotel(tellable=False)
    later(hotel, timedelta(days=90))
    assert hotel.rotate(hotel.now).outcome == "untold"
    assert hotel.stored == WebhookSecret(FIRST)


def test_who_is_not_alone_does_nothing() -> None:
    hotel = Hotel(busy=True)
    with pytest.raises(LeaseHeld):
        hotel.rotate(START + timedelta(days=1))
    assert hotel.revision == 1


def test_of_two_that_begin_at_once_one_is_told() -> None:
    hotel = Hotel()
    seen = hotel.held()
    hotel.rotate(START + timedelta(days=1))
    with pytest.raises(Superseded):
        hotel.replace(seen, WebhookSecret("of the other"))


def test_the_notice_is_longer_than_a_workers_copy_counts_as_fresh() -> None:
    assert timedelta(seconds=REFRESH_SECONDS) < NOTICE


@dataclass
class Worker:
    """One of the webhook function: it remembers the secret, and asks anew where its copy is not fresh."""

    copy: WebhookSecret | None = None
    read_at: datetime = START

    def accepts(self, hotel: Hotel) -> bool:
        if self.copy is None or hotel.now - self.read_at > timedelta(seconds=REMEMBERED_SECONDS):
            self._read(hotel)
        if self._verifies(hotel):
            return True
        if hotel.now - self.read_at > timedelta(seconds=REFRESH_SECONDS):
            self._read(hotel)
        return self._verifies(hotel)

    def _read(self, hotel: Hotel) -> None:
        self.copy, self.read_at = hotel.stored, hotel.now

    def _verifies(self, hotel: Hotel) -> bool:
        assert self.copy
        return hotel.signs_with in self.copy.verifying(hotel.now)


PLAYS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.lists(st.sampled_from(["none", "before", "after"]), max_size=4)),
        st.tuples(st.just("wait"), st.sampled_from([1, 9, 11, 30, 300, 3600, 72 * 3600, 90 * 86400])),
        st.tuples(st.just("deliver"), st.integers(0, 2)),
    ),
    max_size=30,
)
KILLED_AFTER_TELLING: list[tuple[str, Any]] = [
    ("order", []),
    ("wait", 30),
    ("order", ["none", "after"]),
    *[("deliver", 0), ("wait", 90 * 86400), ("order", []), ("deliver", 0), ("wait", 30), ("order", []), ("deliver", 0)],
]


@given(plays=PLAYS)
@example(plays=KILLED_AFTER_TELLING)
@example(plays=[("deliver", 0), ("order", []), ("deliver", 0), ("wait", 30), ("order", []), ("deliver", 0)])
def test_whatever_is_interrupted_what_the_vendor_signs_with_verifies(plays: list[tuple[str, Any]]) -> None:
    """At every worker, whatever it remembers; each order asks for a secret newer than any there is."""
    hotel, workers = Hotel(), [Worker() for _ in range(3)]
    for play, value in plays:
        if play == "wait":
            later(hotel, timedelta(seconds=value))
        elif play == "deliver":
            assert workers[value].accepts(hotel)
        else:
            hotel.crashes = list(value)
            with suppress(StoreUnavailable, VendorUnavailable):
                hotel.rotate(hotel.now + timedelta(days=1))
            hotel.crashes = []
        assert hotel.signs_with in hotel.stored.verifying(hotel.now)
    for worker in workers:
        assert worker.accepts(hotel)


def test_without_the_notice_a_fresh_copy_would_refuse() -> None:
    """That the play above can fail."""
    hotel, worker = Hotel(), Worker()
    assert worker.accepts(hotel)
    hotel.rotate(START + timedelta(days=1))
    hotel.tell("made-1")
    assert not worker.accepts(hotel)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        '{"rotate": "hotel"}',
        '{"rotate": "hotel", "vendor": "../x", "property_id": "P", "older_than": "2026"}',
    ],
)
def test_what_is_no_order_is_refused(body: str) -> None:
    with pytest.raises(Malformed):
        rotation_orders.decode(body)
