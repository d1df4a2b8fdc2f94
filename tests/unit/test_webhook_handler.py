"""The webhook function from the outside: what is answered, logged and counted. Stores are in memory."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.webhook import handler, telemetry
from lambdas.webhook.receiver import Receiver
from shared.pipeline.delivery import LARGEST_BODY
from shared.storage.secrets import Secrets
from tests.deliveries import BODY, GUEST_EMAIL, NOW, PROPERTY, SECRET, lambda_context, proxy_event, signed_headers
from tests.fakes.webhook import FakeLanding, FakeSecretsManager


class Function:
    """The handler with in-memory stores, its log and its metrics."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: ModuleType = handler) -> None:
        self._module = module
        self.landing = FakeLanding()
        self.store = FakeSecretsManager()
        self.store.hold(PROPERTY, current=SECRET)
        self.log = io.StringIO()
        receiver = Receiver(Secrets(lambda: self.store), self.landing, clock=lambda: NOW)
        monkeypatch.setattr(module, "receiver", lambda: receiver)
        monkeypatch.setattr(telemetry.logger.registered_handler, "stream", self.log)

    def handle(self, event: Any) -> dict[str, Any]:
        with contextlib.redirect_stdout(self.log):
            answer: dict[str, Any] = self._module.handle(event, lambda_context())
        return answer

    def call(self, event: Any) -> tuple[int, dict[str, Any]]:
        self.answer = self.handle(event)
        return self.answer["statusCode"], json.loads(self.answer["body"])

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [line for line in self._written() if "_aws" not in line]

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Per call: the metrics' values and their dimensions."""
        return [
            {key: value for key, value in line.items() if key != "_aws"} for line in self._written() if "_aws" in line
        ]

    def _written(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Function:
    return Function(monkeypatch)


# -- answers -------------------------------------------------------------------------------------


def test_a_first_delivery_is_accepted_and_its_retry_a_duplicate(function: Function) -> None:
    assert function.call(proxy_event()) == (200, {"result": "accepted"})
    assert function.call(proxy_event()) == (200, {"result": "duplicate"})


UNAUTHENTICATED: dict[str, dict[str, Any]] = {
    "missing_signature": {"headers": {"X-HostPMS-Timestamp": "1709289000"}, "multiValueHeaders": None},
    "missing_timestamp": {"headers": {"X-HostPMS-Signature": "0" * 64}, "multiValueHeaders": None},
    "malformed_timestamp": {"at": "yesterday"},
    "stale_timestamp": {"at": NOW - timedelta(minutes=6)},
    "wrong_signature": {"secret": "guessed"},
}
REFUSALS: dict[str, tuple[int, dict[str, Any]]] = {
    **{reason: (401, how) for reason, how in UNAUTHENTICATED.items()},
    "unknown_vendor": (404, {"pathParameters": {"vendor": "opera", "propertyId": PROPERTY, "event": "x"}}),
    "unknown_property": (404, {"property_id": "PT-LIS-999"}),
    "unknown_event": (404, {"event": "reservation.deleted"}),
    "not_a_proxy_event": (400, {"headers": "none"}),
    "not_base64_or_utf8": (400, {"body": "{}"}),
    "body_too_large": (413, {"body": "A" * (2 * LARGEST_BODY)}),
    "not_json": (400, {key: proxy_event(b"<xml/>")[key] for key in ("headers", "multiValueHeaders", "body")}),
}


@pytest.mark.parametrize(("reason", "status", "how"), [(reason, *case) for reason, case in REFUSALS.items()])
def test_each_refusal_has_its_status_and_its_reason_in_log_and_metrics(
    function: Function, reason: str, status: int, how: dict[str, Any]
) -> None:
    assert function.call(proxy_event(**how))[0] == status

    assert function.landing.landed == []
    assert [(line["level"], line["message"], line["reason"]) for line in function.lines] == [
        ("WARNING", "delivery refused", reason)
    ]
    vendor = "unknown" if reason in ("unknown_vendor", "not_a_proxy_event") else "hostpms"
    assert function.metrics == [{"DeliveryRefused": [1.0], "reason": reason, "vendor": vendor, "service": "pousada"}]


def test_a_stranger_is_not_told_why(function: Function) -> None:
    answers = {json.dumps(function.call(proxy_event(**how))) for how in UNAUTHENTICATED.values()}

    assert answers == {'[401, {"error": "unauthenticated"}]'}


@pytest.mark.parametrize("encoded", [True, False])
def test_a_body_arrives_base64_encoded_or_as_text(function: Function, encoded: bool) -> None:
    assert function.call(proxy_event('{"nome": "João"}'.encode(), encoded=encoded))[0] == 200


def test_where_the_raw_bucket_fails_the_vendor_is_asked_to_try_again(function: Function) -> None:
    function.landing.failing = True

    assert function.call(proxy_event()) == (503, {"error": "unavailable"})
    assert function.answer["headers"]["Retry-After"] == "5"
    assert function.metrics[-1]["DeliveryFailed"] == [1.0]
    assert function.metrics[-1]["reason"] == "s3"
    assert function.lines[-1]["level"] == "ERROR"


def test_a_bad_secret_of_ours_is_no_fault_of_the_vendors(function: Function) -> None:
    function.store.hold(PROPERTY, current="")

    assert function.call(proxy_event())[0] == 503
    assert function.metrics[-1]["reason"] == "configuration"


# -- correlation, metrics, privacy ---------------------------------------------------------------


def test_the_correlation_id_is_api_gateways_and_is_answered(function: Function) -> None:
    function.call(proxy_event())

    assert function.lines[-1]["correlation_id"] == "api-request-1"
    assert function.answer["headers"]["X-Correlation-Id"] == "api-request-1"


@pytest.mark.parametrize("context", [None, {}, {"requestId": None}, {"requestId": ["x"]}, "x"])
def test_without_api_gateways_the_function_has_an_id_of_its_own(function: Function, context: Any) -> None:
    function.call(proxy_event(requestContext=context))

    assert function.lines[-1]["correlation_id"] == "lambda-request-1"
    assert function.answer["headers"]["X-Correlation-Id"] == "lambda-request-1"


def test_what_was_taken_is_counted_with_its_latency(function: Function) -> None:
    function.call(proxy_event())
    function.call(proxy_event())

    accepted, duplicate = function.metrics
    assert (accepted["DeliveryAccepted"], duplicate["DeliveryDuplicate"]) == ([1.0], [1.0])
    assert accepted["DeliveryLatency"][0] > 0
    assert accepted["vendor"] == "hostpms"


def test_the_log_says_where_a_delivery_lies(function: Function) -> None:
    function.call(proxy_event())

    line = function.lines[-1]
    assert (line["vendor"], line["property_id"], line["event"]) == ("hostpms", PROPERTY, "reservation.created")
    assert (line["raw_key"], line["signed_with"]) == (function.landing.landed[0].key, "current")


def test_no_line_carries_what_an_earlier_call_left(function: Function) -> None:
    function.call(proxy_event())
    function.call([])

    assert not {"vendor", "property_id", "event", "raw_key"} & set(function.lines[-1])
    assert function.lines[-1]["correlation_id"] == "lambda-request-1"


@pytest.mark.parametrize("verbose", ["true", "false"])
def test_neither_log_nor_metrics_nor_answer_hold_guests_or_secrets(
    monkeypatch: pytest.MonkeyPatch, verbose: str
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", verbose)
    function = Function(monkeypatch, freshly_imported(handler))
    answers = [function.call(proxy_event())]
    function.landing.failing = True
    answers.append(function.call(proxy_event()))
    answers += [function.call(proxy_event(**how)) for _, how in REFUSALS.values()]

    told = function.log.getvalue() + json.dumps(answers)
    signature = signed_headers()["X-HostPMS-Signature"]
    for private in (GUEST_EMAIL, "Silva", SECRET, signature, "guessed", base64.b64encode(BODY).decode()[:40]):
        assert private not in told


def freshly_imported(module: ModuleType) -> ModuleType:
    """A second copy, with what is read of the environment at import read again."""
    spec = importlib.util.find_spec(module.__name__)
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    return fresh


# -- whatever comes ------------------------------------------------------------------------------

TEXT = st.text(st.characters(), max_size=30)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
HEADER_NAMES = st.sampled_from(["X-HostPMS-Signature", "x-hostpms-timestamp", "X-HOSTPMS-TIMESTAMP"]) | TEXT
TIMES = st.sampled_from(["1709289000", "1709289000000", "2024-03-01T10:30:00Z", "-1", "9" * 400, "NaN"])
SIGNATURES = st.sampled_from(["0" * 64, "sha256=" + "f" * 64, "sha256="])
HEADERS = st.dictionaries(HEADER_NAMES, TIMES | SIGNATURES | TEXT, max_size=4)
PATHS = st.fixed_dictionaries(
    {
        "vendor": st.just("hostpms") | TEXT,
        "propertyId": st.just(PROPERTY) | TEXT,
        "event": st.just("reservation.created") | TEXT,
    }
)
EVENTS = ANYTHING | st.fixed_dictionaries(
    {},
    optional={
        "pathParameters": PATHS | ANYTHING,
        "headers": HEADERS | ANYTHING,
        "multiValueHeaders": st.dictionaries(HEADER_NAMES, st.lists(TIMES | TEXT, max_size=2), max_size=3) | ANYTHING,
        "body": st.binary(max_size=60).map(lambda body: base64.b64encode(body).decode()) | TEXT | ANYTHING,
        "isBase64Encoded": st.booleans() | ANYTHING,
        "requestContext": ANYTHING,
    },
)
REFUSED_WITH = {
    400: '{"error": "malformed"}',
    401: '{"error": "unauthenticated"}',
    404: '{"error": "not_found"}',
    413: '{"error": "too_large"}',
}


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Function]:
    """One for all examples: hypothesis gives each test one fixture."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Function(monkeypatch)


@given(event=EVENTS)
@settings(max_examples=500, deadline=None)
def test_whatever_a_stranger_sends_is_refused_and_not_stored(fuzzed: Function, event: Any) -> None:
    answer = fuzzed.handle(event)

    assert answer["body"] == REFUSED_WITH[answer["statusCode"]]
    assert fuzzed.landing.landed == []


@given(
    change=st.dictionaries(
        st.sampled_from(
            ["pathParameters", "headers", "multiValueHeaders", "body", "isBase64Encoded", "requestContext"]
        ),
        ANYTHING,
        min_size=1,
        max_size=2,
    )
)
@settings(max_examples=300, deadline=None)
def test_a_signed_call_with_a_broken_part_is_taken_or_refused(fuzzed: Function, change: dict[str, Any]) -> None:
    fuzzed.landing.landed.clear()

    status = fuzzed.handle(proxy_event(**change))["statusCode"]

    assert status in (200, 400, 401, 404, 413)
    assert len(fuzzed.landing.landed) == (status == 200)
    fuzzed.landing.landed.clear()


@given(body=st.binary(max_size=200) | ANYTHING.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300, deadline=None)
def test_a_signed_body_is_stored_just_where_it_is_json(fuzzed: Function, body: bytes) -> None:
    fuzzed.landing.landed.clear()

    status = fuzzed.handle(proxy_event(body))["statusCode"]

    assert status in (200, 400)
    assert len(fuzzed.landing.landed) == (status == 200)
    fuzzed.landing.landed.clear()
