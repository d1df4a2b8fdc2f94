"""What every vendor's folder must hold, whatever the vendor: shared/vendors/contract.py, DESIGN.md §4."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import EnumType, StrEnum
from functools import partial
from types import ModuleType
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import NotFound, Unauthenticated, Unmappable
from shared.model.columns import ENTITIES, content_columns
from shared.model.identity import record_id
from shared.model.mapping import MappingContext
from shared.pipeline import by_column
from shared.pipeline.transform import Mapped, map_object, map_payload
from shared.segments import is_segment
from shared.vendors import registry
from tests import factories
from tests.roads import by_record, in_columns
from tests.unit.vendors.contract.samples import SAMPLES

EACH_VENDOR = pytest.mark.parametrize("vendor", registry.VENDORS)
EACH_SAMPLE = pytest.mark.parametrize(
    ("vendor", "entity"), [(vendor, entity) for vendor, records in SAMPLES.items() for entity in records]
)
NOW = factories.RECEIVED


def mapping(vendor: str) -> ModuleType:
    return registry.part(vendor, "mapping")


def webhook(vendor: str) -> ModuleType:
    return registry.part(vendor, "webhook")


def mapped(vendor: str, entity: str, payload: object, property_id: str = factories.PROPERTY) -> Mapped:
    key = factories.page_key(entity, property_id=property_id).replace("hostpms/", f"{vendor}/", 1)
    line = factories.envelope(payload, entity, vendor=vendor, property_id=property_id)
    return map_object(key, line, factories.context)


# -- The folder ------------------------------------------------------------------------------------


def test_every_vendor_has_samples() -> None:
    assert set(SAMPLES) == set(registry.VENDORS)


def test_a_vendor_that_is_not_known_is_told_with_those_that_are() -> None:
    for part in ("mapping", "webhook"):
        with pytest.raises(NotFound, match="hostpms"):
            registry.part("nobody", part)


@EACH_VENDOR
def test_a_vendor_s_name_is_a_segment_of_a_raw_key(vendor) -> None:
    assert is_segment(vendor)


@EACH_VENDOR
def test_a_vendor_has_its_four_modules(vendor) -> None:
    for part in ("payloads", "mapping", "api", "webhook"):
        assert registry.part(vendor, part).__doc__


@EACH_VENDOR
def test_the_mapping_says_whose_it_is_and_its_version(vendor) -> None:
    assert vendor == mapping(vendor).SOURCE
    assert mapping(vendor).VERSION >= 1


@EACH_VENDOR
def test_payloads_mappers_and_samples_are_of_the_same_entities(vendor) -> None:
    records = registry.part(vendor, "payloads").RECORDS
    assert set(records) == set(mapping(vendor).MAPPERS) == set(SAMPLES[vendor])
    assert set(records) <= set(ENTITIES)


@EACH_VENDOR
def test_every_event_and_every_list_is_of_an_entity_that_can_be_mapped(vendor) -> None:
    known, api = set(mapping(vendor).MAPPERS), registry.part(vendor, "api")
    assert set(webhook(vendor).EVENTS.values()) <= known
    assert set(api.ENTITIES) <= known
    assert set(api.OVERLAPS) <= set(api.ENTITIES)
    assert all(is_segment(event) for event in webhook(vendor).EVENTS)


# -- The mapping -----------------------------------------------------------------------------------


@EACH_SAMPLE
def test_a_sound_record_is_a_row_of_its_entity_without_a_warning(vendor, entity) -> None:
    result = mapped(vendor, entity, SAMPLES[vendor][entity])
    assert (result.refusals, result.warned) == ([], {})
    assert len(result.rows[entity]) == 1


@EACH_SAMPLE
def test_every_row_is_what_its_model_says_and_tells_where_it_came_from(vendor, entity) -> None:
    result = mapped(vendor, entity, SAMPLES[vendor][entity])
    for kind, rows in result.rows.items():
        for row in rows:
            fields = {name: getattr(row, name) for name in row.__struct_fields__}
            model = ENTITIES[kind].model_validate(fields | {"version": 1, "synced_at": NOW})
            assert str(model.id) == record_id(vendor, factories.PROPERTY, kind, model.external_id)
            assert (model.source, model.hotel_id) == (vendor, factories.PROPERTY)
            assert (model.raw_received_at, model.mapping_version) == (NOW, mapping(vendor).VERSION)
            assert (model.raw_key.split("/")[0], model.raw_line) == (vendor, 0)


@EACH_SAMPLE
def test_no_float_and_no_local_time_gets_into_a_row(vendor, entity) -> None:
    for rows in mapped(vendor, entity, SAMPLES[vendor][entity]).rows.values():
        for value in (getattr(row, name) for row in rows for name in row.__struct_fields__):
            assert not isinstance(value, float)
            assert not isinstance(value, datetime) or value.tzinfo is UTC


@EACH_SAMPLE
def test_a_record_is_mapped_alike_however_it_came(vendor, entity) -> None:
    payload, key = SAMPLES[vendor][entity], f"{vendor}/{factories.PROPERTY}/webhooks/{{}}/2024/03/01/1-2.json"
    polled = contents(mapped(vendor, entity, payload))
    assert polled == contents(mapped(vendor, entity, payload))
    by_hand = map_payload(vendor, entity, payload.encode(), factories.context(vendor))
    assert polled == [(kind, content(kind, row)) for kind, row in by_hand]
    for event in (event for event, of in webhook(vendor).EVENTS.items() if of == entity):
        line = factories.envelope(payload, None, vendor=vendor, event=event)
        assert contents(map_object(key.format(event), line, factories.context)) == polled


def contents(result: Mapped) -> list[tuple[str, Any]]:
    assert not result.refusals
    return [(kind, content(kind, row)) for kind, rows in result.rows.items() for row in rows]


def content(entity: str, row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("id", "external_id", "source_updated_at", *content_columns(entity))}


@EACH_SAMPLE
def test_hotels_do_not_share_ids(vendor, entity) -> None:
    payload = SAMPLES[vendor][entity]
    ids = [
        map_payload(vendor, entity, without(payload, factories.PROPERTY), MappingContext.of(hotel, None))[0][1].id
        for hotel in ("H1", "H2")
    ]
    assert ids[0] != ids[1]


def without(payload: str, property_id: str) -> bytes:
    """The record with no word of the property it is from."""
    fields = {name: value for name, value in json.loads(payload).items() if value != property_id}
    return json.dumps(fields).encode()


@EACH_SAMPLE
def test_a_record_that_says_nothing_is_refused(vendor, entity) -> None:
    for nothing in ("{}", "[]", "null", '""', "1"):
        (refusal,) = mapped(vendor, entity, nothing).refusals
        assert refusal.reason in ("missing_field", "malformed_field")
        assert refusal.entity == entity


@EACH_SAMPLE
def test_a_text_with_nul_is_refused(vendor, entity) -> None:
    payload = SAMPLES[vendor][entity].rstrip()[:-1] + ', "more": "\\u0000"}'
    (refusal,) = mapped(vendor, entity, payload).refusals
    assert refusal.reason == "nul_character"


def leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """``(container, key)`` of everything in ``value``, however deep."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from leaves(item)


