"""Live queue → PostgreSQL: the raw objects just landed become rows, seconds after they came."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.apply.report import report
from shared.errors import Malformed
from shared.pipeline.live import apply_objects
from shared.pipeline.manifest import read_event
from shared.settings import EnvironmentModel, read
from shared.storage.database_address import open_database
from shared.storage.integrations import Integrations
from shared.storage.property_contexts import PropertyContexts
from shared.storage.raw_lake import RawLake
from shared.storage.unified_store import UnifiedStore

logger = Logger(service="pousada")
metrics = Metrics(service="pousada")


class Settings(EnvironmentModel, frozen=True):
    raw_bucket: str
    integrations_table: str
    database: str


@cache
def _raw_lake() -> RawLake:
    return RawLake(read(Settings).raw_bucket, boto3.client("s3"))


@cache
def _contexts() -> PropertyContexts:
    return PropertyContexts(Integrations(boto3.resource("dynamodb").Table(read(Settings).integrations_table)))


@cache
def _store() -> UnifiedStore:
    return UnifiedStore(open_database(read(Settings).database, "pousada-apply", boto3.client))


@logger.inject_lambda_context
@metrics.log_metrics
def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """SQS event → the messages to be tried again (partial batch response)."""
    messages: dict[str, str] = {}
    failed: list[str] = []
    for record in event["Records"]:
        try:
            messages[record["messageId"]] = read_event(record["body"]).detail.object.key
        except Malformed as error:
            logger.error("message is no raw event", error=error.message)
            metrics.add_metric("ApplyFailed", MetricUnit.Count, 1)
            failed.append(record["messageId"])
    applied = apply_objects(messages.values(), _raw_lake().many, _contexts(), _store())
    report(applied, logger, metrics)
    failed += [message for message, key in messages.items() if key in applied.failed]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}
