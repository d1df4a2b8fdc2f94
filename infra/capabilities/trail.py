"""Who did what, and who read or wrote which object of the lake: CloudTrail, into a bucket nobody can delete from."""

from __future__ import annotations

from typing import Any, cast

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.capabilities.buckets import ACCESS_LOGS, REENCRYPT
from infra.capabilities.log import Log
from infra.capabilities.permissions import allow, objects, skip_check, table
from infra.config import StageConfig
from infra.target import Target

_CLOUDTRAIL = iam.ServicePrincipal("cloudtrail.amazonaws.com")
_DATA_KEYS = ("kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext")
_Selector = cloudtrail.CfnTrail.AdvancedEventSelectorProperty
_Field = cloudtrail.CfnTrail.AdvancedFieldSelectorProperty


class TrailKey(kms.Key):
    """Of the data class *audit*: leave to use the lake's key is no leave to read who used it."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target) -> None:
        super().__init__(
            scope,
            id,
            alias=f"alias/{config.names.named('audit')}",
            description=f"Pousada {config.name}: CloudTrail's log files",
            enable_key_rotation=True,
            removal_policy=target.removal,
        )
        self.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[_CLOUDTRAIL],
                actions=[*_DATA_KEYS, "kms:DescribeKey"],
                resources=["*"],
                conditions=_of_this_trail(self, config),
            )
        )
        if config.governance.trail_to_logs:
            self._let_logs_use_it(config)

    def _let_logs_use_it(self, config: StageConfig) -> None:
        self.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{config.region}.amazonaws.com")],
                actions=["kms:Encrypt", "kms:Decrypt", *REENCRYPT, *_DATA_KEYS, "kms:DescribeKey"],
                resources=["*"],
                conditions={"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": _log_arn(self, config)}},
            )
        )


class TrailBucket(s3.Bucket):
    """Locked: for ``governance.trail_retention_days`` no version can be deleted, whatever policy says otherwise."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target, key: kms.IKey) -> None:
        days = Duration.days(config.governance.trail_retention_days)
        lock = s3.ObjectLockRetention
        super().__init__(
            scope,
            id,
            bucket_name=config.names.trail_bucket,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            object_lock_default_retention=(
                lock.compliance(days) if config.governance.trail_lock == "compliance" else lock.governance(days)
            ),
            lifecycle_rules=[_gone_after(days)],
            removal_policy=target.removal,
        )
        # By name: CDK would have the bucket of the storage stack, on which this one is built, know this one.
        cast(s3.CfnBucket, self.node.default_child).logging_configuration = s3.CfnBucket.LoggingConfigurationProperty(
            destination_bucket_name=config.names.named(ACCESS_LOGS), log_file_prefix=f"{config.names.trail_bucket}/"
        )
        self._let_trail_write(config)
        self._let_nobody_delete()

    def _let_trail_write(self, config: StageConfig) -> None:
        account = Stack.of(self).account
        for action, resource in (
            ("s3:GetBucketAcl", self.bucket_arn),
            ("s3:PutObject", self.arn_for_objects(f"AWSLogs/{account}/*")),
        ):
            self.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[_CLOUDTRAIL],
                    actions=[action],
                    resources=[resource],
                    conditions=_of_this_trail(self, config),
                )
            )

    def _let_nobody_delete(self) -> None:
        """A second fence before the lock. It does not bind S3's own lifecycle, by which old log files go.

        The policy itself may be changed: were that denied, neither a deployment nor an administrator could ever mend
        it, and against whoever changes it stands the lock.
        """
        self.add_to_resource_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"],
                resources=[self.arn_for_objects("*")],
            )
        )


class Trail(Construct):
    """Management events and data events, with digests that show a log file that was changed or is gone.

    Of the lake both reads and writes: who has looked at a guest's data is what is asked first after a breach.
    docs/governance.md says what that costs.
    """

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target) -> None:
        super().__init__(scope, id)
        key = TrailKey(self, "Key", config=config, target=target)
        bucket = TrailBucket(self, "Bucket", config=config, target=target, key=key)
        trail = cloudtrail.CfnTrail(
            self,
            "Trail",
            trail_name=_trail_name(config),
            is_logging=True,
            s3_bucket_name=bucket.bucket_name,
            kms_key_id=key.key_arn,
            enable_log_file_validation=True,
            # Whoever changes a role does it in us-east-1, wherever the stage is: so IAM's events are told since 2021.
            is_multi_region_trail=config.governance.trail_regions == "all",
            include_global_service_events=True,
            advanced_event_selectors=self._selectors(config),
            **(self._logs(config, key) if config.governance.trail_to_logs else {}),
        )
        if config.governance.trail_regions == "own":
            skip_check(trail, "CKV_AWS_67", "The stage says so: the account has a trail of all regions already.")
        trail.node.add_dependency(bucket.policy)

    def _selectors(self, config: StageConfig) -> list[_Selector]:
        names = config.names
        lake = [objects(self, bucket, "") for bucket in (names.raw_bucket, names.processed_bucket)]
        secrets = table(self, names.hotel_secrets_table)
        selectors = [
            _data("lake", "AWS::S3::Object", _Field(field="resources.ARN", starts_with=lake)),
            _data("hotel-secrets", "AWS::DynamoDB::Table", _Field(field="resources.ARN", equal_to=[secrets])),
        ]
        if config.governance.management_events:
            # Once there are selectors, nothing is recorded that none of them names.
            management = _Field(field="eventCategory", equal_to=["Management"])
            selectors.insert(0, _Selector(name="management", field_selectors=[management]))
        return selectors

    def _logs(self, config: StageConfig, key: kms.IKey) -> dict[str, Any]:
        log = Log(self, "Log", name=_log_name(config), config=config, key=key)
        role = iam.Role(self, "LogsRole", assumed_by=_CLOUDTRAIL)
        allow(
            role,
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            on=[f"{_log_arn(self, config)}:log-stream:{Stack.of(self).account}_CloudTrail_{config.region}*"],
            why="CloudTrail names its streams itself and begins new ones.",
        )
        return {"cloud_watch_logs_log_group_arn": log.log_group_arn, "cloud_watch_logs_role_arn": role.role_arn}


def _log_name(config: StageConfig) -> str:
    return f"/aws/cloudtrail/{_trail_name(config)}"


def _log_arn(scope: Construct, config: StageConfig) -> str:
    return Stack.of(scope).format_arn(
        service="logs",
        resource="log-group",
        resource_name=_log_name(config),
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )


def _data(name: str, kind: str, *which: _Field) -> _Selector:
    """Reads and writes: a field ``readOnly`` would leave the one or the other out."""
    category = _Field(field="eventCategory", equal_to=["Data"])
    return _Selector(name=name, field_selectors=[category, _Field(field="resources.type", equal_to=[kind]), *which])


def _gone_after(days: Duration) -> s3.LifecycleRule:
    # A day more than the lock holds; the marker that expiry leaves goes with the version behind it.
    return s3.LifecycleRule(
        id="after-the-lock",
        expiration=Duration.days(days.to_days() + 1),
        noncurrent_version_expiration=Duration.days(1),
        abort_incomplete_multipart_upload_after=Duration.days(7),
    )


def _trail_name(config: StageConfig) -> str:
    return config.names.named("audit")


def _of_this_trail(scope: Construct, config: StageConfig) -> dict[str, Any]:
    trail = Stack.of(scope).format_arn(service="cloudtrail", resource="trail", resource_name=_trail_name(config))
    return {"StringEquals": {"aws:SourceArn": trail}}
