"""What a quiet hour costs in the function etl: seconds and memory, from a cold start.

Each run is a fresh process that imports the function's handler, as Lambda's init phase does, and then calls it. It has
the standard library's bytecode and no other, like a function whose layers are built without any. The raw objects and
the manifests lie in the embedded S3, the rows go into empty tables of the embedded PostgreSQL. The work is one
process's, as it is on the one processor that the function has; the servers beside it take the other.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psycopg

from scripts.benchmarks.cold_start import forget_packages
from scripts.benchmarks.pages import EVENT, PROPERTY, delivered, onboard, polled
from scripts.local.environment import REGION, ROOT
from scripts.local.stack import LocalStack
from scripts.simulators.hostpms.bulk import reservations
from shared.model.columns import TABLES
from shared.names import WRITER_LOGIN
from shared.pipeline.envelope import encode, encode_page
from shared.pipeline.manifest import ObjectAddress, RawEvent, manifest_of
from shared.pipeline.raw_keys import page_key, webhook_key
from shared.storage.manifests import Manifests
from shared.storage.raw_lake import RawLake

PAGE_RECORDS = 1_000
_SEED = 7
# Of its own: what lands there announces itself to nobody, and no other function takes it up beside the one measured.
_RAW_BUCKET = "pousada-bench-raw"
_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_LAMBDA = """
import json, resource, time
from pathlib import Path
from types import SimpleNamespace
began = time.perf_counter()
from lambdas.etl.handler import handle
initialised = time.perf_counter()
context = SimpleNamespace(function_name="etl", memory_limit_in_mb=0, invoked_function_arn="", aws_request_id="",
                          get_remaining_time_in_millis=lambda: 900_000)
answer = handle({}, context)
used = resource.getrusage(resource.RUSAGE_SELF)
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2]
print(json.dumps({
    "init": initialised - began, "work": time.perf_counter() - initialised, "answer": answer,
    "processor": used.ru_utime + used.ru_stime, "peak_mb": int(peak.split()[0]) / 1024,
}))
"""

Say = Callable[[str], None]


class Hour(NamedTuple):
    """What comes in: records in pages of a poll, or each in a delivery of its own."""

    records: int
    deliveries: bool = False

    @property
    def name(self) -> str:
        return f"{self.records}_{'delivered' if self.deliveries else 'polled'}"


HOURS = (Hour(100), Hour(1_000), Hour(10_000), Hour(85_000), Hour(100, True), Hour(1_000, True))
"""85,000 polled records are a batch at the limit."""


def run(hours: tuple[Hour, ...] = HOURS, runs: int = 5, say: Say = lambda text: None) -> dict[str, Any]:
    """Medians of ``runs``, by hour: seconds of init, of work and of the processor; the peak memory in MB; MB of raw
    objects."""
    with TemporaryDirectory(prefix="pousada-bench-") as folder, LocalStack(Path(folder) / "state") as local:
        bench = _Bench(local, Path(folder) / "bytecode")
        return {hour.name: bench.measure(hour, runs, say) for hour in hours}


class _Bench:
    def __init__(self, local: LocalStack, bytecode: Path) -> None:
        self._local = local
        self._s3 = local.client("s3")
        self._bytecode = bytecode
        names = local.names
        self._variables = {
            "RAW_BUCKET": _RAW_BUCKET,
            "PROCESSED_BUCKET": names.processed_bucket,
            "WORK_BUCKET": names.work_bucket,
            "INTEGRATIONS_TABLE": names.integrations_table,
            "DATABASE": json.dumps({"secret": names.login_secret(WRITER_LOGIN)}),
            "SMALL_BATCH_BYTES": str(2**30),
            "GLUE_JOB": names.glue_job,
            "POWERTOOLS_TRACE_DISABLED": "true",
            "POWERTOOLS_METRICS_NAMESPACE": names.metrics_namespace,
        }
        self._s3.create_bucket(Bucket=_RAW_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        onboard(local)

    def measure(self, hour: Hour, runs: int, say: Say) -> dict[str, float]:
        addresses = self._land(hour)
        taken = []
        for number in range(runs + 1):
            self._begin(addresses)
            one = self._run(hour, compiling=number == 0)
            if number:
                taken.append(one)
                say(f"{hour.name}: {one['init']:.2f} s + {one['work']:.2f} s, {one['peak_mb']:.0f} MB")
        keys = ("init", "work", "processor", "peak_mb")
        figures = {key: round(median(one[key] for one in taken), 2) for key in keys}
        return {**figures, "raw_mb": round(sum(address.size for address in addresses) / 1e6, 3)}

    def _land(self, hour: Hour) -> list[ObjectAddress]:
        lake = RawLake(_RAW_BUCKET, self._s3)
        for key, content in _objects(hour):
            lake.put(key, content)
        return [ObjectAddress(found.key, found.size) for found in lake.list("") if hour.name in found.key]

    def _begin(self, addresses: list[ObjectAddress]) -> None:
        """As at the hour: the manifest pending, the tables empty."""
        with psycopg.connect(self._local.dsn, autocommit=True) as connection:
            connection.execute(f"TRUNCATE {', '.join(f'hotel.{table}' for table in TABLES.values())}")
        bucket = RawEvent.Detail.Bucket(_RAW_BUCKET)
        events = [RawEvent(_NOW, RawEvent.Detail(bucket, address)) for address in addresses]
        Manifests(self._local.names.work_bucket, self._s3).add(manifest_of(events))

    def _run(self, hour: Hour, compiling: bool) -> dict[str, Any]:
        """``compiling`` leaves the standard library's bytecode to the runs that follow."""
        python = {"PYTHONPYCACHEPREFIX": str(self._bytecode), "PYTHONPATH": str(ROOT)}
        python |= {} if compiling else {"PYTHONDONTWRITEBYTECODE": "1"}
        command, environment = [sys.executable, "-c", _LAMBDA], {**self._local.environment, **self._variables, **python}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        forget_packages(str(self._bytecode))
        if done.returncode:
            raise RuntimeError(f"the function failed:\n{done.stderr[-4000:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        if found["answer"]["records"] != hour.records:
            raise RuntimeError(f"the function took {found['answer']['records']} records, not {hour.records}")
        return found


def _objects(hour: Hour) -> Iterator[tuple[str, bytes]]:
    records = reservations(hour.records, _SEED, property_id=PROPERTY)
    if hour.deliveries:
        for number, record in enumerate(records):
            key = webhook_key("hostpms", PROPERTY, EVENT, _NOW, record, f"{hour.name}-{number}")
            yield key, encode(delivered(record, _NOW))
        return
    number = 0
    while page := list(islice(records, PAGE_RECORDS)):
        number += 1
        envelopes = (polled(record, _NOW) for record in page)
        yield page_key("hostpms", PROPERTY, "booking", _NOW, hour.name, number), encode_page(envelopes)
