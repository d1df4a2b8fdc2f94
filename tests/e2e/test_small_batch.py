"""A quiet hour on the deployed stacks: the function etl stores it itself, and no job runs."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from scripts.local.stack import LocalStack
from shared.pipeline.manifest import DONE, PENDING, decode
from tests.e2e.batches import store_pending
from tests.e2e.hotels import Hotel
from tests.e2e.waiting import eventually
from tests.factories import record, text

PROPERTY = "PT-EVO-701"
RESERVATIONS = {f"RSV-{number}" for number in range(1, 4)}


def job_runs(local: LocalStack) -> int:
    return len(local.client("glue").get_job_runs(JobName=local.names.glue_job)["JobRuns"])


def keys_in_manifests(local: LocalStack, prefix: str) -> set[str]:
    """Every raw key of a batch that is pending, or done."""
    s3, bucket = local.client("s3"), local.names.work_bucket
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    bodies = (s3.get_object(Bucket=bucket, Key=item["Key"]) for page in pages for item in page.get("Contents", ()))
    return {address.key for body in bodies for address in decode(body["Body"].read()).objects}


def lake_reservations(local: LocalStack) -> list[str]:
    s3, bucket = local.client("s3"), local.names.processed_bucket
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="bookings/")
    files = [item["Key"] for page in pages for item in page.get("Contents", ())]
    tables = (pq.read_table(pa.BufferReader(s3.get_object(Bucket=bucket, Key=key)["Body"].read())) for key in files)
    return [row["external_id"] for table in tables for row in table.to_pylist() if row["hotel_id"] == PROPERTY]


def test_a_quiet_hour_is_stored_by_the_function_and_no_job_runs(deployed: LocalStack) -> None:
    hotel = Hotel(deployed, PROPERTY).take_in()
    for name in RESERVATIONS:
        hotel.accepts(text(record("booking", reservation_id=name, property_id=PROPERTY)))
    landed = hotel.raw_objects().keys()
    eventually(lambda: landed <= keys_in_manifests(deployed, PENDING), "every raw object in a manifest")
    runs = job_runs(deployed)

    taken = store_pending(deployed)

    assert (taken["stored"] >= 1, taken["records"] >= 3) == (True, True)
    assert (taken["started"], taken["at_work"], job_runs(deployed)) == (None, None, runs)
    assert len(landed) == 3
    assert landed <= keys_in_manifests(deployed, DONE)
    assert not landed & keys_in_manifests(deployed, PENDING)
    assert sorted(lake_reservations(deployed)) == sorted(RESERVATIONS)
    assert {row["external_id"] for row in hotel.rows("booking")} == RESERVATIONS
