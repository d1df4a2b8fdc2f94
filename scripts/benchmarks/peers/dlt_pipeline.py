"""dlt's turn: the same pages into PostgreSQL, merged by id, and into Parquet. Runs in an environment of its own.

    python dlt_pipeline.py FOLDER DSN LAKE STATE default|tuned

Whole pages are yielded and orjson decodes them, as its documentation advises. ``tuned`` does besides what there is to
be done for speed: two processes normalise, PostgreSQL is loaded by COPY of CSV and merges by its upsert strategy.
Nothing is mapped or checked: records are stored as the vendor names and nests them. Prints each part's seconds as JSON.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import dlt
import orjson

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
TUNED = {
    "NORMALIZE__WORKERS": "2",
    "NORMALIZE__START_METHOD": "fork",
    "DATA_WRITER__FILE_MAX_ITEMS": "50000",  # or there is one file, and one process to normalise it
    "DATA_WRITER__BUFFER_MAX_ITEMS": "10000",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
}


def main(folder: str, dsn: str, lake: str, state: str, how: str) -> None:
    tuned = how == "tuned"
    os.environ |= TUNED if tuned else {}
    merge = {"disposition": "merge", "strategy": "upsert" if tuned else "delete-insert"}

    @dlt.resource(name="bookings", primary_key="reservation_id", write_disposition=merge)
    def merged() -> Iterator[list[Any]]:
        yield from _pages(Path(folder))

    @dlt.resource(name="bookings", write_disposition="append")
    def appended() -> Iterator[list[Any]]:
        yield from _pages(Path(folder))

    began = perf_counter()
    pipeline = dlt.pipeline("postgres", destination=dlt.destinations.postgres(dsn), pipelines_dir=state)
    pipeline.run(merged(), loader_file_format="csv" if tuned else None).raise_on_failed_jobs()
    stored = perf_counter()
    pipeline = dlt.pipeline("lake", destination=dlt.destinations.filesystem(lake), pipelines_dir=state)
    pipeline.run(appended(), loader_file_format="parquet").raise_on_failed_jobs()
    print(json.dumps({"postgres": stored - began, "parquet": perf_counter() - stored}))


def _pages(folder: Path) -> Iterator[list[Any]]:
    for page in sorted(folder.iterdir()):
        yield [orjson.loads(line)["payload"] for line in gzip.decompress(page.read_bytes()).splitlines()]


if __name__ == "__main__":
    main(*sys.argv[1:])
