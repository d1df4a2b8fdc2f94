"""What the functions and the job that store records use: buckets, one hotel's integration, the database's secret.

``storing_aws`` is an AWS in memory (moto); ``make_resources`` makes the same in whatever AWS boto3 reaches.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT_ID
from psycopg.conninfo import conninfo_to_dict

from shared.storage.integrations import Integration, Integrations
from shared.storage.raw_lake import RawLake
from tests import factories
from tests.integration.moto_aws import REGION, moto_aws


@dataclass(frozen=True)
class Resources:
    """Their names, all beginning with ``prefix``."""

    prefix: str

    @property
    def raw(self) -> str:
        return f"{self.prefix}-raw-objects"

    @property
    def processed(self) -> str:
        return f"{self.prefix}-processed"

    @property
    def work(self) -> str:
        return f"{self.prefix}-work"

    @property
    def integrations(self) -> str:
        return f"{self.prefix}-integrations"

    @property
    def secret(self) -> str:
        return f"{self.prefix}/database"

    @property
    def audit_queue(self) -> str:
        return f"{self.prefix}-audit"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "RAW_BUCKET": self.raw,
            "PROCESSED_BUCKET": self.processed,
            "WORK_BUCKET": self.work,
            "INTEGRATIONS_TABLE": self.integrations,
            "DATABASE": json.dumps({"secret": self.secret}),
            "AUDIT_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT_ID}/{self.audit_queue}",
            "AUDIT_DAYS": "2",
            "AUDIT_GRACE_HOURS": "2",
        }

    def make_audit_queue(self) -> str:
        """Its URL."""
        url = str(boto3.client("sqs").create_queue(QueueName=self.audit_queue)["QueueUrl"])
        assert url == self.environment["AUDIT_QUEUE_URL"]
        return url

    def make(self, database: str) -> None:
        """``database``: the DSN that the secret leads to."""
        for bucket in (self.raw, self.processed, self.work):
            boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        boto3.client("dynamodb").create_table(
            TableName=self.integrations,
            KeySchema=[
                {"AttributeName": "property_id", "KeyType": "HASH"},
                {"AttributeName": "vendor", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "property_id", "AttributeType": "S"},
                {"AttributeName": "vendor", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        boto3.client("secretsmanager").create_secret(Name=self.secret, SecretString=secret_of(database))
        self.onboard(factories.PROPERTY)

    def onboard(self, property_id: str, time_zone: str = factories.TIME_ZONE) -> None:
        integration = Integration(
            property_id=property_id, vendor="hostpms", time_zone=time_zone, base_url="https://x", entities=("booking",)
        )
        Integrations(boto3.resource("dynamodb").Table(self.integrations)).put(integration)

    def break_time_zone(self, property_id: str) -> None:
        """As no code of ours would write it."""
        boto3.resource("dynamodb").Table(self.integrations).update_item(
            Key={"property_id": property_id, "vendor": "hostpms"},
            UpdateExpression="SET time_zone = :none",
            ExpressionAttributeValues={":none": "Europe"},
        )

    def land(self, key: str, lines: Iterable[bytes]) -> str:
        """A raw object of envelopes: a delivery's one, or a page's."""
        RawLake(self.raw, boto3.client("s3")).put(key, factories.page(lines).rstrip())
        return key

    def files(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        client = boto3.client("s3")
        keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())]
        return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def secret_of(dsn: str) -> str:
    fields = conninfo_to_dict(dsn)
    named = {"host": "host", "port": "port", "dbname": "dbname", "username": "user", "password": "password"}
    return json.dumps({name: fields[field] for name, field in named.items()} | {"sslmode": "disable"})


@contextmanager
def storing_aws(database: str) -> Iterator[Resources]:
    resources = Resources("pousada-test")
    with moto_aws(), pytest.MonkeyPatch.context() as environment:
        for name, value in resources.environment.items():
            environment.setenv(name, value)
        resources.make(database)
        yield resources


def sqs_event(*bodies: object) -> dict[str, Any]:
    """What Lambda hands over of a queue: message ``m0`` with the first body, and so on."""
    return {
        "Records": [
            {"messageId": f"m{number}", "body": body if isinstance(body, str) else json.dumps(body)}
            for number, body in enumerate(bodies)
        ]
    }


def created(key: str, size: int = 100, time: str = "2024-03-01T10:31:00Z", source: str = "aws.s3") -> dict[str, Any]:
    """S3's event as EventBridge brings it; a replay's differs in its source alone."""
    detail = {"version": "0", "bucket": {"name": "pousada-test-raw-objects"}, "object": {"key": key, "size": size}}
    return {
        "version": "0",
        "id": "x",
        "detail-type": "Object Created",
        "source": source,
        "time": time,
        "detail": detail,
    }
