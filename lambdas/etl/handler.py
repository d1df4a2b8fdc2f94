"""Every hour: the pending batches into PostgreSQL and Parquet, here if they are small, by the Glue job if not."""

from __future__ import annotations

from contextlib import closing
from typing import Any, NoReturn

import boto3
import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from glue_jobs import etl
from lambdas.etl.choice import Taken, take_pending
from lambdas.etl.job_runs import JobRuns
from shared.settings import read

logger = Logger(service="pousada")  # the job's own lines come through it too: theirs is called pousada.etl
metrics = Metrics(namespace="Pousada", service="pousada")


class Settings(etl.Settings, frozen=True, kw_only=True):
    glue_job: str


class Order(msgspec.Struct, frozen=True):
    """What the event may say; the schedule's says nothing."""

    small_batch_bytes: int | None = None
    """In place of the configured limit: 0 has the Glue job do whatever there is."""


@logger.inject_lambda_context
@metrics.log_metrics
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Returns ``Taken``. Fails where a batch did, after trying them all: what is pending is tried again."""
    settings, order = read(Settings), msgspec.convert(event, Order)
    if order.small_batch_bytes is not None:
        settings = msgspec.structs.replace(settings, small_batch_bytes=order.small_batch_bytes)
    runs = JobRuns(settings.glue_job, boto3.client("glue"))
    with closing(etl.Job(settings, _no_spark)) as job:
        taken = take_pending(
            job, runs, settings.small_batch_bytes, lambda: context.get_remaining_time_in_millis() / 1000
        )
    return _told(taken)


def _no_spark() -> NoReturn:
    raise AssertionError("a batch above the limit was begun here")


def _told(taken: Taken) -> dict[str, Any]:
    metrics.add_metric("BatchesStored", MetricUnit.Count, taken.stored)
    metrics.add_metric("JobRunsStarted", MetricUnit.Count, 1 if taken.started else 0)
    told: dict[str, Any] = msgspec.to_builtins(taken)
    logger.info("batches taken", **told)
    return told
