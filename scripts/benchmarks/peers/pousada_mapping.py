"""Our turn on DuckDB's ground: the batch path's own map tasks over the same files, written to the same disk.

    python -m scripts.benchmarks.peers.pousada_mapping FOLDER OUT

Two processes, neither Spark nor S3. Everything else is as in the job: rules, warnings, quarantine, provenance, phone
numbers. Prints the seconds and the rows as JSON.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from unittest import mock

from glue_jobs import batch
from glue_jobs.batch import Batch, Plan, map_group
from glue_jobs.outcome import Outcome
from scripts.benchmarks.pages import PROPERTY
from shared.pipeline.manifest import Manifest, ObjectAddress
from shared.pipeline.raw_keys import page_key

CORES = 2
_NOW = datetime.now(UTC)


class _Files:
    """The raw lake, and the processed lake, as files."""

    def __init__(self, pages: Path, out: Path) -> None:
        self._pages = pages
        self._out = out

    def many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        return ((key, gzip.decompress((self._pages / _file(key)).read_bytes())) for key in keys)

    def put(self, key: str, content: bytes) -> None:
        (self._out / key.replace("/", "_")).write_bytes(content)


def _file(key: str) -> str:
    return key.rpartition("-")[2]


def main(folder: str, out: str) -> None:
    pages = sorted(Path(folder).iterdir())
    addresses = tuple(
        ObjectAddress(page_key("hostpms", PROPERTY, "booking", _NOW, "run", number), page.stat().st_size)
        for number, page in enumerate(pages, start=1)
    )
    groups = list(enumerate(Manifest("benchmark", _NOW, addresses).groups()))
    with ProcessPoolExecutor(CORES, initializer=_begin, initargs=(Path(folder), Path(out))) as pool:
        # Each has started, and imported what it needs, as a worker of a long run has.
        list(pool.map(_map, [(len(groups), (addresses[0],))] * CORES, chunksize=1))
        began = perf_counter()
        outcomes = list(pool.map(_map, groups, chunksize=1))
        seconds = perf_counter() - began
    total = Outcome()
    for outcome in outcomes:
        total.add(outcome)
    print(json.dumps({"seconds": seconds, "rows": dict(total.rows)}))


def _begin(pages: Path, out: Path) -> None:
    lake = _Files(pages, out)
    mock.patch.multiple(batch, _raw_lake=lambda _: lake, _processed_lake=lambda _: lake).start()


def _map(numbered: tuple[int, tuple[ObjectAddress, ...]]) -> Outcome:
    number, group = numbered
    plan = Plan("raw", "processed", "none", {("hostpms", PROPERTY): "Europe/Lisbon"}, upsert=False)
    outcome = Outcome()
    for _ in map_group(number, group, Batch("benchmark", _NOW, 1), plan, outcome.add):
        pass
    return outcome


if __name__ == "__main__":
    main(*sys.argv[1:])
