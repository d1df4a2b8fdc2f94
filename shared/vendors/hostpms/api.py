"""HostPMS's REST API, v3 (../shared/vendors/hostpms.md).

Given by the product's requirements: OAuth 2.0 client credentials, the paths, 100 requests a minute for
each list, what to do on 401, 429, 500 and 503. Assumed: the lists' parameters and answers, their order
by modification time, the bodies of subscribe and unsubscribe.

Each private ``_send_…`` adds one concern to the next: ``retrying`` › ``handling_auth`` ›
``within_budget`` › ``once``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_any

from shared.decoding import UNREADABLE
from shared.errors import CredentialsRefused, Malformed, Misconfigured, NotFound, RateLimited
from shared.streams import Stream
from shared.vendors.api_contract import Budget, Credentials, Listed, ListPage, TokenStore
from shared.vendors.hostpms.lists import decode_list, updated_at_of
from shared.vendors.hostpms.statuses import TOKEN_OUTCOMES, Outcome, ServerError, TokenRefused, refuse_errors

VENDOR = "hostpms"
ENTITIES: Mapping[str, str] = MappingProxyType(
    {"booking": "reservations", "guest": "guests", "room": "rooms", "payment": "payments"}
)
OVERLAPS: Mapping[str, timedelta] = MappingProxyType({})
TAKES_NEW_SECRETS = True
"""Assumed: a second subscription of one address replaces the first."""
REQUESTS_A_MINUTE = 100
PER_PAGE = 100
TRIES = 3
PATIENCE = 20.0
"""Seconds. What the rate limit makes us wait longer than this is waited for in the queue, not in a paid function."""
TIMEOUT = 30.0
CONNECT_TIMEOUT = 5.0
TOKEN_USED = 5 / 6
"""Of a token's life: 50 of its 60 minutes."""
_UNSUBSCRIBE_OUTCOMES = MappingProxyType({404: Outcome(NotFound)})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    path: str
    params: dict[str, str] = field(default_factory=dict)
    json: dict[str, Any] | None = None
    stream: Stream | None = None
    """Whose budget the call spends; None where HostPMS names no limit."""
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    """What a status means to this call alone."""


class _Answer(NamedTuple):
    body: bytes
    requested_at: datetime


class _Granted(msgspec.Struct):
    access_token: Annotated[str, msgspec.Meta(min_length=1)]
    expires_in: Annotated[float, msgspec.Meta(gt=0, le=31_536_000)] = 3600.0


class _Subscribed(msgspec.Struct):
    subscription_id: str | int


def http_client() -> httpx.Client:
    """Reuse it: a new connection costs a TLS handshake."""
    return httpx.Client(timeout=httpx.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT), headers={"User-Agent": "pousada"})


def connect(
    property_id: str,
    base_url: str,
    credentials: Credentials,
    *,
    tokens: TokenStore,
    budget: Budget,
    deadline: datetime,
    http: httpx.Client,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
) -> HostPmsApi:
    """A client of one property. Raises Misconfigured where ``base_url`` is not one a secret may be sent to."""
    if not _is_safe(base_url):
        fix = "set it in the integration"
        raise Misconfigured("base_url is not an https address", fix=fix, property_id=property_id)
    return HostPmsApi(property_id, base_url.rstrip("/"), credentials, tokens, budget, deadline, http, clock, sleep)


