"""What is logged and counted of a call.

Metrics (namespace of the stage; dimension service), at every call, zeros as well:

    BatchesStored           count; batches done here
    JobRunsStarted          count; 1 where the Glue job was left to do them
    EtlDurationMs           milliseconds that the batches took here; the Glue job counts its own runs', and those that
                            it has not counted yet, or was ended before it could, are counted here as well
    EtlRecords              count; raw records in the batches done here; the Glue job counts its own
    EtlRecordsRefused       count; of them what went into the quarantine; the Glue job counts its own
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.etl.choice import Taken

logger = Logger(service="pousada")  # the job's own lines come through it too: theirs is called pousada.etl
metrics = Metrics(service="pousada")


def told(taken: Taken) -> dict[str, Any]:
    metrics.add_metric("BatchesStored", MetricUnit.Count, taken.stored)
    metrics.add_metric("JobRunsStarted", MetricUnit.Count, 1 if taken.started else 0)
    facts: dict[str, Any] = msgspec.to_builtins(taken)
    logger.info("batches taken", **facts)
    return facts


def of_job(lasted: timedelta | None) -> None:
    """What a run of the job that did not tell it has ``lasted``."""
    if lasted is not None:
        metrics.add_metric("EtlDurationMs", MetricUnit.Milliseconds, lasted / timedelta(milliseconds=1))


def stored(records: int, refused: int, seconds: float) -> None:
    metrics.add_metric("EtlDurationMs", MetricUnit.Milliseconds, seconds * 1000)
    metrics.add_metric("EtlRecords", MetricUnit.Count, records)
    metrics.add_metric("EtlRecordsRefused", MetricUnit.Count, refused)
