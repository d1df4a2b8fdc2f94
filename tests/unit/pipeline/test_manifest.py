"""A batch is derived from its events alone: the same events, the same manifest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Malformed
from shared.pipeline.manifest import (
    BUCKET_BYTES,
    GROUP_BYTES,
    GROUP_OBJECTS,
    Manifest,
    ObjectAddress,
    RawEvent,
    decode,
    encode,
    manifest_of,
    merged,
    read_event,
)

AT = datetime(2024, 3, 1, 10, 30, tzinfo=UTC)


def event(key: str = "a", size: int = 1, time: datetime | str = AT, **more: object) -> bytes:
    detail = {"bucket": {"name": "raw"}, "object": {"key": key, "size": size, "etag": "x", "sequencer": "y"}}
    when = time if isinstance(time, str) else time.isoformat().replace("+00:00", "Z")
    return json.dumps({"version": "0", "source": "aws.s3", "time": when, "detail": detail, **more}).encode()


KEYS = st.text("abcdefgh/", min_size=1, max_size=4)
TIMES = st.datetimes(datetime(2024, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC))
EVENTS = st.lists(st.builds(event, KEYS, st.integers(0, 10**7), TIMES).map(read_event), min_size=1, max_size=12)


@given(EVENTS, st.randoms(use_true_random=False))
def test_the_same_events_in_any_order_however_often_are_the_same_manifest(
    events: list[RawEvent], random: Random
) -> None:
    again = [*events, *random.choices(events, k=3)]
    random.shuffle(again)
    assert encode(manifest_of(again)) == encode(manifest_of(events))


@given(EVENTS)
def test_a_manifest_has_every_object_once_in_the_keys_order_and_the_newest_event_s_time(events) -> None:
    manifest = manifest_of(events)
    keys = [address.key for address in manifest.objects]
    assert keys == sorted({found.detail.object.key for found in events})
    assert manifest.created_at == max(found.time for found in events)


def test_other_objects_or_another_time_are_another_batch() -> None:
    ids = {
        manifest_of([read_event(event(*of))]).batch_id
        for of in [("a", 1), ("b", 1), ("a", 1, AT + timedelta(seconds=1))]
    }
    both = manifest_of([read_event(event("a")), read_event(event("b"))]).batch_id
    assert len({*ids, both}) == 4


def test_a_batch_s_name_begins_with_its_time_so_that_the_oldest_comes_first() -> None:
    assert manifest_of([read_event(event())]).batch_id.startswith("20240301T103000Z-")
    there = manifest_of([read_event(event(time="2024-03-01T12:30:00+02:00"))])
    assert there.batch_id.startswith("20240301T103000Z-")
    assert there.created_at.utcoffset() == timedelta(0)


def test_an_object_announced_with_two_sizes_has_the_greater() -> None:
    for events in ([event("a", 1), event("a", 9)], [event("a", 9), event("a", 1)]):
        assert manifest_of(list(map(read_event, events))).objects == (ObjectAddress("a", 9),)


ANNOUNCED = st.builds(event, KEYS, source=st.sampled_from(["aws.s3", "pousada.replay"])).map(read_event)
REPLAYS = st.lists(ANNOUNCED, min_size=1)


@given(REPLAYS, REPLAYS)
def test_an_object_is_replayed_where_nothing_but_a_replay_announced_it(events, later) -> None:
    landed = {found.address.key for found in events + later if found.source == "aws.s3"}
    for manifest in (manifest_of(events + later), *merged([manifest_of(events), manifest_of(later)])):
        for address in manifest.objects:
            assert address.replayed == (address.key not in landed)


def test_a_manifest_from_before_replays_were_told_apart_is_read() -> None:
    text = b'{"batch_id":"b","created_at":"2024-03-01T10:30:00Z","objects":[{"key":"a","size":1}],"merged_from":[]}'
    assert decode(text).objects == (ObjectAddress("a", 1, replayed=False),)


def test_a_manifest_says_nothing_of_replays_where_there_is_none() -> None:
    assert b"replayed" not in encode(manifest_of([read_event(event())]))


@given(EVENTS)
def test_a_manifest_is_read_as_it_was_written(events) -> None:
    manifest = manifest_of(events)
    assert decode(encode(manifest)) == manifest


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"not json", b'{"batch_id": 1}', b"\xff"])
def test_what_is_no_manifest_is_malformed(text) -> None:
    with pytest.raises(Malformed):
        decode(text)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{}",
        b"null",
        b"not json",
        event().replace(b'"a"', b"1"),
        event(time="soon"),
        event(time="2024-03-01T10:30:00"),
    ],
)
def test_what_is_no_event_of_a_raw_object_is_malformed(message) -> None:
    with pytest.raises(Malformed):
        read_event(message)


def test_a_key_is_taken_as_eventbridge_writes_it() -> None:
    key = "hostpms/PT-LIS-001/webhooks/guest.created/2024/03/01/é+ %20.json"
    assert read_event(event(key)).detail.object.key == key


# -- Merged ------------------------------------------------------------------------------------------

MANIFESTS = st.lists(EVENTS, max_size=8).map(
    lambda batches: sorted(map(manifest_of, batches), key=lambda m: m.batch_id)
)


@given(MANIFESTS)
def test_merged_they_hold_the_same_objects_and_each_once(manifests) -> None:
    together = list(merged(manifests))
    assert len(together) <= 1
    wanted = {address.key for manifest in manifests for address in manifest.objects}
    assert [address.key for manifest in together for address in manifest.objects] == sorted(wanted)
    for found in together:
        assert found.created_at == max(manifest.created_at for manifest in manifests)


@given(MANIFESTS)
def test_a_merged_one_never_takes_over_itself(manifests) -> None:
    """One object may be announced twice, each time in a manifest of its own: the two merged have the newer's name."""
    for found in merged(manifests):
        assert found.batch_id not in found.merged_from
        others = {manifest.batch_id for manifest in manifests} - {found.batch_id}
        assert set(found.merged_from) == (others if len(manifests) > 1 else set())


