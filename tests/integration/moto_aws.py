"""An AWS in memory (moto) with the webhook function's resources in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import botocore.loaders
import botocore.session
import pytest
from moto import mock_aws

from shared.storage.secret_stores import SecretTable
from shared.storage.secrets import Secrets

REGION = "eu-west-1"
RAW_BUCKET = "pousada-test-raw"
IDEMPOTENCY_TABLE = "pousada-test-webhook-idempotency"
HOTEL_SECRETS_TABLE = "pousada-test-hotel-secrets"
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "RAW_BUCKET": RAW_BUCKET,
    "IDEMPOTENCY_TABLE": IDEMPOTENCY_TABLE,
    "HOTEL_SECRETS_TABLE": HOTEL_SECRETS_TABLE,
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


def hotel_secrets() -> Secrets:
    return Secrets(SecretTable(lambda: boto3.client("dynamodb"), HOTEL_SECRETS_TABLE))


def fresh_session() -> boto3.Session:
    session = botocore.session.get_session()
    session.register_component("data_loader", _LOADER)
    return boto3.Session(botocore_session=session)


def _make_resources() -> None:
    boto3.client("s3").create_bucket(Bucket=RAW_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for table, key in ((IDEMPOTENCY_TABLE, "id"), (HOTEL_SECRETS_TABLE, "name")):
        boto3.client("dynamodb").create_table(
            TableName=table,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
