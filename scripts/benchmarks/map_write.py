"""One pass of the batch job without PostgreSQL: ``python -m scripts.benchmarks.map_write``, in the job's environment.

Prints the outcome as the job does. What is measured is the rate at which records are mapped and written, as a run of
many hours would have it: Spark has started, and each worker has imported what it needs, on pages of a batch of its own.
"""

from __future__ import annotations

import json
from time import perf_counter

import boto3
import msgspec

from glue_jobs.cluster import Cluster
from glue_jobs.etl import Settings, plan_of
from shared.settings import read
from shared.storage.manifests import Manifests


def main() -> None:
    settings = read(Settings)
    with Cluster() as cluster:
        plan = plan_of(settings, upsert=False)
        batches = Manifests(settings.work_bucket, boto3.client("s3")).gather().batches
        groups = batches[0].groups()[: cluster.cores]  # one for each worker
        warm_up = tuple(address for group in groups for address in group)
        cluster.distribute(msgspec.structs.replace(batches[0], batch_id="warm-up", objects=warm_up), plan)
        for batch in batches:
            began = perf_counter()
            outcome = cluster.distribute(batch, plan)
            outcome.seconds["total"] = perf_counter() - began
            print(json.dumps({"message": "stored", "batch": batch.batch_id, **vars(outcome)}))


if __name__ == "__main__":
    main()
