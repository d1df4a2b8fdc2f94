"""Raw objects sent through the pipeline again: the event S3 sends, under a source of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from shared.errors import NotFound, StoreUnavailable
from shared.pipeline.manifest import REPLAY
from shared.storage.raw_lake import RawLake, RawObject

DETAIL_TYPE = "Object Created"
BATCH = 10
"""The most that one PutEvents takes."""
_ATTEMPTS = 5


def objects_of(lake: RawLake, keys: Iterable[str]) -> Iterator[RawObject]:
    """The objects with exactly these keys. Raises NotFound for one that is there no more."""
    for key in keys:
        found = next((item for item in lake.list(key) if item.key == key), None)
        if found is None:
            raise NotFound("a quarantined record's raw object is gone", fix="restore it from its versions", key=key)
        yield found


def replay(
    events: Any, bucket: str, objects: Iterable[RawObject], pause: Callable[[float], None] = time.sleep
) -> Iterator[int]:
    """Puts each object's event on the bus; yields how many after each batch. ``events`` is a boto3 client.

    Raises StoreUnavailable where the bus goes on refusing.
    """
    remaining = iter(objects)
    while batch := list(islice(remaining, BATCH)):
        _put(events, [entry(bucket, item) for item in batch], pause)
        yield len(batch)


def entry(bucket: str, item: RawObject) -> dict[str, str]:
    detail = {"bucket": {"name": bucket}, "object": {"key": item.key, "size": item.size}}
    return {"Source": REPLAY, "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail)}


def _put(events: Any, entries: list[dict[str, str]], pause: Callable[[float], None]) -> None:
    """PutEvents may take some and refuse others: only those are put again."""
    for attempt in range(_ATTEMPTS):
        answer = events.put_events(Entries=entries)
        if not answer["FailedEntryCount"]:
            return
        entries = [sent for sent, result in zip(entries, answer["Entries"], strict=True) if "ErrorCode" in result]
        pause(2.0**attempt)
    fix = "replay again: it changes nothing twice"
    raise StoreUnavailable(f"the bus refused {len(entries)} events {_ATTEMPTS} times", fix=fix)