@given(MANIFESTS)
def test_merged_again_it_stays_as_it_is(manifests) -> None:
    once = list(merged(manifests))
    assert list(merged(once)) == once


def test_one_alone_is_left_as_it_is() -> None:
    assert list(merged([manifest_with([1])])) == [manifest_with([1])]
    assert list(merged([])) == []


def test_a_batch_ends_where_it_would_grow_too_large(monkeypatch) -> None:
    monkeypatch.setattr("shared.pipeline.manifest.MERGED_OBJECTS", 3)
    monkeypatch.setattr("shared.pipeline.manifest.MERGED_BYTES", 100)
    small = [manifest_of([read_event(event(f"{number}", 1, AT + timedelta(seconds=number)))]) for number in range(7)]
    assert [len(found.objects) for found in merged(small)] == [3, 3, 1]
    large = [manifest_of([read_event(event(f"{n}", 60, AT + timedelta(seconds=n)))]) for n in range(3)]
    assert [len(found.objects) for found in merged(large)] == [1, 1, 1]
    huge = [manifest_of([read_event(event("x", 10**6))]), *small[:2]]
    assert [len(found.objects) for found in merged(huge)] == [1, 2]


def test_what_is_merged_already_is_taken_by_itself() -> None:
    """Its files have their names, and a run may already have written some of them."""
    first = next(merged([manifest_of([read_event(event(key))]) for key in "ab"]))
    new = manifest_of([read_event(event("c", time=AT + timedelta(seconds=1)))])
    assert list(merged([first, new])) == [first, new]


# -- Groups and buckets ------------------------------------------------------------------------------

SIZES = st.lists(st.integers(0, 3 * GROUP_BYTES) | st.integers(0, 100), max_size=60)


def manifest_with(sizes: list[int]) -> Manifest:
    addresses = (ObjectAddress(f"{number:05d}", size) for number, size in enumerate(sizes))
    return Manifest("batch", AT, tuple(addresses))


@given(SIZES)
def test_groups_hold_every_object_once_and_in_order(sizes) -> None:
    manifest = manifest_with(sizes)
    assert tuple(address for group in manifest.groups() for address in group) == manifest.objects


@given(SIZES)
def test_a_group_of_several_objects_is_no_more_than_a_task_reads(sizes) -> None:
    for group in manifest_with(sizes).groups():
        assert group
        assert len(group) == 1 or sum(address.size for address in group) <= GROUP_BYTES
        assert len(group) <= GROUP_OBJECTS


def test_small_objects_go_together_and_big_ones_alone() -> None:
    sizes = [10, 10, GROUP_BYTES + 1, 10, 10]
    assert [len(group) for group in manifest_with(sizes).groups()] == [2, 1, 2]
    assert [len(group) for group in manifest_with([0] * (GROUP_OBJECTS + 1)).groups()] == [GROUP_OBJECTS, 1]


def test_no_objects_are_no_groups_and_one_bucket() -> None:
    assert manifest_with([]).groups() == []
    assert manifest_with([]).buckets == 1


@given(SIZES)
def test_a_bucket_holds_no_more_than_its_share(sizes) -> None:
    manifest = manifest_with(sizes)
    assert manifest.size == sum(sizes)
    assert manifest.buckets >= 1
    assert manifest.size / manifest.buckets < BUCKET_BYTES