ODD = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["", " ", "-", "0", "2024-02-30", "0001-01-01", "9999-12-31T23:59:59-23:59", "1e999", "🛏" * 300])
    | st.lists(st.none() | st.text(max_size=3), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.none(), max_size=2)
)


@EACH_SAMPLE
@given(data=st.data())
def test_whatever_a_field_holds_the_record_is_rows_or_a_refusal(vendor, entity, data) -> None:
    fields = json.loads(SAMPLES[vendor][entity])
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(list(leaves(fields))).map(partial(tuple)))
        container[key] = data.draw(ODD)
        if not isinstance(fields, dict) or not fields:
            break
    result = mapped(vendor, entity, json.dumps(fields))
    assert bool(result.rows) != bool(result.refusals)
    assert result.records == 1


@EACH_SAMPLE
@given(data=st.data())
def test_a_page_by_column_is_the_same_rows_as_record_by_record(vendor, entity, data) -> None:
    """Also of a mapper that is written anew: what it does besides ``context.each`` shows here."""
    records = []
    for _ in range(data.draw(st.integers(1, 4))):
        fields = json.loads(SAMPLES[vendor][entity])
        container, key = data.draw(st.sampled_from(list(leaves(fields))).map(partial(tuple)))
        container[key] = data.draw(ODD | st.just(container[key]))
        records.append(json.dumps(fields))
    sent = data.draw(st.lists(st.sampled_from(records), min_size=1, max_size=12))
    key = factories.page_key(entity).replace("hostpms/", f"{vendor}/", 1)
    body = factories.page(factories.envelope(one, entity, vendor=vendor) for one in sent)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(by_column, "FEWEST", 1)
        assert in_columns(key, body)[0] == by_record(key, body)