def _is_safe(base_url: str) -> bool:
    """TLS only, but for a simulator on this machine."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        return False
    return bool(url.host) and (url.scheme == "https" or (url.scheme == "http" and url.host in _LOOPBACK))


class HostPmsApi:
    """One property at HostPMS, for one run. Whatever is asked, it is back by ``deadline``."""

    def __init__(
        self,
        property_id: str,
        base_url: str,
        credentials: Credentials,
        tokens: TokenStore,
        budget: Budget,
        deadline: datetime,
        http: httpx.Client,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._property_id = property_id
        self._base_url = base_url
        self._credentials = credentials
        self._tokens = tokens
        self._budget = budget
        self._deadline = deadline
        self._http = http
        self._clock = clock
        self._sleep = sleep
        self._waited = 0.0

    # -- What HostPMS offers -------------------------------------------------------------------

    def page(self, entity: str, updated_since: datetime | None, page: int) -> ListPage:
        """See ``ListApi.page``."""
        if entity not in ENTITIES:
            known = ", ".join(ENTITIES)
            raise NotFound(f"HostPMS lists no {entity}; the known are {known}", reason="unknown_entity")
        params = {"page": str(page), "per_page": str(PER_PAGE)}
        if updated_since is not None:
            params["updated_since"] = updated_since.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        path = f"/properties/{quote(self._property_id, safe='')}/{ENTITIES[entity]}"
        self._waited = 0.0
        answer = self._send_retrying(_Call("GET", path, params, stream=Stream(VENDOR, self._property_id, entity)))
        data, meta = decode_list(answer.body)
        return ListPage(
            records=[Listed(payload, updated_at_of(entity, payload)) for payload in data],
            last=meta.next_page is None or not data,
            pages=None if meta.total is None else -(-meta.total // PER_PAGE),
            requested_at=answer.requested_at,
            waited=self._waited,
        )

    def subscribe(self, url: str, events: Sequence[str], secret: str) -> str:
        """Has HostPMS send ``events`` to ``url``, signed with ``secret``; returns the subscription's id.

        A try whose answer is lost may leave a second subscription behind; its deliveries are duplicates.
        """
        body = {"property_id": self._property_id, "url": url, "events": list(events), "secret": secret}
        answer = self._send_retrying(_Call("POST", "/webhooks/subscribe", json=body))
        return str(_decoded(answer.body, _Subscribed, "the answer to subscribe").subscription_id)

    def unsubscribe(self, subscription_id: str) -> None:
        """Raises NotFound where HostPMS has no such subscription."""
        named = {"subscription_id": subscription_id}
        self._send_retrying(_Call("POST", "/webhooks/unsubscribe", json=named, outcomes=_UNSUBSCRIBE_OUTCOMES))

    # -- Sending, one concern each -------------------------------------------------------------

    def _send_retrying(self, call: _Call) -> _Answer:
        """Three tries; between them the vendor's Retry-After, or else exponential backoff with full jitter."""
        retrying = Retrying(
            retry=retry_if_exception_type((ServerError, RateLimited)),
            stop=stop_any(stop_after_attempt(TRIES), self._wait_is_too_long),  # type: ignore[arg-type]
            wait=_wait,
            before_sleep=self._note_wait,
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(self._send_handling_auth, call)

    def _send_handling_auth(self, call: _Call) -> _Answer:
        token = self._token()
        try:
            return self._send_within_budget(call, token)
        except TokenRefused:
            renewed = self._token(refused=token)
        try:
            return self._send_within_budget(call, renewed)
        except TokenRefused:
            fix = "have HostPMS check the client's grants"
            raise CredentialsRefused(f"{call.method} {call.path}: a fresh token is refused", fix=fix) from None

    def _send_within_budget(self, call: _Call, token: str) -> _Answer:
        if call.stream is None:
            return self._send_once(call, token)
        patience = min(self._deadline, self._clock() + timedelta(seconds=PATIENCE))
        self._waited += self._budget.acquire(call.stream, REQUESTS_A_MINUTE, patience)
        try:
            return self._send_once(call, token)
        except RateLimited as limited:
            if "retry_after" in limited.facts:
                self._budget.hold(call.stream, limited.retry_after, REQUESTS_A_MINUTE)
            raise

    def _send_once(self, call: _Call, token: str) -> _Answer:
        requested_at = self._clock()
        headers = {"Authorization": f"Bearer {token}"}
        response = self._request(call.method, call.path, params=call.params, json=call.json, headers=headers)
        refuse_errors(response, f"{call.method} {call.path}", self._clock(), call.outcomes)
        return _Answer(response.content, requested_at)

    # -- The token -----------------------------------------------------------------------------

    def _token(self, refused: str | None = None) -> str:
        """A token that is not due for refresh: this process's, or another worker's, or a new one."""
        for known in (self._tokens.cached, self._tokens.shared):
            token = known()
            if token and token.value != refused and self._clock() < token.refresh_at:
                return token.value
        return self._new_token()

    def _new_token(self) -> str:
        asked_at = self._clock()
        form = {
            "grant_type": "client_credentials",
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.client_secret,
        }
        response = self._request("POST", "/oauth/token", data=form)
        refuse_errors(response, "POST /oauth/token", self._clock(), TOKEN_OUTCOMES)
        granted = _decoded(response.content, _Granted, "the answer to /oauth/token")
        life = timedelta(seconds=granted.expires_in)
        self._tokens.save(granted.access_token, asked_at + life * TOKEN_USED, asked_at + life)
        return granted.access_token

    # -- One request ---------------------------------------------------------------------------

    def _request(self, method: str, path: str, **content: Any) -> httpx.Response:
        left = max(1.0, (self._deadline - self._clock()).total_seconds())
        timeout = httpx.Timeout(min(TIMEOUT, left), connect=min(CONNECT_TIMEOUT, left))
        try:
            return self._http.request(method, f"{self._base_url}{path}", timeout=timeout, **content)
        except httpx.RequestError as error:
            raise ServerError(f"{method} {path}: {type(error).__name__}", vendor=VENDOR) from None

    # -- Waiting -------------------------------------------------------------------------------

    def _wait_is_too_long(self, state: RetryCallState) -> bool:
        wait = state.upcoming_sleep
        return wait > PATIENCE or self._clock() + timedelta(seconds=wait) >= self._deadline

    def _note_wait(self, state: RetryCallState) -> None:
        if isinstance(_error_of(state), RateLimited):
            self._waited += state.upcoming_sleep


_backoff = wait_random_exponential(multiplier=0.5, max=8)


def _wait(state: RetryCallState) -> float:
    error = _error_of(state)
    if isinstance(error, RateLimited) and "retry_after" in error.facts:
        return error.retry_after
    return _backoff(state)


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


Answer = TypeVar("Answer", bound=msgspec.Struct)


def _decoded(body: bytes, kind: type[Answer], what: str) -> Answer:
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except UNREADABLE:
        # Not the decoder's message: this body may hold a token.
        fields = ", ".join(kind.__struct_fields__)
        raise Malformed(f"{what} is not JSON with {fields}", reason="malformed_answer") from None
