"""Manifests in the work bucket (moto)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError

from shared.errors import Malformed
from shared.pipeline.manifest import Manifest, ObjectAddress, RawEvent, encode, manifest_of
from shared.storage.manifests import Manifests
from tests.factories import minutes
from tests.fakes.aws_faults import Fault, Killed
from tests.integration.moto_aws import RAW_BUCKET, moto_aws

# Any bucket will do.
BUCKET = RAW_BUCKET


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with moto_aws():
        yield


@pytest.fixture
def manifests(aws: None) -> Manifests:
    return Manifests(BUCKET, boto3.client("s3"))


def manifest(number: int) -> Manifest:
    return Manifest(f"20240301T1030{number:02d}Z-x", minutes(number), (ObjectAddress(f"key-{number}", number),))


def keys() -> set[str]:
    return {item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", ())}


def test_a_manifest_is_pending_until_it_is_finished(manifests) -> None:
    assert manifests.add(manifest(1)) == "manifests/pending/20240301T103001Z-x.json"
    assert list(manifests.pending()) == [manifest(1)]
    manifests.finish(manifest(1))
    assert list(manifests.pending()) == []
    assert keys() == {"manifests/done/20240301T103001Z-x.json"}


def test_the_oldest_comes_first(manifests) -> None:
    for number in (3, 1, 2):
        manifests.add(manifest(number))
    assert list(manifests.pending()) == [manifest(1), manifest(2), manifest(3)]


@pytest.mark.parametrize("said", [None, "AccessDenied"], ids=["it is gone", "it may not be read"])
def test_one_that_is_finished_while_they_are_read_keeps_no_reader_from_the_others(manifests, said: str | None) -> None:
    """As the daily audit and the watch may meet it; whatever S3 says of an object that is no more."""
    for number in (1, 2, 3):
        manifests.add(manifest(number))
    reads = Fault("s3.GetObject")
    reader = Manifests(BUCKET, boto3.client("s3")).pending()
    assert next(reader) == manifest(1)
    manifests.finish(manifest(2))
    if said:
        reads.fail(error=said)
    assert list(reader) == [manifest(3)]


def test_one_that_is_there_and_cannot_be_read_is_not_passed_over(manifests) -> None:
    manifests.add(manifest(1))
    reads = Fault("s3.GetObject")
    reads.fail(error="AccessDenied")
    with pytest.raises(ClientError, match="AccessDenied"):
        list(Manifests(BUCKET, boto3.client("s3")).pending())


def test_the_batches_done_since_an_instant_are_those_whose_newest_object_came_then_or_later(manifests) -> None:
    for number in range(4):
        manifests.finish(manifest(number))
    since = datetime(2024, 3, 1, 10, 30, 2, tzinfo=UTC)
    assert list(manifests.done(since)) == [manifest(2), manifest(3)]
    assert list(manifests.done(datetime(2024, 1, 1, tzinfo=UTC))) == [manifest(number) for number in range(4)]


def test_adding_and_finishing_twice_is_as_good_as_once(manifests) -> None:
    for _ in range(2):
        manifests.add(manifest(1))
    for _ in range(2):
        manifests.finish(manifest(1))
    assert keys() == {"manifests/done/20240301T103001Z-x.json"}


def test_finishing_while_they_are_listed_skips_none(manifests) -> None:
    for number in range(5):
        manifests.add(manifest(number))
    for found in manifests.pending():
        assert isinstance(found, Manifest)
        manifests.finish(found)
    assert len([key for key in keys() if key.startswith("manifests/done/")]) == 5


def test_a_file_that_is_no_manifest_keeps_none_back(manifests) -> None:
    client = boto3.client("s3")
    for name, text in (("00-first", b"not json"), ("99-last", encode(manifest(1))[:-5])):
        client.put_object(Bucket=BUCKET, Key=f"manifests/pending/{name}.json", Body=text)
    manifests.add(manifest(1))
    first, second, third = manifests.pending()
    assert second == manifest(1)
    assert isinstance(first, Malformed)
    assert isinstance(third, Malformed)


# -- Gathered ----------------------------------------------------------------------------------------


def keys_of(batches: list[Manifest]) -> list[str]:
    return [address.key for batch in batches for address in batch.objects]


def test_what_is_pending_is_merged_into_one_batch_that_takes_their_place(manifests) -> None:
    for number in range(3):
        manifests.add(manifest(number))
    (batch,) = manifests.gather().batches
    assert keys_of([batch]) == ["key-0", "key-1", "key-2"]
    assert list(manifests.pending()) == [batch]


def test_gathered_again_it_is_the_same_batch_with_the_same_name(manifests) -> None:
    for number in range(3):
        manifests.add(manifest(number))
    first = manifests.gather()
    manifests.add(manifest(7))
    again = manifests.gather()
    assert {batch.batch_id for batch in again.batches} == {first.batches[0].batch_id, manifest(7).batch_id}


def test_an_object_announced_in_two_manifests_is_in_one_batch_and_still_pending(manifests) -> None:
    """The two together have the newer's very name: it must not be removed as one that was taken over."""
    one = manifest_of([RawEvent(minutes(1), detail("key"))])
    two = manifest_of([RawEvent(minutes(2), detail("key"))])
    manifests.add(one)
    manifests.add(two)
    for _ in range(3):
        (batch,) = manifests.gather().batches
        assert (batch.batch_id, keys_of([batch])) == (two.batch_id, ["key"])
        assert list(manifests.pending()) == [batch]
    manifests.finish(batch)
    assert manifests.gather().batches == []


