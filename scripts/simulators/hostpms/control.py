"""The simulator's own doors, below ``/_simulator``: for demonstrations and tests, no part of the vendor."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scripts.simulators.hostpms.answers import Problem, answer, json_object
from scripts.simulators.hostpms.deliveries import as_json, counters
from scripts.simulators.hostpms.simulator import Simulator
from scripts.simulators.hostpms.truth import truth_of

PREFIX = "/_simulator"
_MOST_DAYS = 3660


class Control:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    @property
    def routes(self) -> list[Route]:
        doors = (
            ("/properties", "GET", self.properties),
            ("/truth", "GET", self.truth),
            ("/faults", "GET", self.faults),
            ("/faults", "PUT", self.set_faults),
            ("/advance", "POST", self.advance),
            ("/deliveries", "GET", self.deliveries),
            ("/requests", "GET", self.requests),
            ("/revoke-tokens", "POST", self.revoke_tokens),
        )
        return [Route(PREFIX + path, door, methods=[method]) for path, method, door in doors]

    async def properties(self, _: Request) -> Response:
        """What an operator needs to onboard each hotel."""
        world = self._simulator.world
        shown = [
            {
                "property_id": name,
                "time_zone": hotel.property.zone.key,
                "rooms": hotel.property.rooms,
                "currency": hotel.property.currency,
                **asdict(world.credentials(name)),
            }
            for name, hotel in world.hotels.items()
        ]
        return answer({"now": world.now, "properties": shown})

    async def truth(self, request: Request) -> Response:
        return answer(truth_of(self._simulator.world.hotel(self._property(request))).as_json())

    async def faults(self, _: Request) -> Response:
        return answer(asdict(self._simulator.faults))

    async def set_faults(self, request: Request) -> Response:
        """Sets the knobs given, and leaves the others."""
        knobs = await json_object(request)
        try:
            self._simulator.faults = self._simulator.faults.changed(knobs)
        except (TypeError, ValueError) as error:
            raise Problem(400, "invalid_request", str(error)) from None
        return answer(asdict(self._simulator.faults))

    async def advance(self, request: Request) -> Response:
        """``{"days", "flush": true, "announce": true}``; answers when everything is delivered."""
        asked = await json_object(request)
        days = asked.get("days", 1)
        if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= _MOST_DAYS:
            raise Problem(400, "invalid_request", f"days is a whole number up to {_MOST_DAYS}")
        flush, announce = asked.get("flush", True) is True, asked.get("announce", True) is True
        answered = await self._simulator.advance(days, flush=flush, announce=announce)
        return answer({"now": self._simulator.world.now, "answered": answered})

    async def deliveries(self, request: Request) -> Response:
        """Counters over all deliveries, and the log of those from the ``after``-th on.

        ``property_id`` narrows both to one hotel; ``log=false`` leaves the log out. ``next`` is the
        ``after`` that continues this answer.
        """
        whole = list(self._simulator.deliveries.log)
        property_id = self._property(request) if "property_id" in request.query_params else None
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdecimal()):
            raise Problem(400, "invalid_request", "after is a whole number")
        dropped = self._simulator.planner.dropped
        lost = dropped.total() if property_id is None else dropped[property_id]
        log = whole if property_id is None else [sent for sent in whole if sent.property_id == property_id]
        shown = {**counters(log, lost), "next": len(log)}
        if request.query_params.get("log") != "false":
            shown["log"] = as_json(log[int(after) :])
        return answer(shown)

    async def requests(self, _: Request) -> Response:
        """Requests to the vendor's API: endpoint → status → count."""
        shown: dict[str, dict[str, int]] = {}
        for (endpoint, status), count in self._simulator.requests.items():
            shown.setdefault(endpoint, {})[str(status)] = count
        return answer(shown)

    async def revoke_tokens(self, _: Request) -> Response:
        self._simulator.tokens.revoke_all()
        return answer({"revoked": True})

    def _property(self, request: Request) -> str:
        property_id = request.query_params.get("property_id", "")
        if property_id not in self._simulator.world.hotels:
            known = ", ".join(self._simulator.world.hotels)
            raise Problem(404, "not_found", f"property_id is one of {known}")
        return property_id
