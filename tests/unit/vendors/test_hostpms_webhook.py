"""HostPMS's signature, timestamp and delivery id, as shared/vendors/hostpms.md gives them."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Malformed, Unauthenticated
from shared.vendors.hostpms import webhook
from tests.deliveries import BODY, NOW, SECRET, signed_headers, wrapped


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def verify(headers: dict[str, str], body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> webhook.Signed:
    return webhook.verify(lower(headers), body, secrets, NOW)


def refusal(headers: dict[str, str], body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> str:
    with pytest.raises(Unauthenticated) as caught:
        verify(headers, body, secrets)
    assert SECRET not in str(caught.value)
    return caught.value.reason


def test_every_given_event_leads_to_an_entity() -> None:
    assert set(webhook.EVENTS) == {
        *(f"reservation.{what}" for what in ("created", "updated", "cancelled", "check_in", "check_out", "no_show")),
        "payment.received",
        "guest.created",
        "room.status_changed",
    }
    assert set(webhook.EVENTS.values()) == {"booking", "guest", "room", "payment"}


# -- signature -----------------------------------------------------------------------------------


def test_the_signature_is_hmac_sha256_of_timestamp_dot_body() -> None:
    expected = hmac.new(b"key", b'1709289000.{"a":1}', hashlib.sha256).hexdigest()

    assert webhook.sign("1709289000", b'{"a":1}', "key") == expected


def test_what_we_sign_ourselves_holds() -> None:
    assert verify(webhook.signed_headers(BODY, SECRET, NOW)) == (NOW, "current")


@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_a_right_signature_holds_with_and_without_its_prefix(prefix: str) -> None:
    headers = signed_headers()
    headers["X-HostPMS-Signature"] = prefix + headers["X-HostPMS-Signature"]

    assert verify(headers) == (NOW, "current")


def test_while_a_secret_rotates_the_previous_one_holds_too() -> None:
    headers = signed_headers(secret="the-old-secret")

    assert verify(headers, secrets=(SECRET, "the-old-secret")).secret == "previous"


def test_a_secret_that_is_neither_does_not_hold() -> None:
    assert refusal(signed_headers(secret="guessed"), secrets=(SECRET, "the-old-secret")) == "wrong_signature"


@pytest.mark.parametrize(
    "signature",
    [
        "0" * 64,
        "sha256=",
        "sha256=sha256=" + "0" * 64,
        "ü" * 64,
        "\ud800",
        signed_headers()["X-HostPMS-Signature"].upper(),
        signed_headers()["X-HostPMS-Signature"][:-1],
        signed_headers()["X-HostPMS-Signature"] + ", " + signed_headers()["X-HostPMS-Signature"],
    ],
)
def test_anything_but_the_exact_signature_is_wrong(signature: str) -> None:
    assert refusal(signed_headers() | {"X-HostPMS-Signature": signature}) == "wrong_signature"


def test_one_changed_byte_of_the_body_breaks_the_signature() -> None:
    assert refusal(signed_headers(), body=BODY + b" ") == "wrong_signature"


def test_a_changed_timestamp_breaks_the_signature() -> None:
    headers = signed_headers() | {"X-HostPMS-Timestamp": str(int(NOW.timestamp()) + 1)}

    assert refusal(headers) == "wrong_signature"


@pytest.mark.parametrize(
    ("header", "reason"),
    [("X-HostPMS-Signature", "missing_signature"), ("X-HostPMS-Timestamp", "missing_timestamp")],
)
def test_a_missing_or_empty_header_is_named(header: str, reason: str) -> None:
    headers = signed_headers()

    assert refusal(headers | {header: ""}) == reason
    del headers[header]
    assert refusal(headers) == reason


# -- timestamp -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_five_minutes_either_way_are_tolerated(seconds: int) -> None:
    signed_at = NOW + timedelta(seconds=seconds)

    assert verify(signed_headers(at=signed_at)).signed_at == signed_at


@pytest.mark.parametrize("seconds", [-301, 301, -86400, 86400])
def test_beyond_five_minutes_a_right_signature_is_a_replay(seconds: int) -> None:
    assert refusal(signed_headers(at=NOW + timedelta(seconds=seconds))) == "stale_timestamp"


def test_a_forged_and_stale_delivery_counts_as_forged() -> None:
    assert refusal(signed_headers(at=NOW - timedelta(days=1), secret="guessed")) == "wrong_signature"


@pytest.mark.parametrize(
    "timestamp",
    [
        "1709289000",
        "1709289000.25",
        "1709289000250",
        "2024-03-01T10:30:00Z",
        "2024-03-01T10:30:00.250Z",
        "2024-03-01T11:30:00+01:00",
        "2024-03-01T10:30:00",
    ],
)
def test_seconds_milliseconds_and_iso_8601_name_the_same_moment(timestamp: str) -> None:
    signed_at = verify(signed_headers(at=timestamp)).signed_at

    assert signed_at.utcoffset() == timedelta(0)
    assert signed_at.replace(microsecond=0) == NOW


@pytest.mark.parametrize(
    "timestamp",
    [
        "-1709289000",
        "NaN",
        "inf",
        "1e9",
        "0x65e1b0a8",
        "1_709_289_000",
        "20240301",
        "9" * 15,
        "9" * 5000,
        " 1709289000",
        "1709289000\n",
        "1709289000, 1709289000",
        "١٧٠٩٢٨٩٠٠٠",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2024-02-30T00:00:00Z",
        "yesterday",
        "\ud800",
    ],
)
def test_what_is_no_moment_is_malformed(timestamp: str) -> None:
    headers = {"X-HostPMS-Signature": "0" * 64, "X-HostPMS-Timestamp": timestamp}

    assert refusal(headers) == "malformed_timestamp"


@given(signature=st.text(st.characters(), max_size=80), timestamp=st.text(st.characters(), max_size=50))
def test_no_header_text_does_more_than_be_refused(signature: str, timestamp: str) -> None:
    with pytest.raises(Unauthenticated):
        verify({"X-HostPMS-Signature": signature, "X-HostPMS-Timestamp": timestamp})


@given(
    body=st.binary(max_size=200),
    seconds=st.integers(-300, 300),
    secret=st.text(st.characters(codec="utf-8"), min_size=1),
)
def test_what_is_signed_in_time_always_holds(body: bytes, seconds: int, secret: str) -> None:
    signed_at = NOW + timedelta(seconds=seconds)

    signed = verify(signed_headers(body, at=signed_at, secret=secret), body, (secret,))

    assert signed == (signed_at, "current")


# -- delivery id ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("given_id", "expected"), [("evt-1", "evt-1"), (77, "77"), ("é/..", "é/..")])
def test_a_wrapped_body_names_its_delivery(given_id: object, expected: str) -> None:
    assert webhook.delivery_id({}, wrapped(given_id, reservation_id="RSV-1")) == expected


@pytest.mark.parametrize("given_id", [None, "", True, 1.5, [], {}, "x" * 201, 10**30])
def test_an_id_of_another_kind_is_none(given_id: object) -> None:
    assert webhook.delivery_id({}, wrapped(given_id)) is None


@pytest.mark.parametrize("body", [BODY, b'{"event_id": "evt-1"}', b'{"event_id": "evt-1", "data": []}', b"[]", b"null"])
def test_a_bare_record_names_none(body: bytes) -> None:
    assert webhook.delivery_id({}, body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"<xml/>",
        b"NaN",
        b'{"total": Infinity}',
        b'{"total": -Infinity}',
        b'{"name": "Jo\xe3o"}',
        b'{"\xff": 1}',
        b"\xef\xbb\xbf{}",
        b'{"name": "a\nb"}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    ],
    ids=lambda body: repr(body[:16]),
)
def test_what_is_not_json_is_malformed_and_not_quoted(body: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        webhook.delivery_id({}, body)

    assert str(caught.value) == "the body is not JSON"


@given(
    st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda inner: st.lists(inner))
)
def test_any_json_is_json(value: object) -> None:
    assert webhook.delivery_id({}, json.dumps(value).encode()) is None
