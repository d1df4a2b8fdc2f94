"""The lake's buckets and the key that they, the tables and the results are encrypted with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.capabilities.log import EXECUTION_LOGS
from infra.capabilities.permissions import acknowledge, skip_check
from infra.capabilities.replication import Replication
from infra.config import StageConfig
from infra.target import Target
from shared.names import API_STAGE

# Requirement: Standard for 90 days, infrequent access until a year, Glacier until seven.
_RAW_TO_INFREQUENT = Duration.days(90)
_RAW_TO_GLACIER = Duration.days(365)
_RAW_EXPIRES = Duration.days(7 * 365 + 2)
# Where services look for their log groups; what is ours to name is below /{prefix}/{stage}/.
_LOG_PLACES = ("/aws/*/", "aws-waf-logs-")
ACCESS_LOGS = "access-logs"
REENCRYPT = ("kms:ReEncryptFrom", "kms:ReEncryptTo")


class DataKey(kms.Key):
    """The stage's one key, rotated yearly."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target) -> None:
        super().__init__(
            scope,
            id,
            alias=f"alias/{config.names.named('data')}",
            description=f"Pousada {config.name}: buckets, tables, query results, logs",
            enable_key_rotation=True,
            removal_policy=target.removal,
        )
        self._let_logs_use_it(config)

    def _let_logs_use_it(self, config: StageConfig) -> None:
        names = [f"/{config.prefix}/{config.name}/*", *(f"{place}{config.names.named('*')}" for place in _LOG_PLACES)]
        # An API's id is known once it is there, and that is later.
        names.append(f"{EXECUTION_LOGS}*/{API_STAGE}")
        groups = [
            Stack.of(self).format_arn(
                service="logs", resource="log-group", resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
            )
            for name in names
        ]
        self.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{config.region}.amazonaws.com")],
                actions=["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", *REENCRYPT],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            )
        )


class AccessLogBucket(s3.Bucket):
    """Who read what, for a year."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target) -> None:
        super().__init__(
            scope,
            id,
            bucket_name=config.names.named(ACCESS_LOGS),
            # S3 delivers access logs to no bucket that is encrypted with a key of ours.
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            versioned=True,
            lifecycle_rules=[_forget_old_versions(), s3.LifecycleRule(expiration=Duration.days(365))],
            removal_policy=target.removal,
        )
        endless = "It holds the access logs; logging itself, it would never come to an end."
        acknowledge(self, "AwsSolutions-S1", endless)
        skip_check(self, "CKV_AWS_18", endless)
        self._take_logs_of(config.names.trail_bucket)

    def _take_logs_of(self, bucket: str) -> None:
        """Of one that is named and not known: the stack it is in is built on this one's."""
        arn = Stack.of(self).format_arn(service="s3", region="", account="", resource=bucket)
        self.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("logging.s3.amazonaws.com")],
                actions=["s3:PutObject"],
                resources=[self.arn_for_objects(f"{bucket}/*")],
                conditions={
                    "ArnLike": {"aws:SourceArn": arn},
                    "StringEquals": {"aws:SourceAccount": Stack.of(self).account},
                },
            )
        )


class LakeBucket(s3.Bucket):
    """Versioned, encrypted, TLS only, closed to the public, its accesses logged."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        key: kms.IKey,
        access_logs: s3.IBucket,
        target: Target,
        lifecycle: Sequence[s3.LifecycleRule] = (),
        announces_objects: bool = False,
    ) -> None:
        super().__init__(
            scope,
            id,
            bucket_name=name,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            # One call to KMS for many objects, not one for each.
            bucket_key_enabled=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix=f"{name}/",
            lifecycle_rules=[_forget_old_versions(), *lifecycle],
            removal_policy=target.removal,
        )
        if announces_objects:
            self._announce_objects()

    def _announce_objects(self) -> None:
        # CDK's own `event_bridge_enabled` does this one property by a function of its own with wide rights.
        resource = cast(s3.CfnBucket, self.node.default_child)
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
        )


class LakeBuckets(Construct):
    """``raw`` (the commit point), ``processed`` (Parquet), ``work`` (manifests, query results)."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target, key: kms.IKey) -> None:
        super().__init__(scope, id)
        names = config.names
        logs = AccessLogBucket(self, "AccessLogs", config=config, target=target)
        bucket = partial(LakeBucket, self, key=key, access_logs=logs, target=target)
        self.raw = bucket("Raw", name=names.raw_bucket, lifecycle=[_raw_lifecycle()], announces_objects=True)
        self.processed = bucket("Processed", name=names.processed_bucket)
        self.work = bucket("Work", name=names.work_bucket, lifecycle=_work_lifecycle())
        elsewhere = config.recovery.replicate_raw_to
        if elsewhere:
            Replication(self, "Replication", config=config, source=self.raw, key=key, to=elsewhere)


def _raw_lifecycle() -> s3.LifecycleRule:
    # S3 itself leaves objects below 128 KB where they are: moved, each would cost more, not less.
    return s3.LifecycleRule(
        id="seven-years",
        transitions=[
            s3.Transition(storage_class=s3.StorageClass.INFREQUENT_ACCESS, transition_after=_RAW_TO_INFREQUENT),
            s3.Transition(storage_class=s3.StorageClass.GLACIER, transition_after=_RAW_TO_GLACIER),
        ],
        expiration=_RAW_EXPIRES,
    )


def _forget_old_versions() -> s3.LifecycleRule:
    """An overwritten object is the same bytes again (names are derived); a deleted one can be had back for 90 days."""
    return s3.LifecycleRule(
        id="old-versions",
        noncurrent_version_expiration=Duration.days(90),
        expired_object_delete_marker=True,
        abort_incomplete_multipart_upload_after=Duration.days(7),
    )


def _work_lifecycle() -> list[s3.LifecycleRule]:
    return [
        s3.LifecycleRule(id="query-results", prefix="athena-results/", expiration=Duration.days(30)),
        s3.LifecycleRule(id="finished-batches", prefix="manifests/done/", expiration=Duration.days(365)),
    ]
