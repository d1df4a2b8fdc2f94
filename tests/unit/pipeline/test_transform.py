"""Raw objects into rows: nothing is dropped, and what a record comes to does not depend on how it is read."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Malformed, Misconfigured, NotFound, Unmappable
from shared.model.mapping import MappingContext
from shared.pipeline.transform import map_lines, map_object, map_payload, refuse_object
from tests import factories
from tests.factories import GIVEN, PROPERTY, RECEIVED, envelope, page, page_key, record, webhook_key

SOUND = envelope(GIVEN["booking"])
LISBON = factories.context


def lines_of(result):
    """Line → what it came to."""
    rows = {row.raw_line: "booking" for row in result.rows.get("booking", ())}
    return rows | {refusal.raw_line: refusal.reason for refusal in result.refusals}


# -- Pages and deliveries ----------------------------------------------------------------------------


def test_a_page_is_rows_that_tell_object_and_line() -> None:
    lines = [envelope(record("booking", reservation_id=f"RSV-{number}")) for number in range(3)]
    result = map_object(page_key(), page(lines), LISBON)
    assert [(row.external_id, row.raw_line) for row in result.rows["booking"]] == [
        ("RSV-0", 0),
        ("RSV-1", 1),
        ("RSV-2", 2),
    ]
    assert {(row.raw_key, row.raw_received_at, row.mapping_version) for row in result.rows["booking"]} == {
        (page_key(), RECEIVED, 1)
    }
    assert result.records == 3


def test_a_page_of_bad_and_good_lines_keeps_the_good() -> None:
    lines = [
        SOUND,
        b"not an envelope",
        envelope(record("booking", dates={"check_out": "2024-03-20"})),
        envelope("[]"),
        envelope(record("booking", special_requests="\0")),
        envelope(GIVEN["booking"], property_id="ES-MAD-001"),
        envelope(GIVEN["booking"], vendor="mews"),
        envelope(GIVEN["booking"], entity="review"),
        envelope(GIVEN["booking"], entity=None),
        envelope(GIVEN["booking"], entity=None, event="reservation.exploded"),
        SOUND,
    ]
    result = map_object(page_key(), page(lines), LISBON)
    assert lines_of(result) == {
        0: "booking",
        1: "not_an_envelope",
        2: "check_out_not_after_check_in",
        3: "malformed_field",
        4: "nul_character",
        5: "property_mismatch",
        6: "property_mismatch",
        7: "unknown_event",
        8: "unknown_event",
        9: "unknown_event",
        10: "booking",
    }
    assert result.records == len(lines)


def test_a_page_may_hold_what_its_key_does_not_promise() -> None:
    """An envelope is read by what it says itself."""
    lines = [envelope(GIVEN[entity], entity) for entity in GIVEN]
    result = map_object(page_key("booking"), page(lines), LISBON)
    assert {kind: len(rows) for kind, rows in result.rows.items()} == {
        "booking": 1,
        "guest": 2,
        "room": 1,
        "payment": 1,
    }


@pytest.mark.parametrize(
    ("event", "entity"),
    [
        ("reservation.created", "booking"),
        ("reservation.no_show", "booking"),
        ("guest.created", "guest"),
        ("room.status_changed", "room"),
        ("payment.received", "payment"),
    ],
)
def test_a_delivery_is_what_its_event_says(event, entity) -> None:
    result = map_object(webhook_key(event), envelope(GIVEN[entity], None, event=event), LISBON)
    assert len(result.rows[entity]) == 1


def test_a_delivery_over_several_lines_is_one_record() -> None:
    whole = json.dumps(json.loads(envelope(GIVEN["booking"], None, event="reservation.created")), indent=2)
    assert len(map_object(webhook_key(), whole.encode(), LISBON).rows["booking"]) == 1


def test_a_delivery_of_a_hotel_whose_name_ends_in_a_page_s_ending_is_still_one_record() -> None:
    whole = json.dumps(
        json.loads(envelope(GIVEN["guest"], None, event="guest.created", property_id="a.ndjson")), indent=1
    )
    result = map_object(webhook_key("guest.created", property_id="a.ndjson"), whole.encode(), LISBON)
    assert result.records == 1


def test_a_record_of_which_one_row_is_refused_is_refused_whole() -> None:
    result = factories.mapped("booking", record("booking", pricing={"total": -1, "iva": None}))
    assert not result.rows


def test_an_empty_page_is_nothing() -> None:
    result = map_object(page_key(), b"\n\n", LISBON)
    assert (result.records, result.rows, result.refusals) == (0, {}, [])


# -- What a refusal tells ----------------------------------------------------------------------------


def test_a_refusal_tells_where_the_record_lies_and_by_whose_word() -> None:
    at = RECEIVED + timedelta(hours=1)
    line = envelope(record("payment", valor="much"), "payment", received_at=at)
    (refusal,) = map_object(page_key("payment"), page([line]), LISBON).refusals
    assert (refusal.vendor, refusal.property_id, refusal.entity) == ("hostpms", PROPERTY, "payment")
    assert (refusal.reason, refusal.field) == ("malformed_field", "valor")
    assert (refusal.raw_key, refusal.raw_line, refusal.received_at) == (page_key("payment"), 0, at)
    assert refusal.mapping_version == 1


@pytest.mark.parametrize("line", [b"{}", envelope(GIVEN["booking"], entity="joão@example.pt")])
def test_an_entity_that_is_none_is_called_unknown(line) -> None:
    (refusal,) = map_object(page_key(), line, LISBON).refusals
    assert refusal.entity == "unknown"


def test_a_time_of_receipt_without_an_offset_is_no_envelope() -> None:
    line = SOUND.replace(b"+00:00", b"")
    assert line != SOUND
    assert lines_of(map_object(page_key(), line, LISBON)) == {0: "not_an_envelope"}


def test_a_time_of_receipt_may_have_any_offset() -> None:
    there = RECEIVED.astimezone(timezone(timedelta(hours=-5)))
    (row,) = factories.mapped("booking", GIVEN["booking"], received_at=there).rows["booking"]
    assert row.raw_received_at == RECEIVED


# -- Whole objects -----------------------------------------------------------------------------------


def test_a_hotel_that_nobody_onboarded_is_one_refusal_for_the_object() -> None:
    def nobody(vendor: str, property_id: str) -> MappingContext:
        raise NotFound("nobody", reason="unknown_property")

    result = map_object(page_key(), page([SOUND, SOUND]), nobody)
    ((reason, line),) = [(refusal.reason, refusal.raw_line) for refusal in result.refusals]
    assert (reason, line, result.rows) == ("unknown_property", 0, {})


def test_a_hotel_whose_integration_is_broken_is_not_taken_for_none() -> None:
    def broken(vendor: str, property_id: str) -> MappingContext:
        raise Misconfigured("its time zone is none")

    with pytest.raises(Misconfigured):
        map_object(page_key(), page([SOUND]), broken)


@pytest.mark.parametrize(
    ("key", "reason", "vendor"),
    [
        ("notes.txt", "not_a_raw_key", "unknown"),
        ("hostpms/PT-LIS-001/elsewhere/booking/2024/03/01/x.json", "not_a_raw_key", "unknown"),
        ("", "not_a_raw_key", "unknown"),
        ("nobody/H/webhooks/x/2024/03/01/x.json", "unknown_vendor", "nobody"),
    ],
)
def test_what_lies_in_the_bucket_by_mistake_is_refused_too(key, reason, vendor) -> None:
    (refusal,) = map_object(key, SOUND, LISBON).refusals
    assert (refusal.reason, refusal.vendor, refusal.raw_key, refusal.mapping_version) == (reason, vendor, key, 0)


def test_an_object_that_cannot_be_read_is_one_refusal() -> None:
    (refusal,) = refuse_object(page_key(), Malformed("not gzip", reason="not_gzip")).refusals
    assert (refusal.reason, refusal.entity, refusal.raw_line) == ("not_gzip", "unknown", 0)


def test_a_page_is_mapped_in_chunks_that_come_to_the_same() -> None:
    lines = [envelope(record("booking", reservation_id=f"RSV-{number}", channel="new")) for number in range(25)]
    lines[7] = b"{}"
    whole = map_object(page_key(), page(lines), LISBON)
    parts = list(map_lines(page_key(), lines, LISBON, chunk=10))
    assert [part.records for part in parts] == [10, 10, 5]
    assert [row for part in parts for row in part.rows["booking"]] == whole.rows["booking"]
    assert [refusal for part in parts for refusal in part.refusals] == whole.refusals
    assert sum((part.warned for part in parts), Counter()) == whole.warned


def some(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=fields)


EMPTY = ["", " "]
CHANGES = some(
    guest=some(
        guest_id=st.sampled_from([*EMPTY, "G", 7]),
        nif=st.sampled_from([*EMPTY, 5]),
        email=st.text(max_size=5),
        phone=st.text(max_size=9),
    ),
    pricing=some(currency=st.sampled_from([*EMPTY, "EUR", "x"]), rate_plan=st.sampled_from([*EMPTY, "a"])),
    property_id=st.sampled_from([*EMPTY, PROPERTY]),
    channel=st.sampled_from([*EMPTY, "site", "?"]),
    special_requests=st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)


@given(CHANGES)
def test_a_record_comes_to_the_same_by_the_plain_and_by_the_loose_road(changes) -> None:
    """A total that is a text with a decimal comma, and nothing else, sends the whole record the other way."""
    plain = json.dumps(record("booking", **changes))
    loose = plain.replace('"total": 450.0,', '"total": "450,0",')
    assert plain != loose
    one, other = factories.mapped("booking", plain), factories.mapped("booking", loose)
    assert (one.rows, one.warned) == (other.rows, other.warned)
    assert [r.reason for r in one.refusals] == [r.reason for r in other.refusals]


@pytest.mark.parametrize("text", ["\\\\u0000", "\\\\\\\\u0000", "u0000", "a\\\\\\\\\\\\u0000b"])
def test_the_name_of_nul_is_not_nul(text) -> None:
    line = envelope(GIVEN["booking"].replace("Quarto silencioso", text))
    (row,) = map_object(page_key(), line, LISBON).rows["booking"]
    assert row.special_requests == json.loads(f'"{text}"')


@pytest.mark.parametrize("text", ["\\u0000", "a\\u0000b", "\\\\\\u0000"])
def test_nul_is_refused_wherever_it_stands(text) -> None:
    for given_text in ("Quarto silencioso", "RSV-12345", "João Silva"):
        line = envelope(GIVEN["booking"].replace(given_text, text))
        assert lines_of(map_object(page_key(), line, LISBON)) == {0: "nul_character"}


@pytest.mark.parametrize("number", ["1e9999999", "-1e400", "1e99999999999999999999", "-1e-99999999999999999999"])
@pytest.mark.parametrize("field", ['"total": 450.00', '"iva": 103.50', '"adults": 2'])
def test_a_number_beyond_all_measure_is_refused_and_holds_nothing_up(number, field) -> None:
    name = field.split(":")[0]
    beyond = envelope(GIVEN["booking"].replace(field, f"{name}: {number}"))
    found = lines_of(map_object(page_key(), page([SOUND, beyond, SOUND]), LISBON))
    assert found.pop(1) in ("malformed_amount", "malformed_field")
    assert found == {0: "booking", 2: "booking"}


@given(st.binary(max_size=80))
def test_any_bytes_in_the_bucket_are_refusals_and_no_error(body) -> None:
    for key in (page_key(), webhook_key()):
        result = map_object(key, body, LISBON)
        assert not result.rows
        assert len(result.refusals) == result.records


@given(st.text(max_size=60))
def test_any_key_in_the_bucket_is_a_refusal_and_no_error(key) -> None:
    assert map_object(key, SOUND, LISBON).refusals


# -- One record by hand ------------------------------------------------------------------------------


def test_a_record_by_hand_has_content_and_identity() -> None:
    rows = map_payload("hostpms", "booking", GIVEN["booking"].encode(), factories.context())
    assert [kind for kind, _ in rows] == ["booking", "guest"]
    booking = rows[0][1]
    assert booking.id == factories.row_of("booking", GIVEN["booking"]).id
    assert (booking.source, booking.hotel_id, booking.mapping_version, booking.raw_key) == (
        "hostpms",
        PROPERTY,
        1,
        None,
    )


def test_a_record_by_hand_is_refused_as_it_would_be_quarantined() -> None:
    for payload in (b"{}", json.dumps(record("booking", dates={"check_out": "2024-03-01"})).encode()):
        with pytest.raises(Unmappable):
            map_payload("hostpms", "booking", payload, factories.context())


def test_a_record_by_hand_of_no_known_kind_is_not_found() -> None:
    for vendor, entity in (("nobody", "booking"), ("hostpms", "spaceship")):
        with pytest.raises(NotFound, match=r"hostpms|booking"):
            map_payload(vendor, entity, b"{}", factories.context())
