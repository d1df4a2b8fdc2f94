"""Backups of the database and the tables, in a vault from which they cannot be deleted.

The lake has none: its buckets are versioned, and everything else of it can be made again from the raw bucket, which is
what ``recovery.replicate_raw_to`` copies (infra/capabilities/replication.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.capabilities.permissions import allow, of_rds, table
from infra.capabilities.vault import LockedVault, alias_of
from infra.config import StageConfig
from infra.target import Target

# What AWS Backup calls a snapshot of RDS's that it makes.
_SNAPSHOTS = "awsbackup:*"
_MADE_BY_AWS = {"Bool": {"kms:GrantIsForAWSResource": "true"}}


class Backups(Construct):
    """A vault with a key of its own, and a plan: each night, kept for ``recovery.keep_days``."""

    def __init__(
        self, scope: Construct, id: str, *, config: StageConfig, target: Target, keys: Sequence[kms.IKey]
    ) -> None:
        """``keys``: what is backed up is encrypted with one of them."""
        super().__init__(scope, id)
        kept = LockedVault(self, "Kept", config=config, target=target, what="backups of database and tables")
        role = self._role(config, [kept.key, *keys])
        self._add_plan(config, role, kept.vault)

    def _add_plan(self, config: StageConfig, role: iam.Role, vault: backup.IBackupVault) -> None:
        recovery = config.recovery
        plan = backup.BackupPlan(self, "Plan", backup_plan_name=config.names.named("nightly"), backup_vault=vault)
        keep = Duration.days(recovery.keep_days)
        plan.add_rule(
            backup.BackupPlanRule(
                rule_name="nightly",
                schedule_expression=events.Schedule.expression(recovery.schedule),
                start_window=Duration.hours(1),
                completion_window=Duration.hours(6),
                delete_after=keep,
                copy_actions=[
                    backup.BackupPlanCopyActionProps(destination_backup_vault=vault, delete_after=keep)
                    for vault in self._vaults_elsewhere(config)
                ],
            )
        )
        plan.add_selection(
            "State",
            backup_selection_name=config.names.named("state"),
            resources=[backup.BackupResource.from_arn(arn) for arn in [*self._tables(config), self._database(config)]],
            role=role,
            # The policy AWS has for it reaches every resource of the account.
            disable_default_backup_policy=True,
        )

    def _vaults_elsewhere(self, config: StageConfig) -> list[backup.IBackupVault]:
        if config.recovery.copy_to_region is None:
            return []
        arn = self._vault_in(config, config.recovery.copy_to_region)
        return [backup.BackupVault.from_backup_vault_arn(self, "VaultElsewhere", arn)]

    # -- What it may ------------------------------------------------------------------------------
    def _role(self, config: StageConfig, keys: Sequence[kms.IKey]) -> iam.Role:
        """AWSBackupServiceRolePolicyForBackup, of this stage's tables, database, vaults and keys alone."""
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("backup.amazonaws.com"))
        self._may_back_up_tables(role, config)
        self._may_back_up_database(role, config)
        allow(
            role,
            *("backup:DescribeBackupVault", "backup:CopyIntoBackupVault"),
            on=[self._vault_in(config, region) for region in _regions(config)],
        )
        _may_use_keys(role, keys, config)
        if config.recovery.copy_to_region:
            self._may_use_key_elsewhere(role, config, config.recovery.copy_to_region)
        return role

    def _may_use_key_elsewhere(self, role: iam.Role, config: StageConfig, region: str) -> None:
        arn = Stack.of(self).format_arn(service="kms", region=region, resource="key", resource_name="*")
        named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias_of(config)}}
        why = "The key is of the stack copies, in the second region, and known here by its alias alone."
        allow(role, "kms:DescribeKey", on=[arn], why=why, conditions=named)
        allow(role, "kms:CreateGrant", on=[arn], why=why, conditions={**named, **_MADE_BY_AWS})

    def _may_back_up_tables(self, role: iam.Role, config: StageConfig) -> None:
        tables = self._tables(config)
        actions = ("DescribeTable", "CreateBackup", "StartAwsBackupJob", "ListTagsOfResource")
        allow(role, *(f"dynamodb:{action}" for action in actions), on=tables)
        allow(
            role,
            *("dynamodb:DescribeBackup", "dynamodb:DeleteBackup"),
            on=[f"{arn}/backup/*" for arn in tables],
            why="DynamoDB names a backup itself; one that has come into the vault is deleted at its source.",
        )

    def _may_back_up_database(self, role: iam.Role, config: StageConfig) -> None:
        database = self._database(config)
        snapshots = [of_rds(self, "snapshot", _SNAPSHOTS, region) for region in _regions(config)]
        named = "AWS Backup names the snapshots it makes, all of them with this beginning."
        both = ("DescribeDBSnapshots", "CreateDBSnapshot", "AddTagsToResource", "ListTagsForResource")
        allow(role, "rds:DescribeDBInstances", on=[database])
        allow(role, *(f"rds:{action}" for action in both), on=[database, *snapshots], why=named)
        of_snapshots = ("CopyDBSnapshot", "DeleteDBSnapshot", "ModifyDBSnapshotAttribute")
        allow(role, *(f"rds:{action}" for action in of_snapshots), on=snapshots, why=named)

    # -- What there is ----------------------------------------------------------------------------
    def _tables(self, config: StageConfig) -> list[str]:
        """Of the control plane what cannot be had again from anywhere.

        Idempotency records are of a week's use. Without sync-state lists are read from the beginning, and as full
        copies of what grows with every poll it would be nearly all that is paid for in the vault.
        """
        names = config.names
        return [table(self, name) for name in (names.integrations_table, names.hotel_secrets_table)]

    def _database(self, config: StageConfig) -> str:
        return of_rds(self, "db", config.names.database_instance)

    def _vault_in(self, config: StageConfig, region: str) -> str:
        return Stack.of(self).format_arn(
            service="backup",
            region=region,
            resource="backup-vault",
            resource_name=config.names.backup_vault,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )


def _may_use_keys(role: iam.Role, keys: Sequence[kms.IKey], config: StageConfig) -> None:
    arns = [key.key_arn for key in keys]
    allow(role, "kms:DescribeKey", on=arns)
    allow(role, "kms:CreateGrant", on=arns, conditions=_MADE_BY_AWS)
    through = {"StringEquals": {"kms:ViaService": f"dynamodb.{config.region}.amazonaws.com"}}
    allow(role, "kms:Decrypt", "kms:GenerateDataKey", on=arns, conditions=through)


def _regions(config: StageConfig) -> list[str]:
    """The stage's own, and that which takes copies."""
    elsewhere = config.recovery.copy_to_region
    return [config.region, *([elsewhere] if elsewhere else [])]
