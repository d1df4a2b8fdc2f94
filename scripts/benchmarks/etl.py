"""What the batch path costs: raw HostPMS reservations in the embedded S3 → Parquet there and rows in PostgreSQL.

The stacks are really deployed, and the objects reach their manifests by S3's events, the queue and the function.
Four passes, each a fresh process of the Glue job's own code, Spark's start included in its time end to end:

    map_write   mapping and Parquet alone, Spark's start left out (``scripts.benchmarks.map_write``)
    insert      all records into empty tables
    unchanged   the same raw objects again: nothing may be written
    updated     new pages, half of whose records have changed; the other half moves on in order alone
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep
from typing import Any
from uuid import uuid4

from scripts.benchmarks.pages import PROPERTY, onboard, pages
from scripts.local.environment import ROOT
from scripts.local.stack import LocalStack
from shared.names import WRITER_LOGIN
from shared.pipeline import manifest as manifests
from shared.pipeline.raw_keys import page_key
from shared.storage.raw_lake import RawLake

PASSES = ("map_write", "insert", "unchanged", "updated")
CORES = 2

Say = Callable[[str], None]


def run(
    records: int, passes: Sequence[str] = PASSES, cores: int = CORES, say: Say = lambda text: None
) -> dict[str, Any]:
    """Rates per second, peak memory of a worker and seconds by stage.

    ``passes``: some of ``PASSES``, in their order; those after ``insert`` need it.
    """
    with TemporaryDirectory(prefix="pousada-bench-") as folder, LocalStack(Path(folder)) as local:
        bench = _Bench(local, records, cores, say)
        onboard(local)
        bench.land(updated_every=0)
        taken = {name: bench.take(name) for name in passes}
    return {
        "records": records,
        **{f"{name}_per_s": round(records / _seconds(name, one)) for name, one in taken.items()},
        "worker_peak_rss_mb": round(max(one["peak_rss_mb"] for one in taken.values())),
        "seconds": {
            f"{name}.{stage}": round(seconds, 2)
            for name, one in taken.items()
            for stage, seconds in {"wall": one["wall"], **one["stages"]}.items()
        },
        "rows": {name: one["rows"] for name, one in taken.items()},
        "written": {name: one["written"] for name, one in taken.items()},
    }


def _seconds(name: str, outcome: dict[str, Any]) -> float:
    """Of a pass: end to end, but of mapping and writing alone what it takes once Spark has started."""
    seconds: float = outcome["stages"]["total"] if name == "map_write" else outcome["wall"]
    return seconds


class _Bench:
    def __init__(self, local: LocalStack, records: int, cores: int, say: Say) -> None:
        self._local = local
        self._records = records
        self._cores = cores
        self._say = say
        self._s3 = local.client("s3")

    def land(self, updated_every: int) -> None:
        """Puts the records as pages, and waits until each page is in a pending manifest."""
        lake, run_id, started = RawLake(self._local.names.raw_bucket, self._s3), uuid4().hex[:12], datetime.now(UTC)
        began, landed = perf_counter(), 0
        for number, page in enumerate(pages(self._records, started, updated_every), start=1):
            lake.put(page_key("hostpms", PROPERTY, "booking", started, run_id, number), page)
            landed = number
        self._say(f"{self._records:,} records landed in {landed} objects ({perf_counter() - began:.1f} s)")
        self._await(landed)

    def _await(self, pages: int) -> None:
        deadline = monotonic() + 300
        while sum(len(manifest.objects) for manifest in self._manifests(manifests.PENDING)) < pages:
            if monotonic() > deadline:
                raise TimeoutError("the pages did not reach a manifest within five minutes")
            sleep(0.5)

    def _repeat(self) -> None:
        """Makes every manifest pending again."""
        for manifest in list(self._manifests(manifests.DONE)):
            key = f"{manifests.PENDING}{manifest.batch_id}.json"
            self._s3.put_object(Bucket=self._local.names.work_bucket, Key=key, Body=manifests.encode(manifest))

    def _manifests(self, prefix: str) -> Iterator[manifests.Manifest]:
        bucket = self._local.names.work_bucket
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                yield manifests.decode(self._s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())

    def take(self, name: str) -> dict[str, Any]:
        """One run of the job in a process of its own; returns its outcome and the wall time."""
        if name == "unchanged":
            self._repeat()
        if name == "updated":
            self.land(updated_every=2)
        module = "scripts.benchmarks.map_write" if name == "map_write" else "glue_jobs.etl"
        names = self._local.names
        environment = self._local.environment | {
            "RAW_BUCKET": names.raw_bucket,
            "PROCESSED_BUCKET": names.processed_bucket,
            "WORK_BUCKET": names.work_bucket,
            "INTEGRATIONS_TABLE": names.integrations_table,
            "DATABASE": json.dumps({"secret": names.login_secret(WRITER_LOGIN)}),
            "POUSADA_SPARK_CORES": str(self._cores),
            "METRICS_NAMESPACE": names.metrics_namespace,
            "SMALL_BATCH_BYTES": "0",
        }
        began = perf_counter()
        command = [sys.executable, "-m", module]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        wall = perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"the job failed in the pass {name}:\n{done.stderr[-4000:]}")
        outcome = _sum(json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"message": "stored"'))
        if outcome["records"] != self._records:
            raise RuntimeError(f"the pass {name} took {outcome['records']} records, not {self._records}")
        self._say(f"{name}: {wall:.1f} s, {self._records / wall:,.0f} records/s end to end")
        return {**outcome, "wall": wall}


def _sum(rounds: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {"records": 0, "rows": {}, "written": {}, "stages": {}, "peak_rss_mb": 0.0}
    for one in rounds:
        total["records"] += one["records"]
        total["peak_rss_mb"] = max(total["peak_rss_mb"], one["peak_rss_mb"])
        for key, source in (("rows", "rows"), ("written", "written"), ("stages", "seconds")):
            for name, value in one[source].items():
                total[key][name] = total[key].get(name, 0) + value
    return total
