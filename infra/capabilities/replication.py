"""Raw objects copied, as they land, to a bucket of another region or account: all else can be made of them again."""

from __future__ import annotations

from typing import Any, cast

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.capabilities.permissions import allow
from infra.config import StageConfig
from infra.governance_config import Replica

_EVERY_OBJECT = "Every object of the bucket is copied, and each has a key of its own."


class Replication(Construct):
    """Of new objects; what was there before takes a batch job (docs/recovery.md).

    A deletion is not copied: who empties the one bucket has not emptied the other. Without S3's paid promise of 15
    minutes: most objects are there within that time, and none is missed for being late.
    """

    def __init__(
        self, scope: Construct, id: str, *, config: StageConfig, source: s3.Bucket, key: kms.IKey, to: Replica
    ) -> None:
        super().__init__(scope, id)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("s3.amazonaws.com"))
        _may_read(role, source, key, config)
        _may_write(role, to)
        # Where the copies are another account's, its policies name the role (docs/recovery.md).
        CfnOutput(Stack.of(self), "ReplicationRole", value=role.role_arn, description="Copies raw objects elsewhere")
        bucket = cast(s3.CfnBucket, source.node.default_child)
        bucket.replication_configuration = s3.CfnBucket.ReplicationConfigurationProperty(
            role=role.role_arn, rules=[_rule(to)]
        )


def _may_read(role: iam.Role, source: s3.Bucket, key: kms.IKey, config: StageConfig) -> None:
    versions = ("GetObjectVersionForReplication", "GetObjectVersionAcl", "GetObjectVersionTagging")
    allow(role, "s3:GetReplicationConfiguration", "s3:ListBucket", on=[source.bucket_arn])
    allow(role, *(f"s3:{action}" for action in versions), on=[source.arn_for_objects("*")], why=_EVERY_OBJECT)
    allow(role, "kms:Decrypt", on=[key.key_arn], conditions=_through_s3(config.region))


def _may_write(role: iam.Role, to: Replica) -> None:
    """Neither ``s3:ReplicateDelete``, nor to read what is there."""
    owner = ["s3:ObjectOwnerOverrideToBucketOwner"] if to.account else []
    allow(role, "s3:ReplicateObject", "s3:ReplicateTags", *owner, on=[f"{to.bucket_arn}/*"], why=_EVERY_OBJECT)
    allow(role, "kms:Encrypt", "kms:GenerateDataKey", on=[to.kms_key_arn], conditions=_through_s3(to.region))


def _through_s3(region: str) -> dict[str, Any]:
    return {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}}


def _rule(to: Replica) -> s3.CfnBucket.ReplicationRuleProperty:
    translation = s3.CfnBucket.AccessControlTranslationProperty(owner="Destination") if to.account else None
    return s3.CfnBucket.ReplicationRuleProperty(
        id="raw-elsewhere",
        status="Enabled",
        priority=0,
        filter=s3.CfnBucket.ReplicationRuleFilterProperty(prefix=""),
        delete_marker_replication=s3.CfnBucket.DeleteMarkerReplicationProperty(status="Disabled"),
        source_selection_criteria=s3.CfnBucket.SourceSelectionCriteriaProperty(
            # Unless asked for, what is encrypted with a key of ours is not copied.
            sse_kms_encrypted_objects=s3.CfnBucket.SseKmsEncryptedObjectsProperty(status="Enabled")
        ),
        destination=s3.CfnBucket.ReplicationDestinationProperty(
            bucket=to.bucket_arn,
            account=to.account,
            access_control_translation=translation,
            encryption_configuration=s3.CfnBucket.EncryptionConfigurationProperty(replica_kms_key_id=to.kms_key_arn),
        ),
    )
