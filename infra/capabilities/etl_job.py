"""The Glue job ``glue_jobs/etl.py``: takes every pending manifest into PostgreSQL and Parquet."""

from __future__ import annotations

from aws_cdk import IgnoreMode, Stack
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from infra.capabilities.database import Door
from infra.capabilities.log import Log
from infra.capabilities.network import Network
from infra.capabilities.permissions import (
    allow,
    bucket,
    may_have_job_interfaces,
    may_read_raw,
    may_use_key,
    objects,
    table,
)
from infra.foundation import Foundation
from infra.packages import WHEELS
from infra.paths import ROOT
from shared.names import WRITER_LOGIN

_GLUE_VERSION = "5.1"


class EtlJob(Construct):
    """The job, its role and logs. The function etl starts it (``etl_function``)."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        foundation: Foundation,
        door: Door,
    ) -> None:
        super().__init__(scope, id)
        config, target, network = foundation.config, foundation.target, foundation.network
        self._config, self._target, self._key, self._door = config, target, foundation.key, door
        self._script = s3_assets.Asset(self, "Script", path=str(ROOT / "glue_jobs" / "etl.py"))
        self._modules = _modules(self)
        self.role = iam.Role(
            self,
            "Role",
            role_name=config.names.glue_job,
            assumed_by=iam.ServicePrincipal("glue.amazonaws.com"),
        )
        security = self._security_configuration() if target.job_security else None
        connections = self._connections(network) if network else []
        self.job = self._job(security, connections)
        self._grant(foundation)

    def _job(self, security: glue.CfnSecurityConfiguration | None, connections: list[str]) -> glue.CfnJob:
        etl = self._config.etl
        return glue.CfnJob(
            self,
            "Job",
            name=self._config.names.glue_job,
            description="Pending manifests to PostgreSQL and Parquet",
            role=self.role.role_arn,
            glue_version=_GLUE_VERSION,
            command=glue.CfnJob.JobCommandProperty(
                name=self._target.job_command, python_version="3", script_location=self._script.s3_object_url
            ),
            worker_type=etl.worker_type,
            number_of_workers=etl.workers,
            timeout=self._target.job_timeout or etl.timeout_minutes,
            # Two runs would take the same manifests. Nothing would be doubled, but all of it done twice.
            execution_property=glue.CfnJob.ExecutionPropertyProperty(max_concurrent_runs=1),
            # The next run takes what this one left pending.
            max_retries=0,
            security_configuration=security.ref if security else None,
            connections=glue.CfnJob.ConnectionsListProperty(connections=connections) if connections else None,
            default_arguments=self._arguments(),
        )

    def _connections(self, network: Network) -> list[str]:
        """One in each zone, by name: a run takes the first whose subnet it can use."""
        place = network.place_of("job")
        names = [self._config.names.named(f"etl-{number}") for number in range(1, self._config.network.zones + 1)]
        for name, subnet in zip(names, network.vpc.select_subnets(subnet_group_name="egress").subnets, strict=True):
            physical = glue.CfnConnection.PhysicalConnectionRequirementsProperty(
                availability_zone=subnet.availability_zone,
                subnet_id=subnet.subnet_id,
                security_group_id_list=[place.group.security_group_id],
            )
            glue.CfnConnection(
                self,
                f"Connection{subnet.node.id}",
                catalog_id=Stack.of(self).account,
                connection_input=glue.CfnConnection.ConnectionInputProperty(
                    name=name, connection_type="NETWORK", physical_connection_requirements=physical
                ),
            )
        may_have_job_interfaces(self.role, names)
        return names

    def _arguments(self) -> dict[str, str]:
        names = self._config.names
        arguments = {
            "--STAGE": self._config.name,
            "--RAW_BUCKET": names.raw_bucket,
            "--PROCESSED_BUCKET": names.processed_bucket,
            "--WORK_BUCKET": names.work_bucket,
            "--INTEGRATIONS_TABLE": names.integrations_table,
            "--DATABASE": self._door.address(WRITER_LOGIN),
            "--METRICS_NAMESPACE": names.metrics_namespace,
            "--SMALL_BATCH_BYTES": str(self._config.etl.small_batch_bytes),
            "--job-language": "python",
            "--job-bookmark-option": "job-bookmark-disable",
            "--enable-metrics": "true",
            "--enable-observability-metrics": "true",
            "--custom-logGroup-prefix": self._log_prefix(),
            "--extra-py-files": self._modules.s3_object_url,
            **self._target.job_arguments,
        }
        return {**arguments, **self._wheels()} if self._target.packages else arguments

    def _wheels(self) -> dict[str, str]:
        archive = WHEELS.publish_with(Stack.of(self))
        allow(self.role, "s3:GetObject", on=[objects(self, archive.bucket_name, archive.object_key)])
        return {
            "--additional-python-modules": archive.s3_object_url,
            # A job in a private subnet reaches no package index, and none but these wheels should come in.
            "--python-modules-installer-option": "--no-index",
        }

    def _security_configuration(self) -> glue.CfnSecurityConfiguration:
        key = self._key.key_arn
        security = glue.CfnSecurityConfiguration(
            self,
            "Security",
            name=self._config.names.glue_job,
            encryption_configuration=glue.CfnSecurityConfiguration.EncryptionConfigurationProperty(
                cloud_watch_encryption=glue.CfnSecurityConfiguration.CloudWatchEncryptionProperty(
                    cloud_watch_encryption_mode="SSE-KMS", kms_key_arn=key
                ),
                job_bookmarks_encryption=glue.CfnSecurityConfiguration.JobBookmarksEncryptionProperty(
                    job_bookmarks_encryption_mode="CSE-KMS", kms_key_arn=key
                ),
                s3_encryptions=[
                    glue.CfnSecurityConfiguration.S3EncryptionProperty(s3_encryption_mode="SSE-KMS", kms_key_arn=key)
                ],
            ),
        )
        for stream in ("output", "error"):
            # Where Glue 5 writes under a security configuration: {prefix}/{configuration}-role/{role}/{stream}.
            name = f"{self._log_prefix()}/{self._config.names.glue_job}-role/{self._config.names.glue_job}/{stream}"
            log = Log(self, f"Log-{stream}", name=name, config=self._config, key=self._key)
            # Glue creates and encrypts its log group itself where it can, and logs nothing where it is refused.
            log.grant(self.role, "logs:CreateLogGroup", "logs:AssociateKmsKey")
            log.grant_write(self.role)
        return security

    def _log_prefix(self) -> str:
        return f"/{self._config.prefix}/{self._config.name}/glue"

    def _grant(self, foundation: Foundation) -> None:
        role = self.role
        may_store_batches(role, foundation, self._door)
        for asset in (self._script, self._modules):
            allow(role, "s3:GetObject", on=[objects(self, asset.s3_bucket_name, asset.s3_object_key)])
        allow(
            role,
            "cloudwatch:PutMetricData",
            on=["*"],
            why="PutMetricData knows no resource; the condition names the namespaces.",
            conditions={"StringEquals": {"cloudwatch:namespace": ["Glue", foundation.names.metrics_namespace]}},
        )


def _modules(scope: Construct) -> s3_assets.Asset:
    """``shared/`` and ``glue_jobs/`` as one zip, which Spark puts before every task's import path."""
    return s3_assets.Asset(
        scope,
        "Modules",
        path=str(ROOT),
        ignore_mode=IgnoreMode.GIT,
        exclude=["/*", "!/shared", "!/glue_jobs", "__pycache__", "*.pyc", "*.md", "requirements*.txt"],
    )


def may_store_batches(role: iam.Role, foundation: Foundation, door: Door) -> None:
    """What ``glue_jobs.etl`` reads and writes, whoever runs it."""
    config, names = foundation.config, foundation.names
    may_use_key(role, foundation.key, config)
    may_read_raw(role, config)
    door.admit(role, WRITER_LOGIN)
    allow(role, "dynamodb:Scan", on=[table(role, names.integrations_table)])
    allow(role, "s3:ListBucket", on=[bucket(role, names.work_bucket)])
    allow(
        role,
        *("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
        on=[objects(role, names.work_bucket, "manifests/*")],
        why="A manifest moves from pending to done: it is written anew and removed.",
    )
    allow(
        role,
        *("s3:PutObject", "s3:AbortMultipartUpload"),
        on=[objects(role, names.processed_bucket)],
        why="Every batch writes files of its own names.",
    )
