"""From API Gateway's event to a raw object: the pure part of the webhook function."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from shared.errors import Malformed, NotFound, Refuse, TooLarge
from shared.pipeline import delivery, envelope, raw_keys
from shared.vendors.contract import Signed
from tests.deliveries import BODY, NOW, proxy_event, resource, wrapped


def delivered(event: dict[str, Any]) -> delivery.Delivery:
    request = delivery.read(event)
    return delivery.delivery_of(request, delivery.address_of(request))


def refusal(kind: type[Refuse], event: Any) -> str:
    with pytest.raises(kind) as caught:
        delivered(event)
    return caught.value.reason


def raw(body: bytes, signed_at: Any = NOW) -> delivery.RawDelivery:
    call = delivered(proxy_event(body))
    return delivery.raw_delivery(call, Signed(signed_at, "current"), received_at=NOW)


# -- address -------------------------------------------------------------------------------------


def test_the_path_gives_the_address() -> None:
    assert delivered(proxy_event()).address == ("hostpms", "PT-LIS-001", "reservation.created")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (None, "unknown_property"),
        ({}, "unknown_property"),
        ({"event": "reservation.created"}, "unknown_property"),
        ({"propertyId": "..", "event": "reservation.created"}, "unknown_property"),
        ({"propertyId": "a/b", "event": "reservation.created"}, "unknown_property"),
        ({"propertyId": "ã", "event": "reservation.created"}, "unknown_property"),
        ({"propertyId": "x" * 129, "event": "reservation.created"}, "unknown_property"),
        ({"propertyId": "PT-LIS-001"}, "unknown_event"),
        ({"propertyId": "PT-LIS-001", "event": "reservation.deleted"}, "unknown_event"),
    ],
)
def test_an_unknown_address_is_not_found(path: Any, reason: str) -> None:
    assert refusal(NotFound, proxy_event(pathParameters=path)) == reason


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/webhooks", "/webhooks/hostpms", "hostpms", "/webhooks/hostpms/{propertyId}/{event}/"),
        *("/hooks/hostpms/{propertyId}/{event}", "/webhooks/hostpms/PT-LIS-001/reservation.created"),
        *map(resource, ("opera", "HostPMS", "contract", "{vendor}", "", "..", "hostpms/..")),
    ],
)
def test_a_path_of_no_vendor_is_not_found(path: str) -> None:
    assert refusal(NotFound, proxy_event(resource=path)) == "unknown_vendor"


def test_the_vendor_is_of_the_path_that_the_gateway_matched_and_never_what_the_caller_says() -> None:
    said = {"vendor": "opera", "propertyId": "PT-LIS-001", "event": "reservation.created"}

    assert delivered(proxy_event(pathParameters=said)).address.vendor == "hostpms"


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "event",
        {1: 2},
        {"\ud800": 1},
        proxy_event(pathParameters="hostpms"),
        proxy_event(headers=["X"]),
        proxy_event(multiValueHeaders={"X": "one"}),
        proxy_event(body=5),
        proxy_event(isBase64Encoded="true"),
    ],
)
def test_what_api_gateway_would_not_send_is_malformed(event: Any) -> None:
    assert refusal(Malformed, event) == "not_a_proxy_event"


# -- headers -------------------------------------------------------------------------------------


def test_header_names_come_in_any_case() -> None:
    shouting = proxy_event(headers={"X-HOSTPMS-SIGNATURE": "s"}, multiValueHeaders=None)

    assert delivered(shouting).headers == {"x-hostpms-signature": "s"}


@pytest.mark.parametrize("nothing", [None, {}])
def test_no_headers_are_no_headers(nothing: Any) -> None:
    assert delivered(proxy_event(headers=nothing, multiValueHeaders=nothing)).headers == {}


@pytest.mark.parametrize(
    "repeated",
    [
        {"headers": {"X-A": "2"}, "multiValueHeaders": {"X-A": ["1", "2"]}},
        {"headers": {"X-A": "1", "x-a": "2"}, "multiValueHeaders": None},
        {"headers": None, "multiValueHeaders": {"X-A": ["1"], "x-a": ["2"]}},
    ],
)
def test_a_repeated_header_is_neither_of_its_values(repeated: dict[str, Any]) -> None:
    assert delivered(proxy_event(**repeated)).headers == {"x-a": "1, 2"}


# -- body ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoded", [True, False])
def test_the_body_is_the_vendors_bytes_encoded_or_not(encoded: bool) -> None:
    body = '{"name": "João",\r\n "total": 450.00}'.encode()

    assert delivered(proxy_event(body, encoded=encoded)).body == body


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("encoded", [True, False])
def test_no_body_is_an_empty_one(nothing: str | None, encoded: bool) -> None:
    assert delivered(proxy_event(body=nothing, isBase64Encoded=encoded)).body == b""


@pytest.mark.parametrize("text", ["{}", '{"a": 1}', "e30", "e30=\n", "ü", "\ud800", "===="])
def test_a_body_that_lies_about_its_encoding_is_malformed(text: str) -> None:
    assert refusal(Malformed, proxy_event(body=text, isBase64Encoded=True)) == "not_base64_or_utf8"


def test_a_text_that_has_no_bytes_is_malformed() -> None:
    assert refusal(Malformed, proxy_event(body="\ud800", isBase64Encoded=False)) == "not_base64_or_utf8"


@pytest.mark.parametrize("encoded", [True, False])
def test_one_mebibyte_is_taken_and_a_byte_more_is_not(encoded: bool) -> None:
    assert len(delivered(proxy_event(b"x" * delivery.LARGEST_BODY, encoded=encoded)).body) == 1024 * 1024
    assert refusal(TooLarge, proxy_event(b"x" * (delivery.LARGEST_BODY + 1), encoded=encoded)) == "body_too_large"


def test_the_limit_counts_bytes_and_not_characters() -> None:
    letters = "ã" * (delivery.LARGEST_BODY // 2)

    assert delivered(proxy_event(body=letters, isBase64Encoded=False)).body == letters.encode()
    assert refusal(TooLarge, proxy_event(body=letters + "ã", isBase64Encoded=False)) == "body_too_large"


def test_far_too_large_a_body_is_refused_before_it_is_decoded() -> None:
    assert refusal(TooLarge, proxy_event(body="!" * 5_000_000, isBase64Encoded=True)) == "body_too_large"


# -- the raw object ------------------------------------------------------------------------------


def test_the_envelope_keeps_the_body_as_it_was_sent() -> None:
    body = b'{ "total": 450.00,\n  "total": 1e2 }'

    stored = envelope.decode(raw(body).content)

    assert bytes(stored.payload) == body
    assert (stored.vendor, stored.property_id, stored.channel) == ("hostpms", "PT-LIS-001", "webhook")
    assert (stored.event, stored.entity, stored.received_at) == ("reservation.created", None, NOW)


def test_a_bare_record_is_known_by_its_signed_moment_and_digest() -> None:
    taken = raw(BODY)

    digest = raw_keys.digest(BODY)
    assert taken.key == f"hostpms/PT-LIS-001/webhooks/reservation.created/2024/03/01/1709289000000-{digest}.json"
    assert taken.identity == ("hostpms", "PT-LIS-001", "signed", "2024-03-01T10:30:00+00:00", digest)


def test_a_wrapped_record_is_known_by_its_delivery_id() -> None:
    taken = raw(wrapped("evt-1", reservation_id="RSV-1"))

    assert taken.identity == ("hostpms", "PT-LIS-001", "id", "evt-1")
    assert taken.key.rpartition("/")[2].startswith("evt-1-")
    assert envelope.decode(taken.content).delivery_id == "evt-1"


def test_a_retry_has_the_same_identity_and_key_whenever_it_arrives() -> None:
    call = delivered(proxy_event())
    first = delivery.raw_delivery(call, Signed(NOW, "current"), received_at=NOW)
    retry = delivery.raw_delivery(call, Signed(NOW, "previous"), received_at=NOW.replace(minute=34))

    assert (retry.identity, retry.key) == (first.identity, first.key)


def test_two_properties_may_use_the_same_delivery_id() -> None:
    call = delivered(proxy_event(wrapped("evt-1")))
    elsewhere = call._replace(address=call.address._replace(property_id="ES-MAD-002"))

    identities = {delivery.raw_delivery(each, Signed(NOW, "current"), NOW).identity for each in (call, elsewhere)}
    assert len(identities) == 2


def test_a_delivery_id_unfit_for_a_key_is_kept_in_the_envelope_alone() -> None:
    taken = raw(wrapped("../../joao.silva@example.pt"))

    assert "joao" not in taken.key
    assert ".." not in taken.key
    assert envelope.decode(taken.content).delivery_id == "../../joao.silva@example.pt"


def test_a_body_that_is_not_json_becomes_no_object() -> None:
    with pytest.raises(Malformed) as caught:
        raw(b"<xml/>")
    assert caught.value.reason == "not_json"


def test_the_whole_envelope_is_one_json_object() -> None:
    assert json.loads(raw(BODY).content)["payload"] == json.loads(BODY)
    assert base64.b64decode(proxy_event()["body"]) == BODY
