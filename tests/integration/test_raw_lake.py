"""The raw bucket against S3 (moto)."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError

from shared.errors import Malformed, NotFound, StoreUnavailable, TooLarge
from shared.storage.raw_lake import RawLake
from tests.fakes.aws_faults import Fault
from tests.integration.moto_aws import RAW_BUCKET, moto_aws

JSON_KEY = "hostpms/PT-LIS-001/webhooks/guest.created/2024/03/01/1-a.json"
PAGE_KEY = "hostpms/PT-LIS-001/polling/guest/2024/03/01/run-00001.ndjson.gz"


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with moto_aws():
        yield


def lake(**how: Any) -> RawLake:
    return RawLake(RAW_BUCKET, boto3.client("s3"), **how)


def stored(key: str) -> tuple[bytes, str]:
    answer = boto3.client("s3").get_object(Bucket=RAW_BUCKET, Key=key)
    return answer["Body"].read(), answer["ContentType"]


@pytest.mark.parametrize("key", [JSON_KEY, PAGE_KEY])
@pytest.mark.parametrize("content", [b"", b"{}", b"\x00\xff" * 100_000])
def test_what_is_put_is_what_is_got(key: str, content: bytes) -> None:
    lake().put(key, content)

    assert lake().get(key) == content


def test_a_json_object_lies_there_as_it_is() -> None:
    lake().put(JSON_KEY, b"{}")

    assert stored(JSON_KEY) == (b"{}", "application/json")


def test_a_page_lies_there_as_a_gzip_file_that_is_always_the_same() -> None:
    lake().put(PAGE_KEY, b"{}\n" * 1000)
    first, content_type = stored(PAGE_KEY)
    lake().put(PAGE_KEY, b"{}\n" * 1000)

    assert gzip.decompress(first) == b"{}\n" * 1000
    assert len(first) < 100
    assert content_type == "application/gzip"
    assert stored(PAGE_KEY)[0] == first


def test_a_file_of_several_gzip_members_is_read_whole() -> None:
    boto3.client("s3").put_object(Bucket=RAW_BUCKET, Key=PAGE_KEY, Body=gzip.compress(b"a\n") + gzip.compress(b"b\n"))

    assert lake().get(PAGE_KEY) == b"a\nb\n"


@pytest.mark.parametrize(
    "body", [b"", b"plain", gzip.compress(b"cut short" * 99, mtime=0)[:-9], gzip.compress(b"a", mtime=0) + b"rubbish"]
)
def test_a_damaged_gzip_file_is_malformed(body: bytes) -> None:
    boto3.client("s3").put_object(Bucket=RAW_BUCKET, Key=PAGE_KEY, Body=body)

    with pytest.raises(Malformed):
        lake().get(PAGE_KEY)


@pytest.mark.parametrize("members", [1, 4])
def test_a_gzip_bomb_ends_at_the_limit(members: int) -> None:
    body = gzip.compress(b"\x00" * (4_000_000 // members)) * members
    boto3.client("s3").put_object(Bucket=RAW_BUCKET, Key=PAGE_KEY, Body=body)

    assert len(lake(largest=4_000_000).get(PAGE_KEY)) == 4_000_000
    with pytest.raises(TooLarge):
        lake(largest=3_999_999).get(PAGE_KEY)


def test_a_plain_object_beyond_the_limit_is_too_large() -> None:
    lake().put(JSON_KEY, b"12345")

    assert lake(largest=5).get(JSON_KEY) == b"12345"
    with pytest.raises(TooLarge):
        lake(largest=4).get(JSON_KEY)


def test_a_missing_object_is_not_found_and_says_which() -> None:
    with pytest.raises(NotFound) as caught:
        lake().get(JSON_KEY)
    assert caught.value.facts["key"] == JSON_KEY


def test_an_archived_object_is_not_found_and_says_what_to_do() -> None:
    Fault("s3.GetObject").fail(error="InvalidObjectState")

    with pytest.raises(NotFound, match="restore it from Glacier"):
        lake().get(JSON_KEY)


@pytest.mark.parametrize("error", ["SlowDown", "AccessDenied", ReadTimeoutError(endpoint_url="https://s3.example")])
def test_a_failing_bucket_is_unavailable_whatever_is_asked_of_it(error: str | BaseException) -> None:
    for operation in ("PutObject", "GetObject", "ListObjectsV2"):
        Fault(f"s3.{operation}").fail(error=error)

    with pytest.raises(StoreUnavailable):
        lake().put(JSON_KEY, b"{}")
    with pytest.raises(StoreUnavailable):
        lake().get(JSON_KEY)
    with pytest.raises(StoreUnavailable):
        list(lake().list("hostpms/"))


def test_a_missing_bucket_is_our_fault_and_not_the_keys() -> None:
    with pytest.raises(StoreUnavailable):
        RawLake("no-such-bucket", boto3.client("s3")).get(JSON_KEY)


def test_a_prefix_lists_its_objects_page_after_page() -> None:
    pages = Fault("s3.ListObjectsV2")
    two_a_page = {"MaxKeys": 2}
    boto3._get_default_session().events.register(
        "before-parameter-build.s3.ListObjectsV2", lambda params, **_: params.update(two_a_page)
    )
    keys = [f"hostpms/PT-LIS-001/{number}.json" for number in range(5)]
    for key in [*keys, "hostpms/ES-MAD-002/0.json"]:
        lake().put(key, b"{}")

    found = list(lake().list("hostpms/PT-LIS-001/"))
    assert [(item.key, item.size) for item in found] == [(key, 2) for key in keys]
    assert all(item.stored_at for item in found)
    assert pages.calls == 3


def test_an_object_exists_by_its_whole_key() -> None:
    lake().put("hostpms/PT-LIS-001/1.json", b"{}")
    assert lake().exists("hostpms/PT-LIS-001/1.json")
    assert not lake().exists("hostpms/PT-LIS-001/1")


def test_many_objects_come_in_the_order_asked() -> None:
    keys = [f"{number}.json" for number in range(20)]
    for key in keys:
        lake().put(key, key.encode())

    assert list(lake().many(reversed(keys), concurrency=4)) == [(key, key.encode()) for key in reversed(keys)]


def test_many_objects_are_fetched_no_further_than_they_are_taken() -> None:
    fetched = Fault("s3.GetObject")
    keys = [f"{number}.json" for number in range(20)]
    for key in keys:
        lake().put(key, b"{}")

    taken = list(itertools.islice(lake().many(keys, concurrency=2), 3))

    assert [key for key, _ in taken] == keys[:3]
    assert fetched.calls <= 3 + 2 * 2


def test_a_bad_one_of_many_stands_in_its_place_and_keeps_no_other_back() -> None:
    Fault("s3.GetObject").fail(error="SlowDown")
    lake().put("1.json", b"{}")
    lake().put("4.json", b"{}")
    boto3.client("s3").put_object(Bucket=RAW_BUCKET, Key="3.gz", Body=b"plain")

    outcomes = dict(lake().many(["1.json", "2.json", "3.gz", "4.json"], concurrency=1))

    kinds = {key: type(outcome) for key, outcome in outcomes.items()}
    assert kinds == {"1.json": StoreUnavailable, "2.json": NotFound, "3.gz": Malformed, "4.json": bytes}


def test_a_list_begins_behind_a_key() -> None:
    for key in (PAGE_KEY, JSON_KEY):
        lake().put(key, b"{}")

    assert [found.key for found in lake().list("hostpms/", after=PAGE_KEY)] == [JSON_KEY]
    assert list(lake().list("hostpms/", after=JSON_KEY)) == []


def test_a_list_asks_for_as_many_keys_at_once_as_it_is_told_and_yields_all() -> None:
    asked = Fault("s3.ListObjectsV2")
    keys = [f"{number}.json" for number in range(5)]
    for key in keys:
        lake().put(key, b"{}")

    assert [found.key for found in lake().list("", at_once=2)] == keys
    assert asked.calls == 3


def test_the_hotels_are_the_folders_of_their_vendor() -> None:
    for hotel in ("PT-LIS-001", "ES-MAD-002"):
        for key in (PAGE_KEY, JSON_KEY):
            lake().put(key.replace("PT-LIS-001", hotel), b"{}")
    lake().put("hostpms/notes.txt", b"")
    lake().put("othervendor/PT-OPO-003/x", b"")

    assert list(lake().folders("hostpms/")) == ["ES-MAD-002", "PT-LIS-001"]