def unified_words(entity: str) -> dict[str, type[StrEnum]]:
    """The columns whose words are the unified model's own."""
    fields = ENTITIES[entity].model_fields.items()
    arms = {name: get_args(field.annotation) or (field.annotation,) for name, field in fields}
    return {name: arm for name, found in arms.items() for arm in found if isinstance(arm, EnumType)}


@EACH_SAMPLE
@given(word=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_a_word_that_no_table_has_is_never_guessed(vendor, entity, word) -> None:
    columns = unified_words(entity)
    sound = map_payload(vendor, entity, SAMPLES[vendor][entity].encode(), factories.context(vendor))[0][1]
    for container, key in leaves(fields := json.loads(SAMPLES[vendor][entity])):
        sent, container[key] = container[key], f"{word} in no table"
        row = row_or_none(vendor, entity, fields)
        container[key] = sent
        for name in columns if row else ():
            assert getattr(row, name) in ("unknown", getattr(sound, name))


def row_or_none(vendor: str, entity: str, fields: Any) -> Any:
    try:
        return map_payload(vendor, entity, msgspec.json.encode(fields), factories.context(vendor))[0][1]
    except Unmappable:
        return None


# -- The webhook -------------------------------------------------------------------------------------

BODY = b'{"any": "record"}'


def verified(
    vendor: str,
    headers: dict[str, str],
    body: bytes = BODY,
    now: datetime = NOW,
    secrets: tuple[str, ...] = ("s1", "s0"),
):
    return webhook(vendor).verify({name.lower(): value for name, value in headers.items()}, body, secrets, now)


@EACH_VENDOR
def test_what_is_signed_as_the_vendor_signs_verifies(vendor) -> None:
    for secret, which in (("s1", "current"), ("s0", "previous")):
        signed = verified(vendor, webhook(vendor).signed_headers(BODY, secret, NOW))
        assert signed.secret == which
        assert abs(signed.signed_at - NOW) < timedelta(seconds=1)
        assert signed.signed_at.utcoffset() == timedelta(0)


@EACH_VENDOR
def test_another_secret_another_body_or_no_headers_do_not_verify(vendor) -> None:
    headers = webhook(vendor).signed_headers(BODY, "s1", NOW)
    for wrong in (
        partial(verified, vendor, webhook(vendor).signed_headers(BODY, "other", NOW)),
        partial(verified, vendor, headers, body=BODY + b" "),
        partial(verified, vendor, {}),
        partial(verified, vendor, headers, secrets=()),
        partial(verified, vendor, headers, now=NOW + timedelta(days=1)),
    ):
        with pytest.raises(Unauthenticated) as caught:
            wrong()
        assert caught.value.reason in (
            "missing_signature", "missing_timestamp", "malformed_timestamp", "stale_timestamp", "wrong_signature"
        )  # fmt: skip


@EACH_VENDOR
@given(body=st.binary(max_size=30), value=st.text(max_size=30))
def test_whatever_the_headers_say_a_stranger_is_refused_and_no_more(vendor, body, value) -> None:
    for name in webhook(vendor).signed_headers(body, "s1", NOW):
        headers = webhook(vendor).signed_headers(body, "s1", NOW) | {name: value}
        with pytest.raises(Unauthenticated):
            verified(vendor, headers, body)
