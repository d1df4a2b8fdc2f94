"""A HostPMS to try things on: ``python -m scripts.simulators.hostpms --help``.

In-process::

    world = World(seed=7, properties=["PT-LIS-001", "ES-MAD-001"], start=date(2026, 3, 1))
    with running(world, Faults(duplicate=0.05)) as simulator:
        ...  # point an integration at simulator.base_url, subscribe, then
        simulator.advance(days=90)
        truth_of(world.hotel("PT-LIS-001")).counts

``reservations`` is the bulk generator of the benchmarks.
"""

from scripts.simulators.hostpms.bulk import reservations
from scripts.simulators.hostpms.deliveries import Courier
from scripts.simulators.hostpms.faults import DEMONSTRATION, Faults
from scripts.simulators.hostpms.server import RunningSimulator, running
from scripts.simulators.hostpms.truth import Truth, truth_of
from scripts.simulators.hostpms.world import Credentials, World

__all__ = [
    "DEMONSTRATION",
    "Courier",
    "Credentials",
    "Faults",
    "RunningSimulator",
    "Truth",
    "World",
    "reservations",
    "running",
    "truth_of",
]
