"""The webhook function from the outside: what is answered, logged and counted. Stores are in memory."""

from __future__ import annotations

import base64
import importlib.util
import json
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from lambdas.webhook import handler
from shared.pipeline.delivery import LARGEST_BODY
from tests.deliveries import BODY, GUEST_EMAIL, NOW, PROPERTY, SECRET, proxy_event, resource, signed_headers
from tests.fakes.webhook_function import Function


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
    "unknown_vendor": (404, {"resource": resource("opera")}),
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
    refused = {"DeliveryRefused": [1.0], "reason": reason, "vendor": vendor, "service": "pousada"}
    of_signatures = [{"SignatureRefused": [1.0], "service": "pousada"}] if status == 401 else []
    assert function.metrics == [*of_signatures, refused]


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


def test_what_was_taken_is_counted(function: Function) -> None:
    function.call(proxy_event())
    function.call(proxy_event())

    accepted, duplicate = function.metrics
    assert (accepted["DeliveryAccepted"], duplicate["DeliveryDuplicate"]) == ([1.0], [1.0])
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
