"""AWS's list prices in ``REGION``, in USD without taxes, free tier or discounts, as known on ``AS_OF``.

They were written down from knowledge of the pages named, not fetched: check them before relying on them. Where a page
has tiers, the first one's price stands here, so that large volumes come out too dear rather than too cheap.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

REGION = "eu-west-1"
AS_OF = date(2025, 6, 30)
HOURS = 730
"""In a month, as AWS reckons."""

_MILLION = 1e6


class Price(NamedTuple):
    usd: float
    unit: str
    """What one of costs ``usd``."""
    page: str
    """Where AWS tells it, below https://aws.amazon.com/."""


# -- Compute -----------------------------------------------------------------------------------------
LAMBDA_GB_SECOND = Price(0.0000133334, "GB-second on arm64", "lambda/pricing/")
LAMBDA_CALL = Price(0.20 / _MILLION, "invocation", "lambda/pricing/")
GLUE_DPU_HOUR = Price(0.44, "DPU-hour", "glue/pricing/")

# -- The door ----------------------------------------------------------------------------------------
API_REQUEST = Price(3.50 / _MILLION, "REST API request", "api-gateway/pricing/")
WAF_ACL = Price(5.00, "web ACL and month", "waf/pricing/")
WAF_RULE = Price(1.00, "rule or rule group and month", "waf/pricing/")
WAF_REQUEST = Price(0.60 / _MILLION, "request looked at", "waf/pricing/")

# -- Storage -----------------------------------------------------------------------------------------
S3_STANDARD = Price(0.023, "GB and month", "s3/pricing/")
S3_PUT = Price(0.005 / 1_000, "PUT, COPY, POST or LIST", "s3/pricing/")
S3_GET = Price(0.0004 / 1_000, "GET", "s3/pricing/")
DYNAMODB_WRITE = Price(0.705 / _MILLION, "write request unit", "dynamodb/pricing/on-demand/")
DYNAMODB_READ = Price(0.141 / _MILLION, "read request unit", "dynamodb/pricing/on-demand/")
DYNAMODB_STORED = Price(0.283, "GB and month", "dynamodb/pricing/on-demand/")
DYNAMODB_RECOVERABLE = Price(0.2264, "GB and month of point-in-time recovery", "dynamodb/pricing/on-demand/")

# -- Messages ----------------------------------------------------------------------------------------
SQS_REQUEST = Price(0.40 / _MILLION, "request", "sqs/pricing/")
# AWS's own events are free on the default bus, but for those that are opted into, S3's among them.
EVENT = Price(1.00 / _MILLION, "event of S3's", "eventbridge/pricing/")
SCHEDULED_CALL = Price(1.00 / _MILLION, "invocation of the scheduler", "eventbridge/pricing/")

# -- Database ----------------------------------------------------------------------------------------
RDS_POSTGRES_HOUR = {
    "db.t4g.micro": Price(0.018, "hour in one zone", "rds/postgresql/pricing/"),
    "db.t4g.small": Price(0.035, "hour in one zone", "rds/postgresql/pricing/"),
    "db.t4g.medium": Price(0.070, "hour in one zone", "rds/postgresql/pricing/"),
    "db.t4g.large": Price(0.141, "hour in one zone", "rds/postgresql/pricing/"),
    "db.m7g.large": Price(0.186, "hour in one zone", "rds/postgresql/pricing/"),
    "db.m7g.xlarge": Price(0.372, "hour in one zone", "rds/postgresql/pricing/"),
    "db.m7g.2xlarge": Price(0.744, "hour in one zone", "rds/postgresql/pricing/"),
    "db.m7g.4xlarge": Price(1.488, "hour in one zone", "rds/postgresql/pricing/"),
    "db.r7g.large": Price(0.265, "hour in one zone", "rds/postgresql/pricing/"),
    "db.r7g.xlarge": Price(0.530, "hour in one zone", "rds/postgresql/pricing/"),
    "db.r7g.2xlarge": Price(1.060, "hour in one zone", "rds/postgresql/pricing/"),
    "db.r7g.4xlarge": Price(2.120, "hour in one zone", "rds/postgresql/pricing/"),
}
RDS_GP3 = Price(0.127, "GB and month in one zone", "rds/postgresql/pricing/")
RDS_BACKUP_GB = Price(0.095, "GB and month of RDS's own backups", "rds/postgresql/pricing/")
RDS_PROXY_VCPU_HOUR = Price(0.018, "vCPU-hour of the database, two at least", "rds/proxy/pricing/")

