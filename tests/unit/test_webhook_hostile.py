"""The webhook function and strangers: nothing of theirs is stored, told or logged, and nothing is a fault of ours."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings

from shared.pipeline import envelope
from shared.pipeline.delivery import LARGEST_BODY
from shared.segments import SEGMENT, is_segment
from tests import hostile
from tests.deliveries import PROPERTY, SECRET, proxy_event, resource
from tests.fakes.webhook_function import Function
from tests.hostile import CANARY

SEEDS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "seeds" / "webhook.json").read_text(encoding="utf-8")
)
REFUSED_WITH = {
    400: '{"error": "malformed"}',
    401: '{"error": "unauthenticated"}',
    404: '{"error": "not_found"}',
    413: '{"error": "too_large"}',
}
OURS = {"Content-Type", "X-Correlation-Id"}
ASKED_FOR = re.compile(rf"hostpms/({SEGMENT.pattern})/webhook-secret", re.ASCII)


@pytest.fixture(scope="module")
def function() -> Iterator[Function]:
    """One for all examples: hypothesis gives each test one fixture."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Function(monkeypatch)


def assert_refused(function: Function, event: Any) -> int:
    function.forget()
    answer = function.handle(event)

    assert answer["body"] == REFUSED_WITH[answer["statusCode"]]
    assert answer["headers"].keys() == OURS
    assert function.landing.landed == []
    asked = [ASKED_FOR.fullmatch(name) for name in function.store.reads]
    assert all(name and is_segment(name[1]) for name in asked), function.store.reads
    assert CANARY not in json.dumps(answer) + function.log.getvalue()
    assert [line["message"] for line in function.lines] == ["delivery refused"]
    return int(answer["statusCode"])


@given(event=hostile.strangers_calls())
@settings(max_examples=5 * hostile.EXAMPLES)
def test_whatever_a_stranger_sends_is_refused_unstored_and_unquoted(function: Function, event: Any) -> None:
    assert_refused(function, event)


@given(event=hostile.ANYTHING)
@example(event=[])
@example(event={"headers": {"X-HostPMS-Signature": None}})
def test_what_is_no_call_at_all_is_refused(function: Function, event: Any) -> None:
    assert assert_refused(function, event) in (400, 404)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed["what"])
def test_a_seed_is_refused_as_it_was(function: Function, seed: dict[str, Any]) -> None:
    assert assert_refused(function, hostile.rest_event(seed["event"])) == seed["status"]


@pytest.mark.parametrize("position", ["vendor", "propertyId", "event"])
def test_no_path_leads_anywhere(function: Function, position: str) -> None:
    for text in hostile.TRAVERSALS:
        event = proxy_event()
        if position == "vendor":
            event["resource"] = resource(text)
        else:
            event["pathParameters"][position] = text

        assert assert_refused(function, event) == 404
        assert function.store.reads == []


@given(call=hostile.signed_calls())
@settings(max_examples=3 * hostile.EXAMPLES)
def test_a_signed_body_is_stored_as_it_is_just_where_it_is_json(function: Function, call: tuple[bytes, Any]) -> None:
    body, event = call
    function.forget()

    status = function.handle(event)["statusCode"]

    assert status in (200, 400)
    landed = function.landing.landed
    assert len(landed) == (status == 200)
    for raw in landed:
        assert raw.key.startswith(f"hostpms/{PROPERTY}/webhooks/reservation.created/2024/03/01/")
        assert bytes(envelope.decode(raw.content).payload) == body
    assert CANARY not in function.log.getvalue()


@given(event=hostile.strangers_calls(), call=hostile.signed_calls())
def test_a_signed_call_with_a_broken_part_is_taken_or_refused(
    function: Function, event: dict[str, Any], call: tuple[bytes, Any]
) -> None:
    """Parts of a stranger's call in place of the vendor's: taken only where body and signature belong together."""
    body, signed = call
    for field in sorted(event.keys() & set(hostile.FIELDS))[:2]:
        function.forget()
        status = function.handle({**signed, field: event[field]})["statusCode"]

        assert status in (200, *REFUSED_WITH)
        assert [bytes(envelope.decode(raw.content).payload) for raw in function.landing.landed] == (
            [body] if status == 200 else []
        )


def test_a_body_is_never_unpacked(function: Function) -> None:
    for secret, refused in ((SECRET, 400), ("guessed", 401)):
        event = proxy_event(hostile.BOMB, secret=secret)
        event["multiValueHeaders"]["Content-Encoding"] = ["gzip"]
        tracemalloc.start()
        try:
            status = function.handle(event)["statusCode"]
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert status == refused
        assert peak < 2_000_000


@pytest.mark.parametrize("body", hostile.LARGE, ids=len)
@pytest.mark.parametrize("encoded", [True, False])
def test_what_is_too_large_is_refused_before_it_is_decoded(function: Function, body: str, encoded: bool) -> None:
    event = proxy_event(body=body, isBase64Encoded=encoded)

    largest = 4 * -(-LARGEST_BODY // 3) if encoded else LARGEST_BODY
    assert assert_refused(function, event) in ((413,) if len(body) > largest else (400, 401))
