"""A rotation that Secrets Manager leads: whatever is interrupted or repeated, what the vendor signs with verifies."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.errors import LeaseHeld, Misconfigured, StoreUnavailable, Superseded, VendorUnavailable
from shared.hotel_secrets import Revision, WebhookSecret
from shared.pipeline import managed_rotation
from shared.pipeline.managed_rotation import Step
from tests.unit.pipeline.test_rotation import FIRST, NOTICE, OVERLAP, START, Hotel, Worker, later

STEPS: tuple[Step, ...] = get_args(Step)


@dataclass
class Version:
    """What Secrets Manager has labelled AWSPENDING."""

    hotel: Hotel
    value: WebhookSecret | None = None
    is_current: bool = False
    is_pending: bool = True

    def secret(self) -> WebhookSecret | None:
        self.hotel._step()
        return self.value

    def put(self, secret: WebhookSecret) -> None:
        with self.hotel._around(StoreUnavailable("no answer")):
            assert self.value is None, "a version's value cannot be changed"
            self.value = secret

    def promote(self, revision: Revision) -> None:
        assert self.value
        self.hotel.replace(self.hotel.held(), self.value)
        self.is_current = True

    def withdraw(self) -> None:
        with self.hotel._around(StoreUnavailable("no answer")):
            self.is_pending = False


@dataclass
class Manager:
    """Secrets Manager, which invokes the function; a sleep moves the hotel's clock."""

    hotel: Hotel = field(default_factory=Hotel)
    slept: list[float] = field(default_factory=list)
    version: Version = field(init=False)

    def __post_init__(self) -> None:
        self.version = Version(self.hotel)

    def take(self, *steps: Step) -> None:
        for step in steps:
            managed_rotation.take(step, self.version, self.hotel.desk, self._sleep)
            self.check()

    def check(self) -> None:
        assert self.hotel.signs_with in self.hotel.stored.verifying(self.hotel.now)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        later(self.hotel, timedelta(seconds=seconds))

    def begin(self) -> None:
        """Another rotation, where none is at work; else the one at work again, from its first step."""
        if not self.version.is_pending:
            self.version = Version(self.hotel)


def test_the_four_steps_store_wait_tell_and_promote() -> None:
    manager = Manager()
    hotel = manager.hotel

    manager.take("createSecret")
    assert (hotel.stored.verifying(START), hotel.told) == ((FIRST, FIRST, "made-1"), [])

    manager.take("setSecret")
    assert (hotel.told, manager.slept, hotel.stored.current) == (["made-1"], [NOTICE.total_seconds()], FIRST)

    manager.take("testSecret", "finishSecret")
    told_at = START + NOTICE
    assert hotel.stored == WebhookSecret("made-1", FIRST, told_at + OVERLAP, since=told_at)
    assert (manager.version.is_current, manager.version.is_pending) == (True, False)


@pytest.mark.parametrize("times", [2, 3])
def test_each_step_may_be_taken_again_alone_and_from_the_first(times: int) -> None:
    manager = Manager()
    for upto in range(1, len(STEPS) + 1):
        manager.take(*STEPS[:upto] * times)
        manager.take(*[STEPS[upto - 1]] * times)
    assert set(manager.hotel.told) == {"made-1"}
    assert manager.hotel.stored.current == "made-1"


def test_the_vendor_is_not_told_what_no_worker_has_been_given_time_to_notice() -> None:
    manager = Manager()
    worker = Worker()
    assert worker.accepts(manager.hotel)
    manager.take("createSecret", "setSecret")
    assert worker.accepts(manager.hotel)


def test_a_begun_rotation_that_is_not_noticed_yet_is_not_told_of() -> None:
    manager = Manager()
    manager.take("createSecret")
    with pytest.raises(LeaseHeld):
        managed_rotation.take("setSecret", manager.version, manager.hotel.desk, lambda seconds: None)
    assert manager.hotel.told == []


def test_the_overlap_runs_from_when_the_vendor_was_told_however_late() -> None:
    manager = Manager()
    manager.take("createSecret")
    later(manager.hotel, 2 * OVERLAP)
    manager.take("setSecret", "testSecret", "finishSecret")
    assert manager.hotel.stored.previous_until == START + 3 * OVERLAP


def test_what_is_offered_is_not_settled_while_the_vendor_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """The version cannot be changed: an overlap that it had from the first try would be over before the second."""

    def silent(secret: str) -> None:
        raise VendorUnavailable("no answer")

    manager = Manager()
    hotel = manager.hotel
    manager.take("createSecret")
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(hotel, "tell", silent)
        with pytest.raises(VendorUnavailable):
            manager.take("setSecret")
    assert manager.version.value is None

    later(hotel, 2 * OVERLAP)
    told_at = hotel.now
    manager.take(*STEPS)
    assert (hotel.told, hotel.stored.previous_until) == (["made-1"], told_at + OVERLAP)


