"""Manifests in the work bucket: ``manifests/pending/{batch}.json`` until the batch is stored, then ``done/``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.errors import Malformed
from shared.pipeline import manifest as manifests
from shared.pipeline.manifest import Manifest


class Manifests:
    """``client`` is a boto3 S3 client."""

    def __init__(self, bucket: str, client: Any) -> None:
        self._bucket = bucket
        self._client = client

    def add(self, manifest: Manifest) -> str:
        """Writes ``manifest`` as pending, over itself where it already is; returns its key."""
        key = f"{manifests.PENDING}{manifest.batch_id}.json"
        self._client.put_object(Bucket=self._bucket, Key=key, Body=manifests.encode(manifest))
        return key

    def pending(self) -> Iterator[Manifest | Malformed]:
        """Oldest first. For an object there that is no manifest, what is wrong with it: it keeps no batch back."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=manifests.PENDING)
        for page in pages:
            for item in page.get("Contents", ()):
                answer = self._client.get_object(Bucket=self._bucket, Key=item["Key"])
                try:
                    yield manifests.decode(answer["Body"].read())
                except Malformed as error:
                    yield error

    def finish(self, manifest: Manifest) -> None:
        """Moves ``manifest`` to done. Twice is as good as once."""
        name = f"{manifest.batch_id}.json"
        body = manifests.encode(manifest)
        self._client.put_object(Bucket=self._bucket, Key=f"{manifests.DONE}{name}", Body=body)
        self._client.delete_object(Bucket=self._bucket, Key=f"{manifests.PENDING}{name}")
