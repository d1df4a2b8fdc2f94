"""Manifests in the work bucket (moto)."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from shared.errors import Malformed
from shared.pipeline.manifest import Manifest, ObjectAddress, encode
from shared.storage.manifests import Manifests
from tests.factories import minutes
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


def test_a_manifest_is_pending_until_it_is_finished(manifests):
    assert manifests.add(manifest(1)) == "manifests/pending/20240301T103001Z-x.json"
    assert list(manifests.pending()) == [manifest(1)]
    manifests.finish(manifest(1))
    assert list(manifests.pending()) == []
    assert keys() == {"manifests/done/20240301T103001Z-x.json"}


def test_the_oldest_comes_first(manifests):
    for number in (3, 1, 2):
        manifests.add(manifest(number))
    assert list(manifests.pending()) == [manifest(1), manifest(2), manifest(3)]


def test_adding_and_finishing_twice_is_as_good_as_once(manifests):
    for _ in range(2):
        manifests.add(manifest(1))
    for _ in range(2):
        manifests.finish(manifest(1))
    assert keys() == {"manifests/done/20240301T103001Z-x.json"}


def test_finishing_while_they_are_listed_skips_none(manifests):
    for number in range(5):
        manifests.add(manifest(number))
    for found in manifests.pending():
        assert isinstance(found, Manifest)
        manifests.finish(found)
    assert len([key for key in keys() if key.startswith("manifests/done/")]) == 5


def test_a_file_that_is_no_manifest_keeps_none_back(manifests):
    client = boto3.client("s3")
    for name, text in (("00-first", b"not json"), ("99-last", encode(manifest(1))[:-5])):
        client.put_object(Bucket=BUCKET, Key=f"manifests/pending/{name}.json", Body=text)
    manifests.add(manifest(1))
    first, second, third = manifests.pending()
    assert second == manifest(1)
    assert isinstance(first, Malformed)
    assert isinstance(third, Malformed)


def test_more_than_one_page_of_them_is_listed(manifests, monkeypatch):
    client = boto3.client("s3")
    listing = client.get_paginator("list_objects_v2")
    monkeypatch.setattr(
        client, "get_paginator", lambda _: _Small(listing), raising=False
    )
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
