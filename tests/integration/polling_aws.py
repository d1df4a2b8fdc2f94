"""An AWS in memory (moto) with what the dispatcher and the poller use in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

from tests.integration.moto_aws import moto_aws

INTEGRATIONS_TABLE = "pousada-test-integrations"
SYNC_STATE_TABLE = "pousada-test-sync-state"
POLL_QUEUE = "pousada-test-poll"


@contextmanager
def polling_aws() -> Iterator[None]:
    with moto_aws(), pytest.MonkeyPatch.context() as environment:
        environment.setenv("INTEGRATIONS_TABLE", INTEGRATIONS_TABLE)
        environment.setenv("SYNC_STATE_TABLE", SYNC_STATE_TABLE)
        _make_table(INTEGRATIONS_TABLE, "property_id", "vendor")
        environment.setenv("POLL_QUEUE_URL", make_polling_resources())
        yield


def make_polling_resources() -> str:
    """What polling has beside the integrations; returns the queue's URL."""
    _make_table(SYNC_STATE_TABLE, "pk", "sk")
    return str(boto3.client("sqs").create_queue(QueueName=POLL_QUEUE)["QueueUrl"])


def table(name: str) -> Any:
    return boto3.resource("dynamodb").Table(name)


def queue_url() -> str:
    return str(boto3.client("sqs").get_queue_url(QueueName=POLL_QUEUE)["QueueUrl"])


def _make_table(name: str, partition_key: str, sort_key: str) -> None:
    boto3.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": partition_key, "KeyType": "HASH"},
            {"AttributeName": sort_key, "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": partition_key, "AttributeType": "S"},
            {"AttributeName": sort_key, "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
