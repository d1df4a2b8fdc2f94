"""The simulated PMS of the demonstration: a process of its own, spoken to over HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import httpx

from scripts.local import processes
from scripts.local.environment import ROOT
from scripts.local.processes import Command
from scripts.local.stack import LocalStack

PROPERTIES = ("PT-LIS-001", "ES-MAD-001")
HISTORY_DAYS = 30
_SEED = 7
_DAY_SECONDS = 300.0


class Pms:
    """HostPMS, simulated. ``origin`` has the simulator's own doors, ``base_url`` the vendor's API."""

    def __init__(self, origin: str, base_url: str) -> None:
        self.origin = origin
        self.base_url = base_url
        self._client = httpx.Client(base_url=f"{origin}/_simulator", timeout=_DAY_SECONDS)

    @classmethod
    def start(
        cls, local: LocalStack, rooms: int, days: int, today: date, properties: Sequence[str] = PROPERTIES
    ) -> Pms:
        """Starts it beside ``local``, so that it ends, or is kept, with it. Raises Misconfigured."""
        options = ["--faults", "--seed", str(_SEED), "--rooms", str(rooms), "--history-days", str(HISTORY_DAYS)]
        options += ["--start", str(today - timedelta(days=days)), "--concurrency", "4"]
        for name in properties:
            options += ["--property", name]
        arguments = [sys.executable, "-m", "scripts.simulators.hostpms", "serve", *options]
        process = local.run(Command("simulator", arguments, local.environment, directory=ROOT))
        processes.wait_until(lambda: _announced(process) is not None, process, "the simulator", 120)
        announced = _announced(process)
        assert announced is not None  # nosec B101 # noqa: S101 - waited for
        return cls(**announced)

    def properties(self) -> list[dict[str, Any]]:
        """property_id, time_zone, rooms, client_id and client_secret of each hotel."""
        return list(self._get("properties")["properties"])

    def live(self, days: int) -> Iterator[int]:
        """Lives day by day, each with all its deliveries; yields the deliveries answered so far."""
        answered = 0
        for day in range(days):
            body = {"days": 1, "flush": day == days - 1}
            response = self._client.post("advance", json=body)
            response.raise_for_status()
            answered += response.json()["answered"]
            yield answered

    def deliveries(self) -> dict[str, Any]:
        """Counters, and the log of every delivery."""
        return dict(self._get("deliveries"))

    def requests(self) -> dict[str, dict[str, int]]:
        return dict(self._get("requests"))

    def truth(self, property_id: str) -> dict[str, Any]:
        return dict(self._get("truth", property_id=property_id))

    def _get(self, door: str, **query: str) -> Any:
        response = self._client.get(door, params=query)
        response.raise_for_status()
        return response.json()


def _announced(process: processes.Supervised) -> dict[str, str] | None:
    for line in process.log.read_text(errors="replace").splitlines():
        if line.startswith('{"origin"'):
            announced: dict[str, str] = json.loads(line)
            return announced
    return None
