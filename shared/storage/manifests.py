"""Manifests in the work bucket: ``manifests/pending/{batch}.json`` until the batch is stored, then ``done/``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from shared.errors import Malformed
from shared.pipeline import manifest as manifests
from shared.pipeline.manifest import Manifest


class Gathered(NamedTuple):
    batches: list[Manifest]
    unreadable: list[Malformed]
    """Of each object there that is no manifest, what is wrong with it."""


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
        """Oldest first. For an object there that is no manifest, what is wrong with it: it keeps no batch back.

        One that is finished meanwhile may be left out: it is done from then on.
        """
        return self._under(manifests.PENDING)

    def oldest_pending(self) -> datetime | None:
        """When the newest object of the batch that has waited longest was announced (UTC); None where none waits."""
        # Their names begin with that time; what is named otherwise is no manifest of ours, and fails a run by itself.
        answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=manifests.PENDING)
        times = (_time_of(item["Key"].removeprefix(manifests.PENDING)) for item in answer.get("Contents", ()))
        return next((time for time in times if time is not None), None)

    def done(self, since: datetime) -> Iterator[Manifest | Malformed]:
        """Those of batches whose newest object was announced at ``since`` (UTC) or later, oldest first."""
        # Their names begin with that time, to the second.
        return self._under(manifests.DONE, StartAfter=f"{manifests.DONE}{since:%Y%m%dT%H%M%S}")

    def _under(self, prefix: str, **of_list: str) -> Iterator[Manifest | Malformed]:
        paginator = self._client.get_paginator("list_objects_v2")
        pages = paginator.paginate(Bucket=self._bucket, Prefix=prefix, **of_list)
        for page in pages:
            for item in page.get("Contents", ()):
                content = self._content(item["Key"])
                if content is None:
                    continue
                try:
                    yield manifests.decode(content)
                except Malformed as error:
                    yield error

    def _content(self, key: str) -> bytes | None:
        """None where the object has gone since it was listed."""
        try:
            return bytes(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except ClientError:
            # To who may not list the whole bucket S3 does not say that it is gone, but that he may not read it.
            if "Contents" in self._client.list_objects_v2(Bucket=self._bucket, Prefix=key):
                raise
            return None

    def gather(self) -> Gathered:
        """The batches to be done: everything pending, small manifests merged, each as it now stands in the bucket.

        Safe at any crash: a merged manifest is written before those it took over are removed, and their removal is
        finished, by whichever run comes next, before it is done. So no object is ever in two batches of one run.
        """
        found = list(self.pending())
        pending = [manifest for manifest in found if isinstance(manifest, Manifest)]
        taken_over = {batch_id for manifest in pending for batch_id in manifest.merged_from}
        self._remove(taken_over)
        batches = list(manifests.merged(manifest for manifest in pending if manifest.batch_id not in taken_over))
        for batch in batches:
            if batch not in pending:
                self.add(batch)
                self._remove(batch.merged_from)
        return Gathered(batches, [error for error in found if isinstance(error, Malformed)])

    def _remove(self, batch_ids: Iterable[str]) -> None:
        for batch_id in batch_ids:
            self._client.delete_object(Bucket=self._bucket, Key=f"{manifests.PENDING}{batch_id}.json")

    def finish(self, manifest: Manifest) -> None:
        """Moves ``manifest`` to done. Twice is as good as once."""
        key = f"{manifests.DONE}{manifest.batch_id}.json"
        self._client.put_object(Bucket=self._bucket, Key=key, Body=manifests.encode(manifest))
        self._remove([manifest.batch_id])


def _time_of(name: str) -> datetime | None:
    try:
        return datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
