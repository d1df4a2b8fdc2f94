"""An AWS in memory (moto) with the webhook function's resources in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import botocore.loaders
import botocore.session
import pytest
from moto import mock_aws

REGION = "eu-west-1"
RAW_BUCKET = "pousada-test-raw"
IDEMPOTENCY_TABLE = "pousada-test-webhook-idempotency"
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "RAW_BUCKET": RAW_BUCKET,
    "IDEMPOTENCY_TABLE": IDEMPOTENCY_TABLE,
}
# Shared, since reading botocore's service models anew takes a test longer than all it does with them.
_LOADER = botocore.loaders.create_loader()


@contextmanager
def moto_aws() -> Iterator[None]:
    """boto3's default session is a fresh one inside, so that faults hung on it end with it."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.delenv("AWS_ENDPOINT_URL", raising=False)
        environment.delenv("AWS_PROFILE", raising=False)
        for name, value in ENVIRONMENT.items():
            environment.setenv(name, value)
        environment.setattr(boto3, "DEFAULT_SESSION", fresh_session())
        _make_resources()
        yield


def fresh_session() -> boto3.Session:
    session = botocore.session.get_session()
    session.register_component("data_loader", _LOADER)
    return boto3.Session(botocore_session=session)


def _make_resources() -> None:
    boto3.client("s3").create_bucket(Bucket=RAW_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    boto3.client("dynamodb").create_table(
        TableName=IDEMPOTENCY_TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
