"""HostPMS's own API, below ``/v3`` (../shared/vendors/hostpms.md, "API")."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scripts.simulators.hostpms.answers import Problem, answer, answer_problem, json_object
from scripts.simulators.hostpms.records import RESOURCES
from scripts.simulators.hostpms.simulator import Simulator
from scripts.simulators.hostpms.subscriptions import EVENTS, Subscription
from scripts.simulators.hostpms.world import Credentials

PREFIX = "/v3"
_MOST_PER_PAGE = 100


class Api:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    @property
    def routes(self) -> list[Route]:
        doors = (
            ("/oauth/token", "POST", self.token),
            ("/properties/{property_id}/{resource}", "GET", self.records),
            ("/webhooks/subscribe", "POST", self.subscribe),
            ("/webhooks/unsubscribe", "POST", self.unsubscribe),
        )
        return [Route(PREFIX + path, self._counted(path, door), methods=[method]) for path, method, door in doors]

    def _counted(
        self, path: str, door: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def counted(request: Request) -> Response:
            try:
                response = await door(request)
            except Problem as problem:
                response = await answer_problem(request, problem)
            endpoint = request.path_params.get("resource", path)
            self._simulator.requests[endpoint, response.status_code] += 1
            return response

        return counted

    async def token(self, request: Request) -> Response:
        """``grant_type``, ``client_id`` and ``client_secret`` as a form or as JSON."""
        asked = await _form_or_json(request)
        if asked.get("grant_type") != "client_credentials":
            raise Problem(400, "unsupported_grant_type", "grant_type is client_credentials")
        client = Credentials(str(asked.get("client_id")), str(asked.get("client_secret")))
        lifetime = self._simulator.faults.token_lifetime
        token = self._simulator.tokens.issue(client, lifetime)
        if token is None:
            raise Problem(401, "invalid_client", "no such client")
        return answer({"access_token": token.text, "token_type": "Bearer", "expires_in": lifetime})  # nosec B105 # the type's name

    async def records(self, request: Request) -> Response:
        property_id, resource = request.path_params["property_id"], request.path_params["resource"]
        if resource not in RESOURCES:
            raise Problem(404, "not_found", f"the lists are {', '.join(RESOURCES)}")
        self._authorise(request, property_id)
        self._keep_limit(property_id, resource)
        await self._misbehave()
        since, page, per_page = _query(request)
        listed = self._simulator.world.hotel(property_id).ledger.listed(RESOURCES[resource], since)
        first = (page - 1) * per_page
        more = first + per_page < len(listed)
        meta = {"page": page, "per_page": per_page, "total": len(listed), "next_page": page + 1 if more else None}
        shown = answer({"data": [version.record for version in listed[first : first + per_page]], "meta": meta})
        return self._cut(shown)

    async def subscribe(self, request: Request) -> Response:
        asked = await json_object(request)
        self._authorise(request, str(asked.get("property_id")))
        wanted = _wanted(asked)
        added = self._simulator.subscriptions.add(asked["property_id"], asked["url"], wanted, asked["secret"])
        return answer({"subscription_id": added.id})

    async def unsubscribe(self, request: Request) -> Response:
        asked = await json_object(request)
        found: Subscription | None = self._simulator.subscriptions.get(str(asked.get("subscription_id")))
        if found is None:
            self._speaks_for(request)
            raise Problem(404, "not_found", "no such subscription")
        self._authorise(request, found.property_id)
        self._simulator.subscriptions.remove(found.id)
        return answer({"subscription_id": found.id})

    def _authorise(self, request: Request, property_id: str) -> None:
        """A property of another account is answered like one that does not exist."""
        if self._speaks_for(request) != property_id:
            raise Problem(404, "not_found", "no such property in this account")

    def _speaks_for(self, request: Request) -> str:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        property_id = self._simulator.tokens.property_of(text) if scheme.lower() == "bearer" else None
        if property_id is None:
            raise Problem(401, "invalid_token", "the access token is missing, unknown or has expired")
        return property_id

    def _keep_limit(self, property_id: str, resource: str) -> None:
        limit = int(self._simulator.faults.requests_per_minute)
        if wait := self._simulator.window.wait((property_id, resource), limit):
            raise Problem(429, "rate_limited", f"{limit} requests a minute", retry_after=wait)

    async def _misbehave(self) -> None:
        faults, dice = self._simulator.faults, self._simulator.dice
        if dice.random() < faults.slow:
            await asyncio.sleep(faults.slow_seconds)
        if dice.random() < faults.rate_429:
            raise Problem(429, "rate_limited", "busy", retry_after=faults.retry_after)
        if dice.random() < faults.rate_500:
            raise Problem(500, "internal_error", "something went wrong")
        if dice.random() < faults.rate_503:
            raise Problem(503, "unavailable", "under maintenance")

    def _cut(self, whole: Response) -> Response:
        share = self._simulator.faults.cut
        if not share or self._simulator.dice.random() >= share:
            return whole
        return Response(whole.body[: len(whole.body) // 2], media_type=whole.media_type)


async def _form_or_json(request: Request) -> dict[str, Any]:
    if "json" in request.headers.get("Content-Type", ""):
        return await json_object(request)
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace")))


def _query(request: Request) -> tuple[datetime | None, int, int]:
    query = request.query_params
    since = _instant(query["updated_since"]) if "updated_since" in query else None
    page, per_page = _number(query.get("page", "1")), _number(query.get("per_page", "100"))
    if page < 1 or not (1 <= per_page <= _MOST_PER_PAGE):
        raise Problem(400, "invalid_request", f"page is 1 or more, per_page is 1 to {_MOST_PER_PAGE}")
    return since, page, per_page


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(400, "invalid_request", "updated_since is an ISO 8601 instant") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _wanted(asked: dict[str, Any]) -> frozenset[str]:
    """The events to subscribe. Raises Problem (400) where the subscription is not complete."""
    events = asked.get("events")
    if not isinstance(events, list) or not events or not set(map(str, events)) <= set(EVENTS):
        raise Problem(400, "invalid_request", f"events is a list of {', '.join(EVENTS)}")
    url, secret = asked.get("url"), asked.get("secret")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")) or not isinstance(secret, str):
        raise Problem(400, "invalid_request", "url and secret are required")
    return frozenset(events)