def detail(key: str) -> RawEvent.Detail:
    return RawEvent.Detail(RawEvent.Detail.Bucket("raw"), ObjectAddress(key, 1))


def test_what_is_no_manifest_is_told_and_keeps_none_back(manifests) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key="manifests/pending/00.json", Body=b"not json")
    manifests.add(manifest(1))
    gathered = manifests.gather()
    assert gathered.batches == [manifest(1)]
    assert len(gathered.unreadable) == 1


@pytest.mark.parametrize("same_object", [False, True])
@pytest.mark.parametrize("operation", ["PutObject", "DeleteObject"])
@pytest.mark.parametrize("survived", range(4))
def test_wherever_a_run_dies_no_object_is_lost_and_none_is_in_two_batches(
    manifests, operation, survived, same_object
) -> None:
    for number in range(3):
        key = "the key" if same_object else f"key-{number}"
        manifests.add(manifest_of([RawEvent(minutes(number), detail(key))]))
    wanted = sorted({"the key"} if same_object else {f"key-{number}" for number in range(3)})
    death = DyingAfter(operation, survived)
    with suppress(Killed):
        Manifests(BUCKET, death.client).gather()

    assert sorted(keys_of(manifests.gather().batches)) == wanted
    assert sorted(keys_of([found for found in manifests.pending() if isinstance(found, Manifest)])) == wanted


class DyingAfter:
    """A client that carries out ``survived`` calls of ``operation``, and then its process is no more."""

    def __init__(self, operation: str, survived: int) -> None:
        self.client = boto3.client("s3")
        self._left = survived
        self.client.meta.events.register(f"before-call.s3.{operation}", self._before_call)

    def _before_call(self, **_: object) -> None:
        if self._left == 0:
            raise Killed
        self._left -= 1


def test_more_than_one_page_of_them_is_listed(manifests, monkeypatch) -> None:
    client = boto3.client("s3")
    listing = client.get_paginator("list_objects_v2")
    monkeypatch.setattr(client, "get_paginator", lambda _: _Small(listing), raising=False)
    small = Manifests(BUCKET, client)
    for number in range(5):
        small.add(manifest(number))
    assert len(list(small.pending())) == 5


class _Small:
    """Two a page."""

    def __init__(self, listing: object) -> None:
        self._listing = listing

    def paginate(self, **how: object) -> object:
        return self._listing.paginate(**how, PaginationConfig={"PageSize": 2})  # type: ignore[attr-defined]
