"""HostPMS's client: each answer of the vendor, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from shared.errors import (
    CredentialsRefused,
    Malformed,
    Misconfigured,
    NotFound,
    PousadaError,
    RateLimited,
    VendorUnavailable,
)
from shared.hotel_secrets import OAuthCredentials
from shared.storage.sync_state import Token
from shared.streams import Stream
from shared.vendors.hostpms import api
from shared.vendors.hostpms.api import HostPmsApi
from shared.vendors.hostpms.lists import updated_at_of
from shared.vendors.hostpms.statuses import ServerError, retry_after
from tests.fakes.polling import START, VirtualClock

BASE_URL = "https://api.hostpms.example/v3"
EMPTY = {"data": [], "meta": {"page": 1, "per_page": 100, "total": 0, "next_page": None}}
SINCE = datetime.fromisoformat("2024-03-01T09:00:00.750+00:00")

Answer = httpx.Response | Exception


class FakeTokens:
    def __init__(self) -> None:
        self.mine: Token | None = None
        self.everybodys: Token | None = None
        self.saved: list[tuple[str, datetime, datetime]] = []

    def cached(self) -> Token | None:
        return self.mine

    def shared(self) -> Token | None:
        self.mine = self.everybodys or self.mine
        return self.everybodys

    def save(self, value: str, refresh_at: datetime, expires_at: datetime) -> None:
        self.saved.append((value, refresh_at, expires_at))
        self.mine = self.everybodys = Token(value, refresh_at)


class FakeBudget:
    def __init__(self) -> None:
        self.acquired: list[tuple[Stream, int, datetime]] = []
        self.held: list[float] = []
        self.wait = 0.0

    def acquire(self, stream: Stream, limit: int, deadline: datetime) -> float:
        self.acquired.append((stream, limit, deadline))
        return self.wait

    def hold(self, stream: Stream, seconds: float, limit: int) -> None:
        self.held.append(seconds)


class HostPms:
    """A HostPMS that answers as told, in turn; then with an empty list. Each token it gives is another."""

    def __init__(self, *answers: Answer, token_answers: list[Answer] | None = None, seconds_left: float = 300) -> None:
        self.answers = list(answers)
        self.token_answers = token_answers or []
        self.requests: list[httpx.Request] = []
        self.token_requests: list[dict[str, list[str]]] = []
        self.clock = VirtualClock()
        self.slept: list[float] = []
        self.tokens = FakeTokens()
        self.budget = FakeBudget()
        self.deadline = START + timedelta(seconds=seconds_left)

    def client(self, property_id: str = "PT-LIS-001", base_url: str = BASE_URL) -> HostPmsApi:
        return api.connect(
            property_id,
            base_url,
            OAuthCredentials("client-1", "s3cret-value"),
            tokens=self.tokens,
            budget=self.budget,
            deadline=self.deadline,
            http=httpx.Client(transport=httpx.MockTransport(self._answer)),
            clock=self.clock,
            sleep=self._sleep,
        )

    def page(self, entity: str = "booking", since: datetime | None = None, page: int = 1) -> Any:
        return self.client().page(entity, since, page)

    def authorizations(self) -> list[str]:
        return [request.headers["Authorization"] for request in self.requests]

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.sleep(seconds)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v3/oauth/token":
            return self._token_answer(request)
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else httpx.Response(200, json=EMPTY)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _token_answer(self, request: httpx.Request) -> httpx.Response:
        self.token_requests.append(parse_qs(request.content.decode()))
        given = {"access_token": f"token-{len(self.token_requests)}", "token_type": "Bearer", "expires_in": 3600}
        answer = self.token_answers.pop(0) if self.token_answers else httpx.Response(200, json=given)
        if isinstance(answer, Exception):
            raise answer
        return answer


def listing(*records: Any, next_page: int | None = None, **meta: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": list(records), "meta": {"next_page": next_page, **meta}})


def status(code: int, **headers: str) -> httpx.Response:
    return httpx.Response(code, headers={name.replace("_", "-"): value for name, value in headers.items()})


# -- Lists -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entity", "resource"),
    [("booking", "reservations"), ("guest", "guests"), ("room", "rooms"), ("payment", "payments")],
)
def test_each_entity_has_its_list(entity: str, resource: str) -> None:
    vendor = HostPms()

    vendor.page(entity, SINCE, 3)

    (request,) = vendor.requests
    assert request.method == "GET"
    assert request.url.path == f"/v3/properties/PT-LIS-001/{resource}"
    assert dict(request.url.params) == {"page": "3", "per_page": "100", "updated_since": "2024-03-01T09:00:00Z"}
    assert vendor.budget.acquired[0][:2] == (Stream("hostpms", "PT-LIS-001", entity), 100)


def test_a_first_sync_names_no_instant() -> None:
    vendor = HostPms()

    vendor.page(since=None)

    assert "updated_since" not in vendor.requests[0].url.params


def test_a_property_id_cannot_leave_its_segment_of_the_path() -> None:
    vendor = HostPms()

    vendor.client("../x?y=1").page("booking", None, 1)

    assert vendor.requests[0].url.raw_path.startswith(b"/v3/properties/..%2Fx%3Fy%3D1/reservations")


def test_an_unknown_entity_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="booking, guest, room, payment"):
        HostPms().page("review")


def test_records_stay_the_vendors_own_bytes() -> None:
    record = b'{ "reservation_id":"RSV-1", "pricing":{"total": 450.00},"guest":{"name":"Jo\xc3\xa3o\\u0020S"}}'
    body = b'{"data":[' + record + b',{"not":"one"},17],"meta":{"next_page":null}}'

    page = HostPms(httpx.Response(200, content=body)).page()

    assert [bytes(found.payload) for found in page.records] == [record, b'{"not":"one"}', b"17"]
    assert [found.updated_at for found in page.records] == [None, None, None]


@pytest.mark.parametrize(
    ("answer", "last", "pages"),
    [
        (listing({}, next_page=2, total=101), False, 2),
        (listing({}, next_page=2), False, None),
        (listing({}, next_page=None, total=100), True, 1),
        (listing(next_page=9, total=0), True, 0),
    ],
)
def test_the_last_page_is_the_one_without_a_next_or_without_records(
    answer: httpx.Response, last: bool, pages: int | None
) -> None:
    page = HostPms(answer).page()

    assert (page.last, page.pages) == (last, pages)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"data":[]}',
        b'{"data":[],"meta":{}}',
        b'{"data":{},"meta":{"next_page":null}}',
        b"\xff",
    ],
)
def test_what_is_not_the_promised_list_is_malformed(body: bytes) -> None:
    vendor = HostPms(httpx.Response(200, content=body))

    with pytest.raises(Malformed):
        vendor.page()
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    ("entity", "record", "expected"),
    [
        ("booking", {"dates": {"updated_at": "2024-03-01T10:30:00Z"}}, "2024-03-01T10:30:00+00:00"),
        ("booking", {"dates": {"updated_at": "2024-03-01T10:30:00.25+01:00"}}, "2024-03-01T09:30:00.250000+00:00"),
        ("booking", {"dates": {"updated_at": "2024-03-01T10:30:00"}}, None),
        ("booking", {"dates": {"updated_at": "2024-03-01"}}, None),
        ("booking", {"dates": {"updated_at": 1709289000}}, None),
        ("booking", {"dates": {"updated_at": "0001-01-01T00:00:00+14:00"}}, None),
        ("booking", {"dates": {"updated_at": ""}}, None),
        ("booking", {"dates": {}}, None),
        ("booking", {"dates": None, "updated_at": "2024-03-01T10:30:00Z"}, None),
        ("booking", [1], None),
        ("guest", {"updated_at": "2024-03-01T10:30:00Z"}, "2024-03-01T10:30:00+00:00"),
        ("room", {"updated_at": None}, None),
        ("payment", {"recebido_em": "2024-03-02T09:00:00Z"}, "2024-03-02T09:00:00+00:00"),
        ("payment", {"recebido_em": "2024-03-02T09Z", "updated_at": "2024-03-05T09Z"}, "2024-03-05T09:00:00+00:00"),
        ("payment", {"recebido_em": "ontem"}, None),
    ],
)  # fmt: skip
def test_when_a_record_last_changed(entity: str, record: Any, expected: str | None) -> None:
    found = HostPms(listing(record)).page(entity).records[0].updated_at

    assert (found.isoformat() if found else None) == expected


def test_a_record_nested_beyond_reason_has_no_time_and_breaks_nothing() -> None:
    assert updated_at_of("booking", api.msgspec.Raw(b'{"dates":' + b"[" * 100_000 + b"]" * 100_000 + b"}")) is None


def test_a_page_was_received_when_the_answered_request_began() -> None:
    vendor = HostPms(status(429, Retry_After="7"), listing({}))

    page = vendor.page()

    assert page.requested_at == START + timedelta(seconds=7)
    assert page.waited == 7


# -- The token -------------------------------------------------------------------------------------


def test_the_first_request_fetches_a_token_and_shares_it() -> None:
    vendor = HostPms()

    vendor.page()

    assert vendor.token_requests == [
        {"grant_type": ["client_credentials"], "client_id": ["client-1"], "client_secret": ["s3cret-value"]}
    ]
    assert vendor.authorizations() == ["Bearer token-1"]
    assert vendor.tokens.saved == [("token-1", START + timedelta(minutes=50), START + timedelta(minutes=60))]


def test_a_token_is_used_until_fifty_minutes_and_then_replaced() -> None:
    vendor = HostPms(seconds_left=10_000)
    vendor.page()
    vendor.clock.sleep(50 * 60 - 1)
    vendor.page()
    vendor.clock.sleep(1)
    vendor.page()

    assert vendor.authorizations() == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_another_workers_token_is_used() -> None:
    vendor = HostPms()
    vendor.tokens.mine = Token("old", START)
    vendor.tokens.everybodys = Token("theirs", START + timedelta(minutes=40))

    vendor.page()

    assert vendor.authorizations() == ["Bearer theirs"]
    assert vendor.token_requests == []


def test_a_refused_token_is_renewed_once_and_the_request_repeated() -> None:
    vendor = HostPms(status(401), listing({"reservation_id": "RSV-1"}))
    vendor.tokens.mine = vendor.tokens.everybodys = Token("revoked", START + timedelta(minutes=40))

    page = vendor.page()

    assert len(page.records) == 1
    assert vendor.authorizations() == ["Bearer revoked", "Bearer token-1"]
    assert len(vendor.budget.acquired) == 2, "the repeated request spends the budget too"


def test_a_refused_token_that_another_worker_renewed_meanwhile_is_not_renewed_again() -> None:
    vendor = HostPms(status(401), listing())
    vendor.tokens.mine = Token("revoked", START + timedelta(minutes=40))
    vendor.tokens.everybodys = Token("theirs", START + timedelta(minutes=45))

    vendor.page()

    assert vendor.authorizations() == ["Bearer revoked", "Bearer theirs"]
    assert vendor.token_requests == []


def test_a_fresh_token_that_is_refused_means_the_credentials_are() -> None:
    vendor = HostPms(status(401), status(401))

    with pytest.raises(CredentialsRefused) as raised:
        vendor.page()

    assert type(raised.value) is CredentialsRefused
    assert len(vendor.requests) == 2
    assert len(vendor.token_requests) == 2


@pytest.mark.parametrize("code", [400, 401, 403])
def test_refused_credentials_are_told_without_them(code: int) -> None:
    vendor = HostPms(token_answers=[status(code)])

    with pytest.raises(CredentialsRefused) as raised:
        vendor.page()

    assert type(raised.value) is CredentialsRefused
    assert "s3cret" not in f"{raised.value!r} {raised.value.facts}"
    assert vendor.requests == []


def test_a_token_endpoint_that_fails_once_is_asked_again() -> None:
    vendor = HostPms(token_answers=[status(500)])

    vendor.page()

    assert len(vendor.requests) == 1


@pytest.mark.parametrize("body", [b"", b"{}", b'{"access_token":""}', b'{"access_token":"t","expires_in":-1}'])
def test_a_grant_that_is_none_is_malformed_and_not_quoted(body: bytes) -> None:
    with pytest.raises(Malformed, match="access_token, expires_in"):
        HostPms(token_answers=[httpx.Response(200, content=body)]).page()


# -- 500 and the network ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure", [status(500), status(502), status(504), httpx.ConnectError("x"), httpx.ReadTimeout("x")]
)
def test_a_server_error_is_tried_three_times_with_growing_jittered_pauses(failure: Answer) -> None:
    vendor = HostPms(failure, failure, listing({}))

    assert len(vendor.page().records) == 1
    assert len(vendor.slept) == 2
    assert 0 <= vendor.slept[0] <= 0.5
    assert 0 <= vendor.slept[1] <= 1.0


def test_after_three_server_errors_the_vendor_is_unavailable() -> None:
    vendor = HostPms(*[status(500)] * 9)

    with pytest.raises(VendorUnavailable):
        vendor.page()
    assert len(vendor.requests) == 3


def test_pauses_differ_from_one_time_to_the_next() -> None:
    pauses = set()
    for _ in range(5):
        vendor = HostPms(status(500))
        vendor.page()
        pauses.update(vendor.slept)

    assert len(pauses) > 1


def test_no_try_is_made_that_would_come_after_the_deadline() -> None:
    vendor = HostPms(*[status(500)] * 9, seconds_left=0)

    with pytest.raises(ServerError):
        vendor.page()
    assert len(vendor.requests) == 1


def test_503_is_not_tried_again_here() -> None:
    vendor = HostPms(status(503, Retry_After="120"))

    with pytest.raises(VendorUnavailable) as raised:
        vendor.page()

    assert not isinstance(raised.value, ServerError)
    assert raised.value.facts["retry_after"] == 120
    assert (len(vendor.requests), vendor.slept) == (1, [])


# -- The rate limit --------------------------------------------------------------------------------


def test_a_short_retry_after_is_waited_out_and_told_to_the_other_workers() -> None:
    vendor = HostPms(status(429, Retry_After="3"), listing({}))

    page = vendor.page()

    assert vendor.slept == [3]
    assert vendor.budget.held == [3]
    assert page.waited == 3


def test_a_long_retry_after_is_not_waited_for_here() -> None:
    vendor = HostPms(status(429, Retry_After="90"))

    with pytest.raises(RateLimited) as raised:
        vendor.page()

    assert raised.value.retry_after == 90
    assert (len(vendor.requests), vendor.slept, vendor.budget.held) == (1, [], [90])


def test_a_retry_after_beyond_the_deadline_is_not_waited_for_either() -> None:
    vendor = HostPms(status(429, Retry_After="8"), seconds_left=5)

    with pytest.raises(RateLimited):
        vendor.page()
    assert vendor.slept == []


def test_429_without_retry_after_backs_off_and_gives_up_after_three_tries() -> None:
    vendor = HostPms(*[status(429)] * 5)

    with pytest.raises(RateLimited) as raised:
        vendor.page()

    assert raised.value.retry_after == 60
    assert (len(vendor.requests), len(vendor.slept), vendor.budget.held) == (3, 2, [])


def test_the_wait_for_our_own_budget_is_told_and_bounded() -> None:
    vendor = HostPms()
    vendor.budget.wait = 0.5

    assert vendor.page().waited == 0.5
    assert vendor.budget.acquired[0][2] == START + timedelta(seconds=api.PATIENCE)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 120 ", 120),
        ("Fri, 01 Mar 2024 10:31:30 GMT", 90),
        ("Fri, 01 Mar 2024 10:00:00 GMT", 0),
        ("999999999999", 86_400),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, START) == seconds


# -- Other answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (301, Misconfigured),
        (403, CredentialsRefused),
        (404, Misconfigured),
        (400, Malformed),
        (422, Malformed),
        (507, VendorUnavailable),
    ],
)
def test_any_other_status_has_its_meaning(code: int, error: type[PousadaError]) -> None:
    vendor = HostPms(status(code, Location="https://elsewhere.example/"))

    with pytest.raises(error) as raised:
        vendor.page()

    assert raised.value.facts["status"] == code
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    "base_url",
    ["http://api.hostpms.example/v3", "ftp://127.0.0.1/v3", "api.hostpms.example", "", "https://", "https://x:port"],
)
def test_secrets_are_sent_over_tls_only(base_url: str) -> None:
    with pytest.raises(Misconfigured):
        HostPms().client(base_url=base_url)


@pytest.mark.parametrize("base_url", [BASE_URL, BASE_URL + "/", "http://127.0.0.1:8080/v3", "http://localhost/v3"])
def test_loopback_needs_no_tls(base_url: str) -> None:
    vendor = HostPms()

    vendor.client(base_url=base_url).page("room", None, 1)

    assert vendor.requests[0].url.path == "/v3/properties/PT-LIS-001/rooms"


# -- Webhook subscriptions -------------------------------------------------------------------------


def subscription(vendor: HostPms, act: Callable[[HostPmsApi], Any]) -> tuple[Any, str, Any]:
    result = act(vendor.client())
    (request,) = vendor.requests
    return result, request.url.path, json.loads(request.content)


def test_subscribing_gives_the_subscriptions_id() -> None:
    vendor = HostPms(httpx.Response(201, json={"subscription_id": "sub-9"}))
    url = "https://hotel.example/webhooks/hostpms/PT-LIS-001"

    result, path, body = subscription(vendor, lambda client: client.subscribe(url, ("guest.created",), "whsec"))

    assert (result, path) == ("sub-9", "/v3/webhooks/subscribe")
    assert body == {"property_id": "PT-LIS-001", "url": url, "events": ["guest.created"], "secret": "whsec"}
    assert vendor.budget.acquired == []


def test_unsubscribing_names_the_subscription() -> None:
    vendor = HostPms(httpx.Response(204))

    _, path, body = subscription(vendor, lambda client: client.unsubscribe("sub-9"))

    assert (path, body) == ("/v3/webhooks/unsubscribe", {"subscription_id": "sub-9"})


def test_a_subscription_that_hostpms_has_forgotten_is_not_found() -> None:
    with pytest.raises(NotFound):
        HostPms(httpx.Response(404)).client().unsubscribe("sub-9")


def test_a_subscription_whose_answer_is_none_is_malformed() -> None:
    with pytest.raises(Malformed):
        HostPms(httpx.Response(200, json={})).client().subscribe("https://hotel.example", ["guest.created"], "whsec")
