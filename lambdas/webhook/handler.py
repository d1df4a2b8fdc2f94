"""``POST /webhooks/{vendor}/{propertyId}/{event}``: verify, land once, acknowledge (DESIGN.md §3).

Lean, because the vendor waits: no pydantic, HTTP client or database driver is imported on this path.
"""

from __future__ import annotations

import os
from functools import cache
from time import perf_counter
from typing import Any

import boto3
from aws_lambda_powertools.logging import correlation_paths
from botocore.config import Config

from lambdas.webhook import answers, telemetry
from lambdas.webhook.landing import Landing
from lambdas.webhook.receiver import Receiver
from shared.errors import PousadaError
from shared.pipeline import delivery
from shared.settings import EnvironmentModel, read
from shared.storage.raw_lake import RawLake
from shared.storage.secret_stores import hotel_secret_store
from shared.storage.secrets import Secrets

# The strictest vendor waits five seconds: no single call of ours may wait the minute botocore would.
PATIENCE = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})


class Settings(EnvironmentModel, frozen=True):
    raw_bucket: str
    idempotency_table: str
    hotel_secrets_table: str = ""
    """Empty: Secrets Manager."""


@cache
def receiver() -> Receiver:
    settings = read(Settings)
    lake = RawLake(settings.raw_bucket, boto3.client("s3", config=PATIENCE))
    dynamodb = boto3.client("dynamodb", config=PATIENCE)
    store = hotel_secret_store(
        settings.hotel_secrets_table, lambda: dynamodb, lambda: boto3.client("secretsmanager", config=PATIENCE)
    )
    return Receiver(Secrets(store), Landing(lake, dynamodb, settings.idempotency_table))


# log_event=False even where POWERTOOLS_LOGGER_LOG_EVENT asks for it: the event holds guests' data.
@telemetry.logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, log_event=False)
@telemetry.metrics.log_metrics
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    started = perf_counter()
    correlation_id = telemetry.correlate(context.aws_request_id)
    address = None
    try:
        request = delivery.read(event)
        address = delivery.address_of(request)
        receipt = receiver().receive(delivery.delivery_of(request, address), context)
    except PousadaError as error:
        telemetry.refused(error, address)
        return answers.refused(error, correlation_id)
    telemetry.taken(receipt, address, perf_counter() - started)
    return answers.taken(receipt.result, correlation_id)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # Lambda's init phase: make the clients before the first delivery waits for them.
    receiver()
