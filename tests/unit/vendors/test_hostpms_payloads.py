"""HostPMS's records as they come: plain, wrapped, loose, broken."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Unmappable
from shared.vendors.hostpms import payloads
from tests import factories
from tests.factories import ABSENT, record

ENTITIES = list(payloads.RECORDS)


def decoded(entity: str, **changes: Any) -> Any:
    return payloads.decode(factories.text(record(entity, **changes)), entity)


def refused(entity: str, payload: object) -> tuple[object, object]:
    with pytest.raises(Unmappable) as caught:
        payloads.decode(factories.text(payload), entity)
    return caught.value.facts["reason"], caught.value.facts["field"]


# -- Two roads, one result ---------------------------------------------------------------------------


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_plain_and_the_loose_road_read_a_given_record_alike(entity) -> None:
    text = factories.text(factories.GIVEN[entity])
    assert payloads.decode(text, entity) == msgspec.json.decode(text, type=payloads.RECORDS[entity])


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.sampled_from(["", " ", "x", "450.00", "450,00", "2024-03-20", "2024-03-01T10:30:00Z", "PT-LIS-001", "12", "é"])
    | st.decimals(-1000, 1000, places=2).map(float)
)


@st.composite
def twisted(draw: st.DrawFn, entity: str) -> bytes:
    """A given record of which some fields hold something else, or are missing."""
    fields = record(entity)
    for _ in range(draw(st.integers(0, 3))):
        nest = draw(st.sampled_from([fields, *(nested for nested in fields.values() if isinstance(nested, dict))]))
        name = draw(st.sampled_from(sorted(nest) or ["x"]))
        if draw(st.booleans()):
            nest[name] = draw(SCALARS)
        else:
            nest.pop(name, None)
    return json.dumps(fields).encode()


@pytest.mark.parametrize("entity", ENTITIES)
@given(data=st.data())
def test_what_the_plain_road_reads_the_loose_road_reads_alike(entity, data) -> None:
    text = data.draw(twisted(entity))
    try:
        plain = msgspec.json.decode(text, type=payloads.RECORDS[entity])
    except msgspec.ValidationError:
        return
    loose = payloads.decode(text, entity)
    # An empty text counts as nothing on the loose road; the mapping counts it so on both.
    assert without_empty(loose) == without_empty(plain)


def without_empty(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: without_empty(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value, type=Any)
    return None if value == "" else value


@pytest.mark.parametrize("entity", ENTITIES)
@given(data=st.data())
def test_any_json_is_a_record_or_unmappable(entity, data) -> None:
    anything = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))
    text = data.draw(st.one_of(twisted(entity), anything.map(lambda value: json.dumps(value).encode())))
    assert outcome(text, entity) in ("record", "missing_field", "malformed_field", "malformed_json")


def outcome(text: bytes, entity: str) -> object:
    try:
        record = payloads.decode(text, entity)
    except Unmappable as error:
        return error.facts["reason"]
    return "record" if isinstance(record, payloads.RECORDS[entity]) else record


@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_or_unmappable(text) -> None:
    with pytest.raises(Unmappable):
        payloads.decode(text, "booking")


# -- Where HostPMS is loose --------------------------------------------------------------------------


def test_an_amount_keeps_the_digits_it_was_sent_with() -> None:
    text = factories.GIVEN_RESERVATION.replace('"RSV-12345"', "12345")  # by the loose road
    assert bytes(payloads.decode(text.encode(), "booking").pricing.total) == b"450.00"
    long = text.replace("450.00", "12345678901234.123456789012345678")
    assert bytes(payloads.decode(long.encode(), "booking").pricing.total) == b"12345678901234.123456789012345678"


@pytest.mark.parametrize("sent", [None, ABSENT])
def test_no_amount_is_null(sent) -> None:
    assert bytes(decoded("booking", pricing={"total": sent}).pricing.total) == b"null"


@pytest.mark.parametrize("sent", [2, "2", " 2 ", 2.0])
def test_a_count_may_be_a_text(sent) -> None:
    assert decoded("booking", adults=sent).adults == 2


@pytest.mark.parametrize("sent", ["two", 2.5, "2.5", 2**31, -(2**31) - 1, True, "99999999999"])
def test_what_is_no_count_is_malformed(sent) -> None:
    assert refused("booking", record("booking", adults=sent)) == ("malformed_field", "adults")


@pytest.mark.parametrize(
    ("entity", "changes", "field", "text"),
    [
        ("booking", {"reservation_id": 12345}, "reservation_id", "12345"),
        ("booking", {"special_requests": 7}, "special_requests", "7"),
        ("room", {"numero": 201}, "numero", "201"),
        ("guest", {"nif": 123456789}, "nif", "123456789"),
    ],
)
def test_a_text_may_be_a_number(entity, changes, field, text) -> None:
    assert getattr(decoded(entity, **changes), field) == text


@pytest.mark.parametrize("sent", ["2024-03-20T15:00:00", "2024-03-20T23:59:59Z", "2024-03-20 00:00:00+05:00"])
def test_a_day_with_a_time_is_the_day_that_was_written(sent) -> None:
    assert decoded("booking", dates={"check_in": sent}).dates.check_in == date(2024, 3, 20)


@pytest.mark.parametrize(
    "sent",
    [
        "2024-03-01T10:30:00",
        "2024-03-01 10:30:00",
        "2024-03-01T10:30",
        "2024-03-01T10:30:00.000",
        "2024-03-01T10:30:00Z",
    ],
)
def test_an_instant_without_an_offset_is_utc(sent) -> None:
    assert decoded("booking", dates={"created_at": sent}).dates.created_at == datetime(2024, 3, 1, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dates": {"check_in": "20/03/2024"}}, "dates.check_in"),
        ({"dates": {"check_in": "2024-02-30"}}, "dates.check_in"),
        ({"dates": {"check_in": "0000-01-01"}}, "dates.check_in"),
        ({"dates": {"check_out": "10000-01-01"}}, "dates.check_out"),
        ({"dates": {"created_at": "2024-03-01T25:00:00Z"}}, "dates.created_at"),
        ({"dates": {"created_at": 1709289000}}, "dates.created_at"),
        ({"dates": None}, "dates"),
        ({"guest": []}, "guest"),
        ({"guest": {"email": "a" * 321}}, "guest.email"),
        ({"guest": {"guest_id": "g" * 201}}, "guest.guest_id"),
        ({"room": {"number": "1" * 65}}, "room.number"),
        ({"reservation_id": "r" * 201}, "reservation_id"),
        ({"reservation_id": ""}, "reservation_id"),
        ({"reservation_id": None}, "reservation_id"),
        ({"status": None}, "status"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(changes, field) -> None:
    assert refused("booking", record("booking", **changes)) == ("malformed_field", field)


@pytest.mark.parametrize(
    ("entity", "changes", "field"),
    [
        ("booking", {"reservation_id": ABSENT}, "reservation_id"),
        ("booking", {"status": ABSENT}, "status"),
        ("booking", {"dates": ABSENT}, "dates"),
        ("booking", {"dates": {"check_in": ABSENT}}, "dates.check_in"),
        ("booking", {"dates": {"check_out": ABSENT}}, "dates.check_out"),
        ("guest", {"guest_id": ABSENT}, "guest_id"),
        ("room", {"room_id": ABSENT}, "room_id"),
        ("payment", {"payment_id": ABSENT}, "payment_id"),
        ("payment", {"valor": ABSENT}, "valor"),
        ("payment", {"moeda": ABSENT}, "moeda"),
    ],
)
def test_what_is_missing_is_refused_by_its_name(entity, changes, field) -> None:
    assert refused(entity, record(entity, **changes)) == ("missing_field", field)


@pytest.mark.parametrize("entity", ENTITIES)
def test_all_that_is_not_required_may_be_absent_or_null(entity) -> None:
    required = {"reservation_id", "dates", "status", "guest_id", "room_id", "payment_id", "valor", "moeda"}
    for value in (ABSENT, None):
        for name in set(record(entity)) - required:
            assert decoded(entity, **{name: value})


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_field_that_is_not_known_yet_is_passed_over(entity) -> None:
    assert decoded(entity, novidade={"a": [1, 2.5, None]}) == decoded(entity)


# -- Wrapped -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_record_may_be_wrapped_in_a_delivery(entity) -> None:
    wrapped = {"event_id": "evt-1", "event": "x", "data": json.loads(factories.GIVEN[entity])}
    assert payloads.decode(json.dumps(wrapped).encode(), entity) == decoded(entity)


def test_a_wrapped_record_keeps_its_digits_and_may_be_loose() -> None:
    given = factories.GIVEN_RESERVATION.replace("450.00", '"450,10"').replace("103.50", "103.5000")
    record = payloads.decode(f'{{"event_id": 1, "data": {given}}}'.encode(), "booking")
    assert (bytes(record.pricing.total), bytes(record.pricing.iva)) == (b'"450,10"', b"103.5000")


@pytest.mark.parametrize("data", ["null", "[]", "1", '"x"'])
def test_a_delivery_that_wraps_no_record_is_malformed(data) -> None:
    assert refused("booking", f'{{"event_id": "1", "data": {data}}}')[0] == "malformed_field"


def test_a_delivery_around_an_empty_record_lacks_the_record_s_id() -> None:
    assert refused("booking", '{"event_id": "1", "data": {}}') == ("missing_field", "reservation_id")


# -- Hostile -------------------------------------------------------------------------------------------

GIVEN_TEXT = factories.GIVEN_RESERVATION


@pytest.mark.parametrize("number", ["1e400", "1e300000", "1e999999999999999999", "-1e99999999", "9" * 5000])
def test_a_count_beyond_all_measure_is_refused_at_once(number) -> None:
    text = GIVEN_TEXT.replace('"adults": 2', f'"adults": {number}')
    assert refused("booking", text)[0] == "malformed_field"


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1e-99999999999999999999"])
def test_an_exponent_that_no_decimal_has_is_refused(number) -> None:
    for field in ("450.00", '"adults": 2'):
        text = GIVEN_TEXT.replace(field, field.rpartition(" ")[0] + number)
        assert refused("booking", text) == ("malformed_field", None)


def test_deep_nests_are_refused() -> None:
    for depth in (300, 100_000):
        assert refused("booking", '{"data":' * depth + "1" + "}" * depth)[0] in ("malformed_field", "malformed_json")


@pytest.mark.parametrize(
    "text", [b"", b"{", b"reservation", b"\xff", b"\xef\xbb\xbf{}", b'{"reservation_id": "\xff"}', b'"\\ud800"', b"NaN"]
)
def test_what_is_not_json_is_refused(text) -> None:
    assert refused("booking", text) == ("malformed_json", None)


def test_a_refusal_names_the_field_and_quotes_nothing() -> None:
    text = record("booking", guest={"email": ["marker@example.pt"], "name": "MarkerName"})
    with pytest.raises(Unmappable) as caught:
        payloads.decode(factories.text(text), "booking")
    assert "Marker" not in f"{caught.value!r} {caught.value.facts}"
    assert "marker" not in f"{caught.value!r} {caught.value.facts}"
    assert caught.value.__cause__ is None
