"""A vendor that limits, refuses, closes or goes away during a poll: it is not pressed, and everything arrives.

What waits for the vendor's time waits together: all polls are ordered first, and each test looks at what came of its
own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from scripts.local.stack import LocalStack
from scripts.simulators.hostpms import Faults, World, running
from scripts.simulators.hostpms.ledger import Version
from scripts.simulators.hostpms.limits import SlidingWindow
from tests.e2e.simulated_hotels import SimulatedHotel
from tests.e2e.waiting import eventually
from tests.factories import record

LIMITED, REFUSING, CLOSED, GONE = "PT-PRT-501", "PT-PRT-502", "PT-PRT-503", "PT-PRT-504"
PAYMENTS = 1600
"""Seventeen pages, which unhindered take some two seconds."""
LIMIT, BURST = 100, 5
LONG = 21
"""Seconds of Retry-After: longer than a function waits."""
SECONDS = 240.0


class WatchedWindow(SlidingWindow):
    """HostPMS's limit, and who met it."""

    def __init__(self) -> None:
        super().__init__(time.monotonic)
        self.asked: list[float] = []
        self.refused = 0

    def wait(self, key: tuple[str, str], limit: int) -> float:
        wait = super().wait(key, limit)
        self.asked.append(time.monotonic())
        self.refused += wait > 0
        return wait


@dataclass
class Troubles:
    limited: SimulatedHotel
    refusing: SimulatedHotel
    closed: SimulatedHotel
    gone: SimulatedHotel
    window: WatchedWindow = field(default_factory=WatchedWindow)


def world_of(property_id: str) -> World:
    return World(51, [property_id], date(2026, 1, 1), rooms=5, history_days=20)


def with_many_payments(world: World) -> World:
    ledger, first = world.hotel(LIMITED).ledger, datetime(2026, 1, 2, tzinfo=UTC)
    for number in range(PAYMENTS):
        name, at = f"P-MANY-{number}", first + timedelta(seconds=5 * number)
        told = record("payment", payment_id=name, property_id=LIMITED, updated_at=at.isoformat())
        ledger.put("payment", Version(name, at, told))
    return world


@pytest.fixture(scope="module")
def troubles(deployed: LocalStack) -> Iterator[Troubles]:
    """Every vendor fails its first poll, and is well again as soon as that was noticed."""
    with ExitStack() as running_ones:

        def hotel(world: World, *entities: str, port: int = 0) -> SimulatedHotel:
            pms = running_ones.enter_context(running(world, port=port))
            (property_id,) = world.hotels
            return SimulatedHotel(deployed, pms, property_id).onboard(*entities)

        with running(world_of(GONE)) as before:
            gone = SimulatedHotel(deployed, before, GONE).onboard()
        troubles = Troubles(
            limited=hotel(with_many_payments(world_of(LIMITED)), "payment"),
            refusing=hotel(world_of(REFUSING), "room"),
            closed=hotel(world_of(CLOSED), "booking", "room"),
            gone=gone,
        )
        troubles.limited.pms.simulator.window = troubles.window
        troubles.limited.pms.simulator.faults = Faults(rate_429=0.15, retry_after=1, requests_per_minute=LIMIT)
        troubles.refusing.pms.simulator.faults = Faults(rate_429=1, retry_after=LONG)
        troubles.closed.pms.simulator.faults = Faults(rate_503=1)

        for troubled in (troubles.gone, troubles.closed, troubles.refusing, troubles.limited):
            troubled.poll(wait=False)
        until_refused_and_well_again(troubles)
        eventually(lambda: troubles.gone.has_run("continued"), "the unreachable vendor's to be put off")
        gone.pms = running_ones.enter_context(running(gone.pms.world, port=httpx.URL(gone.pms.origin).port or 0))
        yield troubles


def until_refused_and_well_again(troubles: Troubles) -> None:
    """Each is well before it is asked again, however long the others' first answers take."""
    refused = [(troubles.refusing, {("rooms", 429)}), (troubles.closed, {("reservations", 503), ("rooms", 503)})]

    def none_is_left() -> bool:
        for hotel, answers in refused:
            simulator = hotel.pms.simulator
            if all(simulator.requests[answer] for answer in answers):
                simulator.faults = Faults()
        return all(hotel.pms.simulator.faults == Faults() for hotel, _ in refused)

    eventually(none_is_left, "the refused polls to have been answered so")


def test_a_long_list_is_read_within_the_vendors_limit(troubles: Troubles) -> None:
    hotel, window = troubles.limited, troubles.window
    eventually(lambda: hotel.has_run("succeeded", "payment"), "the run's end", SECONDS)

    eventually(lambda: not hotel.agreement("payment").mismatches, "every row")
    assert window.refused == 0
    # Every 429 was one the vendor need not have given.
    assert hotel.pms.simulator.requests["payments", 429] > 0
    # And a list of any length would have met no other: this pace is under the limit.
    assert window.asked[-1] - window.asked[0] >= (len(window.asked) - BURST) * 60 / LIMIT
    run = hotel.last_run("payment")
    assert run is not None
    assert run.waited_ms > 0


def test_who_is_told_to_come_back_later_does_and_not_before(troubles: Troubles) -> None:
    hotel = troubles.refusing
    eventually(lambda: hotel.has_run("succeeded", "room"), "the run's end", SECONDS)

    eventually(lambda: not hotel.agreement("room").mismatches, "every row")
    assert hotel.pms.simulator.requests["rooms", 429] == 1
    run = hotel.last_run("room")
    assert run is not None
    assert run.finished_at is not None
    assert run.finished_at - run.started_at >= timedelta(seconds=LONG)


def test_a_vendor_under_maintenance_is_asked_once_and_again_later(troubles: Troubles) -> None:
    hotel = troubles.closed
    eventually(lambda: hotel.has_run("succeeded", "booking", "room"), "the runs' end", SECONDS)

    eventually(lambda: not hotel.agreement("booking", "room").mismatches, "every row")
    assert {entity: hotel.pms.simulator.requests[entity, 503] for entity in ("reservations", "rooms")} == {
        "reservations": 1,
        "rooms": 1,
    }


def test_after_a_vendor_that_was_unreachable_comes_back_everything_arrives(troubles: Troubles) -> None:
    hotel = troubles.gone
    eventually(lambda: hotel.has_run("succeeded"), "the runs' end", SECONDS)

    eventually(lambda: not hotel.agreement().mismatches, "every row")
