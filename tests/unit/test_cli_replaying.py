"""Replay: the same event S3 sends, in tens, and none lost where the bus takes only some."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from scripts.cli.replaying import objects_of, replay
from shared.errors import NotFound, StoreUnavailable
from shared.storage.raw_lake import RawObject

FOLDER = "hostpms/PT-LIS-001/polling/booking"


class Lake:
    def __init__(self, *keys: str) -> None:
        self._objects = [RawObject(key, 100 + number) for number, key in enumerate(sorted(keys))]

    def list(self, prefix: str) -> Iterator[RawObject]:
        return (item for item in self._objects if item.key.startswith(prefix))


class Bus:
    """Refuses the first ``refusals`` entries it is given."""

    def __init__(self, refusals: int = 0) -> None:
        self.calls: list[list[dict[str, str]]] = []
        self.taken: list[dict[str, str]] = []
        self._refusals = refusals

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:
        self.calls.append(Entries)
        results: list[dict[str, str]] = []
        for entry in Entries:
            if self._refusals > 0:
                self._refusals -= 1
                results.append({"ErrorCode": "ThrottlingException"})
            else:
                self.taken.append(entry)
                results.append({"EventId": "1"})
        return {"FailedEntryCount": sum("ErrorCode" in r for r in results), "Entries": results}


def keys_of(bus: Bus) -> list[str]:
    return [json.loads(entry["Detail"])["object"]["key"] for entry in bus.taken]


def objects(count: int) -> list[RawObject]:
    return [RawObject(f"{FOLDER}/2026/03/01/run-{number:05d}.ndjson.gz", number) for number in range(count)]


def test_an_object_is_replayed_as_s3_would_have_told_it() -> None:
    bus = Bus()

    list(replay(bus, "pousada-local-raw", [RawObject("a/key", 42)]))

    (entry,) = bus.taken
    assert (entry["Source"], entry["DetailType"]) == ("pousada.replay", "Object Created")
    assert json.loads(entry["Detail"]) == {
        "bucket": {"name": "pousada-local-raw"},
        "object": {"key": "a/key", "size": 42},
    }


@pytest.mark.parametrize(("count", "batches"), [(0, []), (1, [1]), (10, [10]), (23, [10, 10, 3])])
def test_objects_go_in_tens_the_most_one_call_takes(count: int, batches: list[int]) -> None:
    bus = Bus()

    assert list(replay(bus, "raw", objects(count))) == batches
    assert keys_of(bus) == [item.key for item in objects(count)]


def test_what_the_bus_refuses_is_put_again_and_only_that() -> None:
    bus, pauses = Bus(refusals=3), list[float]()

    list(replay(bus, "raw", objects(10), pauses.append))

    assert sorted(keys_of(bus)) == [item.key for item in objects(10)]
    assert [len(call) for call in bus.calls] == [10, 3]
    assert len(pauses) == 1


def test_a_bus_that_goes_on_refusing_is_an_error_and_not_a_silence() -> None:
    with pytest.raises(StoreUnavailable, match="refused 1 events"):
        list(replay(Bus(refusals=1000), "raw", objects(1), lambda _: None))


def test_an_objects_own_key_is_asked_for_and_not_what_begins_like_it() -> None:
    lake: Any = Lake("a/b/c.json", "a/b/c.json.bak")

    assert [item.key for item in objects_of(lake, ["a/b/c.json"])] == ["a/b/c.json"]
    with pytest.raises(NotFound):
        list(objects_of(lake, ["a/b/c"]))
