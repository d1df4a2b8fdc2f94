"""The envelope carries the vendor's text through, byte for byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Malformed
from shared.pipeline.envelope import Envelope, decode, encode, encode_page, lines
from tests import factories

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PAYLOADS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PRINTED = st.builds(
    lambda value, indent, ascii_only: json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(),
    PAYLOADS,
    st.sampled_from([None, 0, 2]),
    st.booleans(),
)


def enveloped(payload: bytes) -> Envelope[msgspec.Raw]:
    return Envelope(
        vendor="hostpms",
        property_id="PT-LIS-001",
        channel="poll",
        entity="booking",
        received_at=factories.RECEIVED,
        payload=msgspec.Raw(payload),
    )


@given(PRINTED)
def test_a_delivery_keeps_the_vendor_s_bytes(payload) -> None:
    assert bytes(decode(encode(enveloped(payload))).payload) == payload


@given(st.lists(PRINTED, max_size=5))
def test_a_page_has_one_line_for_each_record_and_the_same_content(payloads) -> None:
    written = encode_page(map(enveloped, payloads))
    found = list(lines(factories.page_key(), written))
    assert len(found) == len(payloads) == written.count(b"\n")
    assert [json.loads(bytes(decode(line).payload)) for line in found] == [json.loads(payload) for payload in payloads]


def test_a_number_keeps_its_digits_on_one_line_as_on_several() -> None:
    payload = b'{"total":\r\n 450.00, "long": 1.10000000000000000000000000001, "e": 1E+2}'
    (line,) = lines("x.ndjson.gz", encode_page([enveloped(payload)]))
    kept = bytes(decode(line).payload)
    assert b"450.00" in kept
    assert b"1.10000000000000000000000000001" in kept
    assert b"1E+2" in kept


def test_an_envelope_says_its_version_and_leaves_out_what_is_not_told() -> None:
    fields = json.loads(encode(enveloped(b"{}")))
    assert set(fields) == {"v", "vendor", "property_id", "channel", "received_at", "payload", "entity"}
    assert fields["v"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"v": "1"},
        {"channel": "pigeon"},
        {"received_at": "yesterday"},
        {"received_at": "2024-03-01T10:31:00"},
        {"vendor": None},
        {"property_id": 7},
    ],
)
def test_what_is_not_this_envelope_is_malformed(change) -> None:
    fields = json.loads(encode(enveloped(b"{}"))) | change
    with pytest.raises(Malformed):
        decode(json.dumps(fields).encode())


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b'{"v":1}', b'{"a":' * 100_000])
def test_what_is_no_envelope_is_malformed(text) -> None:
    with pytest.raises(Malformed):
        decode(text)


def test_a_field_that_is_not_known_yet_is_passed_over() -> None:
    fields = json.loads(encode(enveloped(b"{}"))) | {"trace": "x"}
    assert decode(json.dumps(fields).encode()) == decode(encode(enveloped(b"{}")))


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("a/x.json", [b"1\n2\n"]),
        ("a/x.ndjson", [b"1", b"2"]),
        ("a/x.ndjson.gz", [b"1", b"2"]),
        ("a.ndjson/x.json", [b"1\n2\n"]),
    ],
)
def test_only_a_page_is_read_by_lines(key, found) -> None:
    assert list(lines(key, b"1\n2\n")) == found


def test_received_at_keeps_its_microseconds() -> None:
    at = datetime(2024, 3, 1, 10, 31, 0, 123456, tzinfo=UTC)
    line = encode(msgspec.structs.replace(enveloped(b"{}"), received_at=at))
    assert decode(line).received_at == at
    assert decode(line).received_at.utcoffset() == timedelta(0)