def test_the_test_finds_that_the_secret_was_given_by_hand_after_the_vendor_was_told() -> None:
    manager = Manager()
    hotel = manager.hotel
    manager.take("createSecret", "setSecret")
    hotel.stored, hotel.revision = WebhookSecret("by hand", hotel.signs_with), hotel.revision + 1

    with pytest.raises(Superseded):
        manager.take("testSecret")
    assert (hotel.stored.current, manager.version.is_pending) == ("by hand", False)


def test_a_rotation_that_was_interrupted_elsewhere_is_gone_on_with() -> None:
    manager = Manager()
    manager.hotel.rotate(START + timedelta(days=1))
    manager.take(*STEPS)
    assert (manager.hotel.made, manager.hotel.stored.current) == (1, "made-1")


@pytest.mark.parametrize("after", [2, 3])
def test_a_secret_that_was_given_by_hand_meanwhile_stays_and_its_rotation_is_withdrawn(after: int) -> None:
    manager = Manager()
    hotel = manager.hotel
    manager.take(*STEPS[:after])
    hotel.stored = WebhookSecret("by hand", hotel.signs_with)
    hotel.revision, hotel.signs_with = hotel.revision + 1, "by hand"

    with pytest.raises(Superseded):
        manager.take(*STEPS)
    assert (hotel.stored.current, manager.version.is_pending) == ("by hand", False)
    manager.begin()
    manager.take(*STEPS)
    assert hotel.stored.current == hotel.signs_with != "by hand"


def test_what_is_left_pending_of_a_secret_that_has_moved_on_holds_nothing_up() -> None:
    manager = Manager()
    manager.take("createSecret", "setSecret")
    manager.hotel.rotate(START)
    assert manager.hotel.stored.current == "made-1"

    with pytest.raises(Superseded):
        manager.take(*STEPS)
    assert not manager.version.is_pending
    manager.begin()
    manager.take(*STEPS)
    assert manager.hotel.stored.current == "made-2"


def test_nothing_is_finished_that_the_vendor_was_not_told() -> None:
    manager = Manager()
    manager.take("createSecret")
    with pytest.raises(Superseded):
        manager.take("finishSecret")
    assert manager.hotel.stored.current == FIRST
    assert manager.version.is_pending, "the steps come again"


def test_setting_a_rotation_up_tests_it_with_nothing_pending() -> None:
    manager = Manager()
    manager.take("testSecret")
    assert (manager.hotel.stored, manager.version.is_pending) == (WebhookSecret(FIRST), True)


def test_a_vendor_that_cannot_be_told_keeps_its_secret() -> None:
    manager = Manager(Hotel(tellable=False))
    with pytest.raises(Misconfigured):
        manager.take("createSecret")
    assert manager.hotel.stored == WebhookSecret(FIRST)


def test_who_is_not_alone_changes_nothing() -> None:
    manager = Manager(Hotel(busy=True))
    with pytest.raises(LeaseHeld):
        manager.take("createSecret")
    assert manager.hotel.revision == 1


PLAYS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(STEPS), st.lists(st.sampled_from(["none", "before", "after"]), max_size=6)),
        st.tuples(st.just("by queue"), st.lists(st.sampled_from(["none", "before", "after"]), max_size=4)),
        st.tuples(st.just("wait"), st.sampled_from([1, 11, 30, 300, 72 * 3600, 90 * 86400])),
        st.tuples(st.just("deliver"), st.integers(0, 1)),
    ),
    max_size=30,
)
KILLED_BEFORE_THE_OFFER: list[tuple[str, Any]] = [
    ("createSecret", []),
    ("setSecret", ["none", "none", "none", "after"]),
    *[("wait", 90 * 86400), *((step, []) for step in STEPS), ("deliver", 0)],
]


@given(plays=PLAYS)
@example(plays=KILLED_BEFORE_THE_OFFER)
@example(plays=[*((step, []) for step in STEPS), ("wait", 72 * 3600), ("finishSecret", []), ("deliver", 0)])
def test_steps_crashes_orders_and_deliveries_in_any_order(plays: list[tuple[str, Any]]) -> None:
    """And in the end Secrets Manager's rotation comes to its end, whatever was left behind."""
    manager, workers = Manager(), [Worker() for _ in range(2)]
    hotel = manager.hotel
    for play, value in plays:
        if play == "wait":
            later(hotel, timedelta(seconds=value))
        elif play == "deliver":
            assert workers[value].accepts(hotel)
        else:
            hotel.crashes = list(value)
            manager.begin()
            with suppress(StoreUnavailable, VendorUnavailable, Superseded):
                if play == "by queue":
                    hotel.rotate(hotel.now + timedelta(days=1))
                else:
                    manager.take(play)  # type: ignore[arg-type]
            hotel.crashes = []
        manager.check()
    manager.begin()
    with suppress(Superseded):
        manager.take(*STEPS)
    manager.begin()
    manager.take(*STEPS)
    assert hotel.stored.current == hotel.signs_with == hotel.told[-1] != FIRST
    for worker in workers:
        assert worker.accepts(hotel)
