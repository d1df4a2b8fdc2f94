"""A payload file may have any of the shapes an integrator comes by; the records in it are the same."""

from __future__ import annotations

import gzip
import json

import pytest

from scripts.cli.payload_files import FoundRecord, records
from shared.errors import Malformed

ONE = {"reservation_id": "RSV-1", "property_id": "PT-LIS-001", "pricing": {"total": 450.5}}
TWO = {"reservation_id": "RSV-2", "property_id": "PT-LIS-001"}


def text(value: object) -> bytes:
    return json.dumps(value).encode()


def envelope(payload: object) -> dict[str, object]:
    return {
        "v": 1,
        "vendor": "hostpms",
        "property_id": "PT-OPO-002",
        "channel": "poll",
        "entity": "booking",
        "received_at": "2026-03-01T10:00:00Z",
        "payload": payload,
    }


SHAPES = {
    "a list": text([ONE, TWO]),
    "a pretty-printed list": json.dumps([ONE, TWO], indent=2).encode(),
    "a list response": text({"data": [ONE, TWO], "meta": {"page": 1, "next_page": None}}),
    "NDJSON": text(ONE) + b"\n" + text(TWO) + b"\n",
    "NDJSON with blank lines and carriage returns": text(ONE) + b"\r\n\r\n" + text(TWO),
    "a raw object's envelopes": text(envelope(ONE)) + b"\n" + text(envelope(TWO)),
    "gzip": gzip.compress(text([ONE, TWO])),
}


@pytest.mark.parametrize("content", SHAPES.values(), ids=SHAPES.keys())
def test_whatever_the_shape_the_records_are_the_same(content: bytes) -> None:
    found = list(records(content))

    assert [json.loads(record.payload) for record in found if isinstance(record, FoundRecord)] == [ONE, TWO]
    assert [record.number for record in found if isinstance(record, FoundRecord)] == [1, 2]


def test_one_record_keeps_its_digits() -> None:
    (found,) = records(b'{"reservation_id": "RSV-1",\n "pricing": {"total": 450.00}}')

    assert isinstance(found, FoundRecord)
    assert b"450.00" in found.payload


def test_a_wrapped_webhook_body_is_one_record() -> None:
    body = text({"event_id": "E-1", "event": "reservation.created", "data": ONE})

    (found,) = records(body)

    assert found == FoundRecord(1, body, "PT-LIS-001")


@pytest.mark.parametrize(
    ("content", "property_id"),
    [(text(ONE), "PT-LIS-001"), (text(envelope(ONE)), "PT-OPO-002"), (b'{"property_id": 7}', None), (b"{}", None)],
)
def test_the_property_is_the_envelopes_or_else_the_records(content: bytes, property_id: str | None) -> None:
    (found,) = records(content)

    assert isinstance(found, FoundRecord)
    assert found.property_id == property_id


def test_a_line_that_is_not_json_is_told_in_its_place() -> None:
    first, second, third = records(text(ONE) + b"\nhunter2 is no JSON\n" + text(TWO))

    assert isinstance(first, FoundRecord)
    assert isinstance(second, Malformed)
    assert second.facts["record"] == 2
    assert "hunter2" not in str(second)
    assert isinstance(third, FoundRecord)


@pytest.mark.parametrize("content", [b"", b" \n", b"[]", b'{"data": []}'])
def test_an_empty_file_has_no_records(content: bytes) -> None:
    assert list(records(content)) == []


@pytest.mark.parametrize("content", [b"[1, 2]", b'"text"', b"\xff\xfe", b"[" * 5000])
def test_what_is_no_json_object_is_refused_and_nothing_else_raised(content: bytes) -> None:
    assert all(isinstance(found, Malformed) for found in records(content))


def test_half_a_gzip_file_is_malformed() -> None:
    with pytest.raises(Malformed, match="gzip"):
        list(records(gzip.compress(text([ONE, TWO]))[:-9]))
