"""What API Gateway answers by itself: without a call of the function, in constant words."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from infra.webhook_config import Webhooks
from scripts.local.stack import LocalStack
from tests.e2e.hotels import Hotel
from tests.factories import record, text
from tests.hostile import CANARY

PROPERTY = "PT-BRG-211"
OF_THE_FUNCTION = "x-correlation-id"
"""It is in each of the function's answers, and in no other."""


@pytest.fixture(scope="module")
def hotel(deployed: LocalStack) -> Hotel:
    return Hotel(deployed, PROPERTY).take_in()


def reservation(name: str) -> bytes:
    guest = {"guest_id": "G-211", "name": CANARY}
    return text(record("booking", reservation_id=name, property_id=PROPERTY, guest=guest))


def answered_by_the_gateway(answer: httpx.Response) -> bool:
    return OF_THE_FUNCTION not in answer.headers


def test_a_known_vendors_delivery_is_taken_by_the_function(hotel: Hotel) -> None:
    answer = hotel.deliver(reservation("RSV-EDGE"))

    assert (answer.status_code, answer.json()) == (200, {"result": "accepted"})
    assert not answered_by_the_gateway(answer)


@pytest.mark.parametrize("vendor", ["nopms", "HostPMS", "{vendor}", f"hostpms{CANARY}"])
def test_an_unknown_vendor_is_answered_by_the_gateway_in_the_functions_words(hotel: Hotel, vendor: str) -> None:
    body = reservation("RSV-NOBODYS")
    authorised = {**hotel.sign(body), "Authorization": f"Bearer {CANARY}"}

    answer = hotel.deliver(body, vendor=vendor, headers=authorised)

    assert answered_by_the_gateway(answer)
    assert (answer.status_code, answer.text) == (404, '{"error": "not_found"}')
    assert CANARY not in answer.text + str(answer.headers)


@pytest.fixture
def one_at_once(hotel: Hotel) -> Iterator[None]:
    """HostPMS may send one delivery, and the next in a long while."""
    gateway = hotel.local.client("apigateway")
    (api,) = gateway.get_rest_apis()["items"]
    method = "/~1webhooks~1hostpms~1{propertyId}~1{event}/POST"

    def change(**limits: str) -> None:
        changes = [{"op": "replace", "path": f"{method}/throttling/{name}", "value": limits[name]} for name in limits]
        gateway.update_stage(restApiId=api["id"], stageName="v1", patchOperations=changes)

    change(burstLimit="1", rateLimit="0.01")
    yield
    webhooks = Webhooks()
    change(burstLimit=str(webhooks.burst), rateLimit=str(webhooks.requests_per_second))


@pytest.mark.usefixtures("one_at_once")
def test_a_vendor_that_sends_too_much_is_told_when_to_come_again(hotel: Hotel) -> None:
    answers = [hotel.deliver(reservation(f"RSV-FLOOD-{number}")) for number in range(3)]

    assert [answer.status_code for answer in answers] == [200, 429, 429]
    for answer in answers[1:]:
        assert answered_by_the_gateway(answer)
        assert (answer.text, answer.headers["Retry-After"]) == ('{"error": "throttled"}', "5")


@pytest.mark.parametrize("path", ["", f"/hostpms/{PROPERTY}", f"/hostpms/{PROPERTY}/reservation.created/more"])
def test_a_path_that_is_none_is_answered_by_the_gateway(hotel: Hotel, path: str) -> None:
    answer = httpx.post(f"{hotel.local.webhook_url}{path}", content=b"{}", timeout=60, trust_env=False)

    assert answered_by_the_gateway(answer)
    assert (answer.status_code, answer.text) == (404, '{"error": "not_found"}')


@pytest.mark.parametrize("missing", [None, "x-hostpms-signature", "x-hostpms-timestamp"])
def test_what_is_not_signed_and_what_is_wrongly_signed_are_told_the_same(hotel: Hotel, missing: str | None) -> None:
    body = reservation("RSV-UNSIGNED")
    headers = hotel.sign(body, secret="another hotel's secret")
    headers.pop(missing or "", None)

    answer = hotel.deliver(body, headers=headers)

    assert (answer.status_code, answer.text) == (401, '{"error": "unauthenticated"}')
