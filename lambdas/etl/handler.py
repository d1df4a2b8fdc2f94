"""Every hour: the pending batches into PostgreSQL and Parquet, here if they are small, by the Glue job if not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, NoReturn

import boto3
import msgspec

from glue_jobs import etl
from lambdas.etl import telemetry
from lambdas.etl.choice import take_pending
from lambdas.etl.job_runs import JobRuns
from shared.settings import read


class Settings(etl.Settings, frozen=True, kw_only=True):
    glue_job: str


class Order(msgspec.Struct, frozen=True):
    """What the event may say; the schedule's says nothing."""

    small_batch_bytes: int | None = None
    """In place of the configured limit: 0 has the Glue job do whatever there is."""


@telemetry.logger.inject_lambda_context
@telemetry.metrics.log_metrics
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Returns ``Taken``. Fails where a batch did, after trying them all: what is pending is tried again."""
    settings, order = read(Settings), msgspec.convert(event, Order)
    if order.small_batch_bytes is not None:
        settings = msgspec.structs.replace(settings, small_batch_bytes=order.small_batch_bytes)
    runs = JobRuns(settings.glue_job, boto3.client("glue"))
    telemetry.of_job(runs.untold(datetime.now(UTC)))
    with closing(etl.Job(settings, _no_spark)) as job, _counted(job):
        taken = take_pending(
            job, runs, settings.small_batch_bytes, lambda: context.get_remaining_time_in_millis() / 1000
        )
    return telemetry.told(taken)


def _no_spark() -> NoReturn:
    raise AssertionError("a batch above the limit was begun here")


@contextmanager
def _counted(job: etl.Job) -> Iterator[None]:
    """Where a batch fails, those that were stored are told all the same."""
    began = perf_counter()
    try:
        yield
    finally:
        records = sum(outcome.records for outcome in job.stored)
        refused = sum(sum(outcome.refused.values()) for outcome in job.stored)
        telemetry.stored(records, refused, perf_counter() - began)
