"""One small hotel life, lived once, for the tests that only look at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest

from scripts.simulators.hostpms.agenda import Event
from scripts.simulators.hostpms.faults import Faults
from scripts.simulators.hostpms.world import World

PROPERTIES = ("PT-LIS-001", "ES-MAD-001")


@dataclass(frozen=True)
class Life:
    world: World
    events: list[Event]


@pytest.fixture(scope="session")
def life() -> Life:
    """Thirty days of two hotels of ten rooms, with faulty records."""
    faults = Faults(unknown_words=0.05, missing_fields=0.1, invalid_records=0.1)
    world = World(3, PROPERTIES, date(2026, 3, 1), rooms=10, history_days=40, faults=faults)
    return Life(world, list(world.live(30)))