# -- Network -----------------------------------------------------------------------------------------
NAT_HOUR = Price(0.048, "hour of a NAT gateway", "vpc/pricing/")
NAT_GB = Price(0.048, "GB through a NAT gateway", "vpc/pricing/")
# Of an instance that forwards: on demand, Linux.
EC2_HOUR = {
    "t4g.nano": Price(0.0046, "hour of an instance", "ec2/pricing/on-demand/"),
    "t4g.micro": Price(0.0092, "hour of an instance", "ec2/pricing/on-demand/"),
    "t4g.small": Price(0.0184, "hour of an instance", "ec2/pricing/on-demand/"),
}
EBS_GP3 = Price(0.088, "GB and month of an instance's volume", "ebs/pricing/")
ADDRESS_HOUR = Price(0.005, "hour of a public IPv4 address", "vpc/pricing/")
ENDPOINT_HOUR = Price(0.011, "hour of an interface endpoint in a zone", "privatelink/pricing/")
BETWEEN_ZONES_GB = Price(0.01, "GB out of a zone or into one", "ec2/pricing/on-demand/")
BETWEEN_REGIONS_GB = Price(0.02, "GB to another region", "ec2/pricing/on-demand/")

# -- Keys and secrets --------------------------------------------------------------------------------
KMS_KEY = Price(1.00, "key and month", "kms/pricing/")
KMS_ROTATION = Price(1.00, "key and month, for each of its first two rotations", "kms/pricing/")
KMS_REQUEST = Price(0.03 / 10_000, "request", "kms/pricing/")
SECRET = Price(0.40, "secret and month", "secrets-manager/pricing/")
SECRET_REQUEST = Price(0.05 / 10_000, "request", "secrets-manager/pricing/")

# -- Watching ----------------------------------------------------------------------------------------
METRIC = Price(0.30, "custom metric and month", "cloudwatch/pricing/")
ALARM_METRIC = Price(0.10, "metric that an alarm looks at", "cloudwatch/pricing/")
ANOMALY_ALARM = Price(0.30, "anomaly alarm: three metrics", "cloudwatch/pricing/")
COMPOSITE_ALARM = Price(0.50, "composite alarm", "cloudwatch/pricing/")
DASHBOARD = Price(3.00, "dashboard and month", "cloudwatch/pricing/")
LOG_GB = Price(0.57, "GB taken in", "cloudwatch/pricing/")
LOG_STORED_GB = Price(0.03, "GB and month, compressed", "cloudwatch/pricing/")
VENDED_LOG_GB = Price(0.285, "GB of flow logs to S3", "cloudwatch/pricing/")
TRACE = Price(5.00 / _MILLION, "trace recorded", "xray/pricing/")
TRAIL_DATA_EVENT = Price(0.10 / 100_000, "data event", "cloudtrail/pricing/")
BACKUP_GB = Price(0.095, "GB and month in a backup vault, of a database", "backup/pricing/")
BACKUP_TABLE_GB = Price(0.113, "GB and month in a backup vault, of a table", "backup/pricing/")


def all_prices() -> Iterator[tuple[str, Price]]:
    """Each with what tells it from others of its unit: a class of database or of instance."""
    for value in globals().values():
        if isinstance(value, Price):
            yield "", value
    for name, price in (*EC2_HOUR.items(), *RDS_POSTGRES_HOUR.items()):
        yield f" of `{name}`", price
