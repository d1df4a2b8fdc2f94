"""The live path: one bad object fails alone, and nothing is lost with it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Malformed, Misconfigured, NotFound, StoreUnavailable
from shared.model.mapping import MappingContext
from shared.pipeline.live import Applied, apply_objects
from tests import factories
from tests.factories import GIVEN, envelope, page_key, record, webhook_key
from tests.fakes.lakes import FakeRawLake, FakeStore

KEYS = [webhook_key(delivery=str(number)) for number in range(4)]


def delivery(number: int = 0, **changes: object) -> bytes:
    return envelope(record("booking", reservation_id=f"RSV-{number}", **changes), None, event="reservation.created")


@pytest.fixture
def lake() -> FakeRawLake:
    return FakeRawLake({key: delivery(number) for number, key in enumerate(KEYS)})


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def apply(lake: FakeRawLake, store: FakeStore, keys: list[str] = KEYS, context_of=factories.context) -> Applied:
    return apply_objects(keys, lake.many, context_of, store)


def bookings(store: FakeStore) -> set[str]:
    return {row.external_id for row in store.rows if row.raw_key and row.external_id.startswith("RSV")}


def test_all_objects_are_stored_at_once(lake, store) -> None:
    applied = apply(lake, store)
    assert store.applied == [tuple(KEYS)]
    assert applied.written == {"booking": 4, "guest": 4}
    assert (applied.mapped.records, applied.failed) == (4, {})


def test_an_object_that_is_announced_twice_is_applied_once(lake, store) -> None:
    apply(lake, store, [KEYS[0], KEYS[1], KEYS[0]])
    assert lake.fetched == KEYS[:2]
    assert store.applied == [tuple(KEYS[:2])]


def test_nothing_announced_is_nothing_stored(lake, store) -> None:
    assert apply(lake, store, []) == Applied()
    assert store.calls == 0


def test_an_object_that_cannot_be_fetched_now_is_tried_again_alone(lake, store) -> None:
    lake.objects[KEYS[1]] = StoreUnavailable("slow down")
    applied = apply(lake, store)
    assert set(applied.failed) == {KEYS[1]}
    assert bookings(store) == {"RSV-0", "RSV-2", "RSV-3"}


def test_an_object_that_is_gone_or_broken_is_quarantined_and_not_tried_again(lake, store) -> None:
    del lake.objects[KEYS[0]]
    lake.objects[KEYS[1]] = Malformed("not gzip", reason="not_gzip")
    applied = apply(lake, store)
    assert applied.failed == {}
    assert {(refusal.raw_key, refusal.reason) for refusal in store.refusals} == {
        (KEYS[0], "no_such_object"),
        (KEYS[1], "not_gzip"),
    }
    assert store.applied == [tuple(KEYS)]


def test_only_where_every_object_failed_is_nothing_stored(lake, store) -> None:
    lake.objects = dict.fromkeys(KEYS, StoreUnavailable("slow down"))
    assert set(apply(lake, store).failed) == set(KEYS)
    assert store.calls == 0


def test_a_store_that_is_down_fails_all_objects_and_is_asked_once(lake, store) -> None:
    store.fail(StoreUnavailable("gone"))
    applied = apply(lake, store)
    assert set(applied.failed) == set(KEYS)
    assert (store.calls, applied.mapped.records, applied.written) == (1, 0, {})


def test_a_row_that_does_not_fit_fails_its_object_alone(lake, store) -> None:
    store.poison(KEYS[2], psycopg.errors.NumericValueOutOfRange("42 quoted"))
    applied = apply(lake, store)
    assert set(applied.failed) == {KEYS[2]}
    assert bookings(store) == {"RSV-0", "RSV-1", "RSV-3"}
    assert (applied.mapped.records, applied.written) == (3, {"booking": 3, "guest": 3})


def test_a_store_that_goes_down_while_objects_are_tried_singly_fails_the_rest(lake, store) -> None:
    store.fail(psycopg.errors.DataError("first"))
    store.fail(StoreUnavailable("then"), times=2)
    applied = apply(lake, store)
    assert set(applied.failed) == set(KEYS[:2])
    assert bookings(store) == {"RSV-2", "RSV-3"}


def test_the_one_object_of_an_invocation_fails_after_one_try(lake, store) -> None:
    store.poison(KEYS[0], psycopg.errors.DataError("x"))
    assert set(apply(lake, store, KEYS[:1]).failed) == set(KEYS[:1])
    assert store.calls == 1


@pytest.mark.parametrize(
    "error", [Misconfigured("its zone"), StoreUnavailable("dynamodb"), KeyError("a fault of ours")]
)
def test_a_hotel_whose_context_cannot_be_had_does_not_hold_up_another(lake, store, error) -> None:
    broken = page_key(property_id="ES-MAD-001")
    lake.objects[broken] = envelope(GIVEN["booking"], property_id="ES-MAD-001")

    def context_of(vendor: str, property_id: str) -> MappingContext:
        if property_id == "ES-MAD-001":
            raise error
        return factories.context(vendor, property_id)

    applied = apply(lake, store, [broken, *KEYS], context_of)
    assert applied.failed == {broken: error}
    assert bookings(store) == {"RSV-0", "RSV-1", "RSV-2", "RSV-3"}


def test_a_hotel_that_nobody_onboarded_is_quarantined(lake, store) -> None:
    def nobody(vendor: str, property_id: str) -> MappingContext:
        raise NotFound("nobody", reason="unknown_property")

    assert apply(lake, store, KEYS[:1], nobody).failed == {}
    assert [refusal.reason for refusal in store.refusals] == ["unknown_property"]


def test_what_is_no_raw_object_holds_nothing_up(lake, store) -> None:
    lake.objects["notes/webhooks/x.txt"] = b"hello"
    assert apply(lake, store, ["notes/webhooks/x.txt", *KEYS]).failed == {}
    assert [refusal.reason for refusal in store.refusals] == ["not_a_raw_key"]


FAULTS = st.sampled_from([None, "gone", "slow", "unfit", "broken"])


@given(
    st.lists(FAULTS, max_size=6), st.lists(st.sampled_from([StoreUnavailable("x"), psycopg.DataError("y")]), max_size=2)
)
def test_every_object_is_stored_quarantined_or_tried_again(faults, store_faults) -> None:
    lake, store = FakeRawLake(), FakeStore()
    keys = [webhook_key(delivery=str(number)) for number in range(len(faults))]
    for number, (key, fault) in enumerate(zip(keys, faults, strict=True)):
        lake.objects[key] = delivery(number) if fault in (None, "unfit") else b"broken"
        if fault == "gone":
            del lake.objects[key]
        if fault == "slow":
            lake.objects[key] = StoreUnavailable("slow")
        if fault == "unfit":
            store.poison(key, psycopg.DataError("unfit"))
    for error in store_faults:
        store.fail(error)

    applied = apply(lake, store, keys)

    stored = [key for call in store.applied for key in call]
    assert sorted([*stored, *applied.failed]) == sorted(keys)
    assert applied.mapped.records == sum(fault in (None, "broken") for fault in faults_of(stored, keys, faults))


def faults_of(stored: list[str], keys: list[str], faults: list[str | None]) -> Iterator[str | None]:
    return (fault for key, fault in zip(keys, faults, strict=True) if key in stored)
