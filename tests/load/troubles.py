"""What goes wrong in a soak: the vendor, the database, and every process there is, by kill -9."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

import httpx
import psutil

from scripts.local import processes
from scripts.local.stack import LocalStack
from tests.e2e.hotels import Hotel
from tests.e2e.test_database_outage import database_out_of_reach
from tests.factories import record, text
from tests.load.operator_acts import Operator
from tests.load.pms_process import WELL, PmsProcess

FUNCTIONS = ("webhook", "apply", "manifest", "poller", "dispatcher")
_JOB_SECONDS, _WORKER_SECONDS = 60.0, 15.0
"""How long a trouble waits for what it is to kill."""
_LATE_DELIVERIES = 5

T = TypeVar("T")


@dataclass
class Troubles:
    local: LocalStack
    pms: PmsProcess
    operator: Operator
    dice: Random
    late: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)
    """Hotels that were taken in after their first deliveries had come: property → reservation → record."""

    def all(self) -> dict[str, Callable[[], bool]]:
        """Name → what to do. Each returns once it is over, and whether it came to it at all."""
        return {
            "vendor refuses": lambda: self._vendor(rate_429=0.3, rate_500=0.3, rate_503=0.2),
            "vendor hangs": lambda: self._vendor(slow=0.5, slow_seconds=31),
            "vendor cuts pages": lambda: self._vendor(cut=0.5),
            "vendor revokes tokens": self._revoke_tokens,
            "database out of reach": self._no_database,
            "hotel taken in late": self._take_in_late,
            "replay": self._replay,
            "kill postgresql": self._kill_postgresql,
            "kill pms": self._kill_pms,
            "kill job": self._kill_job,
            **{f"kill {name}": lambda name=name: self._kill_function(name) for name in FUNCTIONS},
        }

    def in_turn(self) -> Iterator[tuple[str, Callable[[], bool]]]:
        """All of them in an order of chance, and again in another: so none is left out of a short soak."""
        while True:
            yield from sorted(self.all().items(), key=lambda _: self.dice.random())

    def _for_a_while(self, least: float = 4, most: float = 12) -> None:
        time.sleep(self.dice.uniform(least, most))

    # -- The vendor --------------------------------------------------------------------------------
    def _vendor(self, **knobs: float) -> bool:
        with suppress(httpx.HTTPError):
            self.pms.behave(**knobs)
            self._for_a_while()
            self.pms.behave(**WELL)
            return True
        return False

    def _revoke_tokens(self) -> bool:
        with suppress(httpx.HTTPError):
            self.pms.revoke_tokens()
            return True
        return False

    # -- The operator's part -----------------------------------------------------------------------
    def _take_in_late(self) -> bool:
        """Its deliveries are quarantined, since nobody knows it; then it is onboarded, and they are tried again."""
        hotel = Hotel(self.local, f"PT-LTE-{len(self.late) + 1:03d}")
        hotel.give_secret()
        sent = {
            name: record("booking", reservation_id=name, property_id=hotel.property_id)
            for name in (f"RSV-{number}" for number in range(_LATE_DELIVERIES))
        }
        for reservation in sent.values():
            while hotel.deliver(text(reservation)).status_code != 200:
                time.sleep(0.5)
        self.late[hotel.property_id] = {"booking": sent, "guest": {}, "room": {}, "payment": {}}
        self._for_a_while(1, 4)
        hotel.register()
        self.operator.tries("quarantine", "retry", "--property-id", hotel.property_id)
        return True

    def _replay(self) -> bool:
        """Of one event of one hotel, everything again: rows of all ages, among newer ones."""
        hotel = self.dice.choice(("PT-LIS-001", "ES-MAD-001"))
        event = self.dice.choice(("reservation.cancelled", "payment.received", "guest.created"))
        return self.operator.tries("replay", "--prefix", f"hostpms/{hotel}/webhooks/{event}/")

    # -- PostgreSQL --------------------------------------------------------------------------------
    def _no_database(self) -> bool:
        with database_out_of_reach(self.local):
            self._for_a_while(10, 30)
        return True

    def _kill_postgresql(self) -> bool:
        """Its processes all, as when the machine goes: a server left without its head would go on for a moment."""
        status = self.local.folder / "postgres" / "postmaster.pid"
        server = psutil.Process(int(status.read_text().splitlines()[0]))
        for process in (server, *server.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._for_a_while(2, 8)
        self.local.open_database_again()
        return True

    # -- Processes ---------------------------------------------------------------------------------
    def _kill_pms(self) -> bool:
        """In the midst of a day if it can be; who lives its days (tests/load/soak.py) starts it again."""
        self._for_a_while(0.5, 3)
        if self.pms.is_dead:
            return False
        self.pms.kill()
        return True

    def _kill_function(self, name: str) -> bool:
        """Every process of a function, at work or not."""
        found = _first(lambda: workers(self.local).get(name), _WORKER_SECONDS) or []
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return bool(found)

    def _kill_job(self) -> bool:
        """A run of the batch job, at a moment of chance: its driver, or Spark's JVM below it."""

        def started() -> list[psutil.Process]:
            self.operator.start_job()
            return _sparks(self.local.folder)

        found = _first(started, _JOB_SECONDS)
        if not found:
            return False
        time.sleep(self.dice.uniform(0, 5))
        with suppress(psutil.NoSuchProcess):
            doomed = found[0] if self.dice.random() < 0.5 else found[0].parent()
            doomed.kill()
            return True
        return False


def _first(look: Callable[[], T | None], seconds: float) -> T | None:
    """What ``look`` finds, or after so many seconds nothing."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def workers(local: LocalStack) -> dict[str, list[psutil.Process]]:
    """Function → the processes that the embedded AWS keeps warm for it."""
    named = {local.names.function(name): name for name in FUNCTIONS}
    found: dict[str, list[psutil.Process]] = {}
    for process in processes.marked(local.folder):
        with suppress(psutil.Error):
            function = process.environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
            if function in named:
                found.setdefault(named[function], []).append(process)
    return found


def _sparks(folder: Path) -> list[psutil.Process]:
    found = []
    for process in processes.marked(folder):
        with suppress(psutil.Error):
            if process.name() == "java":
                found.append(process)
    return found
