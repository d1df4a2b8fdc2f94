"""By column or record by record: the same rows, refusals and warnings, whatever the records are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Unmappable
from shared.model import arrow
from shared.model.calendar import lead_time, nights, utc
from shared.model.identity import record_id
from shared.model.mapping import MappingContext, none_if_empty
from shared.model.money import read_amount
from shared.model.vectors import Records, Vector, column
from shared.pipeline import by_column
from shared.pipeline.by_column import map_chunks
from shared.pipeline.envelope import lines
from shared.pipeline.kernels import KERNELS
from shared.pipeline.rules import is_normalised, is_not_negative, is_part_of, is_there_for, is_well_formed
from tests import factories
from tests.factories import GIVEN, envelope, minutes, page, page_key, record
from tests.roads import by_record, in_columns, one_by_one, together
from tests.unit.vendors.hostpms_records import RECORDS


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_column, "FEWEST", 1)


@pytest.mark.parametrize("entity", RECORDS)
@given(data=st.data())
def test_any_page_is_the_same_by_column_as_record_by_record(entity, data) -> None:
    pool = data.draw(st.lists(RECORDS[entity], min_size=1, max_size=4))
    sent = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=24))
    body = page(envelope(json.dumps(one), entity) for one in sent)
    found, _ = in_columns(page_key(entity), body, data.draw(st.integers(1, 30)))
    assert found == by_record(page_key(entity), body)


def test_lines_of_any_kind_stand_in_one_page() -> None:
    given_ = GIVEN["booking"]
    all_of = [
        envelope(given_),
        b"not an envelope",
        envelope(record("booking", reservation_id="loose", pricing={"total": "450,00"}, adults="2")),
        envelope(record("booking", reservation_id="refused", dates={"check_out": "2024-03-20"})),
        envelope(record("booking", reservation_id="warned", channel="pigeon")),
        envelope(record("booking", reservation_id="nobody", guest=None)),
        envelope(record("booking", special_requests="\0")),
        envelope(record("booking", special_requests="\\u0000")),
        envelope(record("booking", reservation_id="later"), received_at=minutes(5)),
        envelope(GIVEN["guest"], "guest"),
        envelope(given_, property_id="ES-MAD-001"),
        envelope(given_, entity=None, event="reservation.updated"),
        b" ",
        envelope(record("booking", reservation_id="last")),
    ]
    for body in (page(all_of), page(reversed(all_of)), page(all_of[1:])):
        found, _ = in_columns(page_key(), body)
        assert found == by_record(page_key(), body)
        assert found[3] == body.count(b"\n") - 1


WEBHOOKS = {"reservation.created": "booking", "reservation.updated": "booking", "guest.updated": "guest"}
HOTELS = ["PT-LIS-001", "ES-MAD-001", "PT-NOBODY-1"]


def only_the_onboarded(vendor: str, property_id: str) -> MappingContext:
    if property_id == "PT-NOBODY-1":
        raise by_column.NotFound("unknown", reason="unknown_property")
    return factories.context(vendor, property_id)


@st.composite
def small_objects(draw: st.DrawFn) -> dict[str, bytes]:
    """Webhooks of some events and pages of a few lines, of some hotels, as they lie in a batch."""
    pools = {entity: draw(st.lists(RECORDS[entity], min_size=1, max_size=3)) for entity in ("booking", "guest")}
    made: dict[str, bytes] = {}
    for number in range(draw(st.integers(1, 24))):
        hotel, at = draw(st.sampled_from(HOTELS)), minutes(draw(st.integers(0, 3)))
        event = draw(st.sampled_from([*WEBHOOKS, None]))
        entity = WEBHOOKS[event] if event else "booking"
        records = st.sampled_from(pools[entity]).map(lambda one, hotel=hotel: {**one, "property_id": hotel})
        sent = draw(st.lists(records, min_size=1, max_size=1 if event else 3))
        told = draw(st.sampled_from([hotel, hotel, hotel, "PT-LIS-001"]))
        texts = [
            envelope(json.dumps(one), None if event else entity, received_at=at, property_id=told, event=event)
            for one in sent
        ]
        name = f"{number:013d}"
        key = factories.webhook_key(event, name, hotel) if event else page_key(entity, name, 1, hotel)
        made[key] = texts[0] if event else page(texts)
    return made


@given(small_objects())
def test_any_small_objects_are_the_same_together_as_one_by_one(objects) -> None:
    found, _ = together(objects, only_the_onboarded)
    assert found == one_by_one(objects, only_the_onboarded)


def test_webhooks_of_one_event_and_hotel_are_mapped_together() -> None:
    objects = {
        factories.webhook_key(delivery=f"{number:013d}"): envelope(
            record("booking", reservation_id=f"RSV-{number}"),
            None,
            event="reservation.created",
            received_at=minutes(number),
        )
        for number in range(100)
    }
    found, alone = together(objects)
    assert found == one_by_one(objects)
    assert alone == 0


def test_small_objects_of_any_kind_stand_together() -> None:
    event = "reservation.created"
    objects = {
        "notes.txt": b"lost",
        factories.webhook_key(event, "1"): envelope(GIVEN["booking"], None, event=event),
        factories.webhook_key(event, "2"): b"not an envelope",
        factories.webhook_key(event, "3"): envelope(GIVEN["booking"], None, event="reservation.updated"),
        factories.webhook_key(event, "4"): envelope(GIVEN["guest"], None, event="guest.updated"),
        factories.webhook_key(event, "5"): envelope(record("booking", adults="2"), None, event=event),
        factories.webhook_key(event, "6"): envelope(record("booking", special_requests="\0"), None, event=event),
        factories.webhook_key("pigeon.arrived", "7"): envelope(GIVEN["booking"], None, event="pigeon.arrived"),
        factories.webhook_key(event, "8", "ES-MAD-001"): envelope(GIVEN["booking"], None, event=event),
        page_key(run="empty"): b"\n",
        "mews/PT-LIS-001/webhooks/any/2024/03/01/1-0.json": b"{}",
    }
    found, _ = together(objects)
    assert found == one_by_one(objects)


@pytest.mark.parametrize("key", ["notes.txt", page_key(property_id="PT-NOBODY-1")])
def test_an_object_that_cannot_be_mapped_is_one_refusal(key) -> None:
    def nobody(vendor: str, property_id: str) -> MappingContext:
        raise by_column.NotFound("unknown", reason="unknown_property")

    (chunk,) = map_chunks(key, [b"x"] * 100, nobody, 50)
    assert (len(chunk.mapped.refusals), chunk.tables) == (1, {})


def test_only_what_is_odd_is_mapped_by_itself() -> None:
    sent = [record("booking", reservation_id=f"RSV-{number}") for number in range(100)]
    sent[7] = record("booking", reservation_id="RSV-7", channel="pigeon")
    sent[8] = record("booking", reservation_id="RSV-8", pricing={"total": "1.450,00"})
    body = page(map(envelope, sent))
    found, alone = in_columns(page_key(), body, 50)
    assert found == by_record(page_key(), body)
    assert alone == 2  # the pigeon's booking and guest; a decimal comma is not odd


def test_a_word_that_all_share_and_nobody_knows_is_counted_for_each() -> None:
    body = page(envelope(record("booking", reservation_id=f"{n}", status="dozing")) for n in range(70))
    found, _ = in_columns(page_key(), body)
    assert found == by_record(page_key(), body)
    assert found[2] == {("booking", "unknown_word", "status"): 70}


def test_a_page_of_few_records_is_mapped_record_by_record(monkeypatch) -> None:
    monkeypatch.setattr(by_column, "FEWEST", 3)
    (chunk,) = map_chunks(page_key(), lines(page_key(), page([envelope(GIVEN["booking"])] * 2)), factories.context, 50)
    assert (chunk.tables, chunk.mapped.records) == ({}, 2)


# -- Kernels -----------------------------------------------------------------------------------------

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(timezones=OFFSETS) | st.datetimes(
    datetime(2023, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC)
)
DAYS = st.dates(date(1900, 1, 1), date(2200, 1, 1))
ZONES = st.sampled_from(["Europe/Lisbon", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"]).map(ZoneInfo)
RAW = st.one_of(
    st.decimals(-(10**15), 10**15, places=3).map(str),
    st.integers(-(10**6), 10**6).map(lambda cents: f"{cents / 100:.2f}"),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        ["null", '"450,00"', '""', '"x"', "0.005", "0.015", "-0", "1e3", "99999999999999.99", "[]", "true"]
    ),
).map(lambda text: msgspec.Raw(text.encode()))
AMOUNTS = st.decimals(-(10**5), 10**5, places=2)
TEXTS = st.text(max_size=5)
EMAILS = st.emails() | st.sampled_from(
    ["ana@example.pt", "ana@example.pt\n", "ana@x.test", "a.@example.pt", "ana@exa--mple.pt", f"{'a' * 60}@example.pt"]
)
PHONES = st.from_regex(r"\+?[0-9]{1,17}", fullmatch=True) | st.sampled_from(
    ["+351912345678\n", "+٣٥١", "+", "reception"]
)
CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD", "CLF", None])


def rows(*columns: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    one = st.tuples(*columns)
    few = st.lists(one, min_size=1, max_size=3).flatmap(lambda pool: st.lists(st.sampled_from(pool), min_size=1))
    return st.lists(one, min_size=1, max_size=20) | few


ARGUMENTS: dict[Callable[..., Any], st.SearchStrategy[list[tuple[Any, ...]]]] = {
    record_id: rows(st.just("hostpms"), st.just("PT-1"), st.just("guest"), TEXTS | st.none()),
    none_if_empty: rows(TEXTS | st.none()),
    utc: rows(INSTANTS | st.none()),
    nights: rows(DAYS, DAYS),
    lead_time: ZONES.flatmap(lambda zone: rows(DAYS, INSTANTS | st.none(), st.just(zone))),
    read_amount: rows(RAW, CURRENCIES, st.just("total")) | rows(RAW, st.just("EUR"), st.just("total")),
    is_well_formed: rows(EMAILS | TEXTS | st.none()),
    is_normalised: rows(PHONES | TEXTS | st.none()),
    is_not_negative: rows(AMOUNTS | st.none()),
    is_part_of: rows(AMOUNTS | st.none(), AMOUNTS | st.none()),
    is_there_for: rows(CURRENCIES, AMOUNTS | st.none()),
}


def test_every_kernel_is_held_to_its_function() -> None:
    assert set(ARGUMENTS) == set(KERNELS)


@pytest.mark.parametrize("function", ARGUMENTS, ids=lambda function: function.__name__)
@given(data=st.data())
def test_a_function_on_columns_gives_what_it_gives_for_each(function, data) -> None:
    """By its kernel, and where that declines, value by value."""
    arguments = data.draw(ARGUMENTS[function])
    context = by_column._ChunkContext(factories.context(), len(arguments))
    raised = np.zeros(len(arguments), np.bool_)
    wanted = []
    for number, values in enumerate(arguments):
        try:
            wanted.append(function(*values))
        except (Unmappable, ValueError, OverflowError):
            wanted.append(None)
            raised[number] = True
    try:
        result = context.each(function, *map(column, zip(*arguments, strict=True)))
    except (Unmappable, ValueError, OverflowError):
        assert raised.all()
        return
    assert context.odd.tolist() == raised.tolist()
    found = result.rows() if isinstance(result, Vector) else [result] * len(arguments)
    if isinstance(result, Vector) and result._array is not None:
        found = result._array.to_pylist()
    assert [value for value, bad in zip(found, raised, strict=True) if not bad] == [
        value for value, bad in zip(wanted, raised, strict=True) if not bad
    ]


# -- Columns -----------------------------------------------------------------------------------------


def each(function: Callable[..., Any], *columns: Sequence[Any]) -> tuple[Any, list[bool]]:
    context = by_column._ChunkContext(factories.context(), len(columns[0]))
    result = context.each(function, *map(column, columns))
    return result, context.odd.tolist()


@given(rows(st.integers(0, 3), st.sampled_from("ab"), st.integers(0, 1000)))
def test_a_function_is_applied_to_each_record_s_values(arguments) -> None:
    result, odd = each(lambda a, b, c: f"{a}{b}{c}", *zip(*arguments, strict=True))
    wanted = [f"{a}{b}{c}" for a, b, c in arguments]
    assert (list(result.rows()) if isinstance(result, Vector) else [result] * len(wanted)) == wanted
    assert not any(odd)


@given(rows(st.integers(0, 3), st.integers(0, 3)))
def test_a_record_of_which_a_function_raises_is_odd_and_no_other(arguments) -> None:
    def divide(a: int, b: int) -> int:
        if not b:
            raise ValueError("by nothing")
        return a // b

    columns = list(zip(*arguments, strict=True))
    try:
        result, odd = each(divide, *columns)
    except ValueError:
        assert len(set(columns[1])) == 1
        return
    assert odd == [not b for _, b in arguments]
    if isinstance(result, Vector):
        assert [value for value, bad in zip(result.rows(), odd, strict=True) if not bad] == [
            a // b for a, b in arguments if b
        ]


def test_a_function_is_called_once_for_each_of_few_values() -> None:
    calls: list[str] = []
    result, _ = each(lambda word: calls.append(word) or word.upper(), ["a", "b"] * 500)
    assert sorted(calls) == ["a", "b"]
    assert result.rows()[:3] == ["A", "B", "A"]


def test_a_fault_of_ours_is_not_taken_for_an_odd_record() -> None:
    with pytest.raises(ZeroDivisionError):
        each(lambda value: 1 / value, [0, 1, 2])


@pytest.mark.parametrize("use", [bool, lambda c: c == 1, lambda c: c < 1, lambda c: c or 1, hash, lambda c: {c: 1}])
def test_python_s_own_operators_are_refused_on_a_column(use) -> None:
    with pytest.raises(TypeError):
        use(column([1, 2, 3]))


@pytest.mark.parametrize("values", [[Decimal("sNaN")] * 200, [*[1] * 200, Decimal("sNaN")], [["a"], ["b"]], [[]] * 3])
def test_values_without_a_hash_or_an_order_are_columns_too(values) -> None:
    found = column(values)
    result, _ = each(str, values)
    if isinstance(found, Vector):
        assert list(result.rows()) == list(map(str, values))
    else:
        assert result == str(values[0])


def test_a_structure_that_some_records_lack_counts_as_one_without_a_field() -> None:
    class Inner(msgspec.Struct):
        word: str | None = None

    class Outer(msgspec.Struct):
        inner: Inner | None
        number: int = 1

    found: Any = Records([Outer(Inner("a")), Outer(None), Outer(Inner("b"), 2)])
    assert list(found.inner.word.rows()) == ["a", None, "b"]
    assert list(found.number.rows()) == [1, 1, 2]
    alike: Any = Records([Outer(None), Outer(None)])
    assert (alike.inner, alike.number) == (None, 1)


def test_a_structure_that_cannot_be_empty_keeps_its_records_from_the_columns() -> None:
    class Inner(msgspec.Struct):
        word: str

    class Outer(msgspec.Struct):
        inner: Inner | None

    with pytest.raises(by_column._ODD):
        Records([Outer(Inner("a")), Outer(None)])


@given(st.lists(INSTANTS | st.none(), min_size=1))
def test_an_instant_keeps_its_microseconds(values) -> None:
    found = column([*values, datetime(2000, 1, 1, tzinfo=timezone(timedelta(hours=5)))])
    result, odd = each(utc, found.rows() if isinstance(found, Vector) else [found])
    array = result.array(arrow.schema("booking").field("booked_at").type) if isinstance(result, Vector) else None
    for number, value in enumerate(values if array is not None else ()):
        if not odd[number]:
            assert array[number].as_py() == value
