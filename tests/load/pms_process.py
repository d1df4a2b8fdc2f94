"""The simulated PMS as a process of its own, so that it can be killed; and what it is after that."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import httpx
import psutil

from scripts.demonstration.pms import Pms
from scripts.local import processes
from scripts.local.processes import Command, Supervised
from scripts.local.stack import LocalStack
from tests.e2e.waiting import eventually

ZONES = {"PT-LIS-001": "Europe/Lisbon", "ES-MAD-001": "Europe/Madrid"}
ROOMS = 10
HISTORY_DAYS = 20
BAD_MANNERS = {"forge": 0.03, "stale": 0.02, "malformed": 0.02, "duplicate": 0.05, "drop": 0.05}
"""Of its deliveries; the rest is as in the demonstration."""
WELL = {"rate_429": 0.01, "rate_500": 0.01, "rate_503": 0, "slow": 0, "cut": 0}


class PmsProcess:
    """Its books come of its seed alone: started anew, it lives the same days again, unheard, and has them back.

    Not so what it had yet to send and who subscribed. The first is for the polls to find out; of the second a real
    vendor would not be so forgetful, and its hotels are subscribed anew by their operator.
    """

    def __init__(self, local: LocalStack, seed: int, days: int, today: date) -> None:
        self._local = local
        self._options = ["--faults", "--seed", str(seed), "--rooms", str(ROOMS), "--history-days", str(HISTORY_DAYS)]
        self._options += ["--start", str(today - timedelta(days=days)), "--concurrency", "4"]
        self._options += [option for name in ZONES for option in ("--property", name)]
        self._process: Supervised
        self._port = processes.free_port()
        self.lived = 0
        """Days."""
        self.answered = 0
        """Deliveries, of all its lives."""
        self.doors: Pms

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v3"

    def start(self) -> None:
        arguments = [sys.executable, "-m", "scripts.simulators.hostpms", "serve", "--port", str(self._port)]
        command = Command("simulator", [*arguments, *self._options], self._local.environment)
        self._process = self._local.run(command)
        self.doors = Pms(f"http://127.0.0.1:{self._port}", self.base_url)
        eventually(self._answers, "the PMS to answer", 60)
        self._ask("POST", "advance", {"days": self.lived, "announce": False})
        self.behave(**BAD_MANNERS, **WELL)

    def _answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return bool(self.doors.properties())
        return False

    def kill(self) -> None:
        """With kill -9, whatever it is doing."""
        for process in psutil.Process(self._process.pid).children(recursive=True):
            process.kill()
        self._process.wait(30)

    @property
    def is_dead(self) -> bool:
        return not self._process.running()

    def live_a_day(self, *, flush: bool = False) -> None:
        """With all its deliveries. Raises httpx.HTTPError where it is killed meanwhile; the day is lived then too."""
        self.lived += 1
        self.answered += self._ask("POST", "advance", {"days": 1, "flush": flush})["answered"]

    def behave(self, **knobs: float) -> None:
        """Sets faults (scripts/simulators/hostpms/faults.py)."""
        self._ask("PUT", "faults", knobs)

    def revoke_tokens(self) -> None:
        self._ask("POST", "revoke-tokens", {})

    def _ask(self, method: str, door: str, content: dict[str, Any]) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._port}/_simulator/{door}"
        answer = httpx.request(method, url, json=content, timeout=300, trust_env=False)
        answer.raise_for_status()
        return dict(answer.json())

    def truths(self) -> dict[str, tuple[dict[str, Any], str]]:
        """Property → its whole truth, and its time zone."""
        return {name: (self.doors.truth(name), zone) for name, zone in ZONES.items()}
