"""A vault that keeps backups, and from which they cannot be deleted: the stage's own, and that of the copies."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_backup as backup
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import StageConfig
from infra.target import Target

# Until a compliance lock is final, for everyone and for good.
_LOCK_SETTLES = Duration.days(3)


class LockedVault(Construct):
    """``vault``, and its ``key``. Both are called alike in either region, and are known to the other by that alone."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target, what: str) -> None:
        """``what`` it keeps, in words."""
        super().__init__(scope, id)
        self.key = kms.Key(
            self,
            "Key",
            alias=alias_of(config),
            description=f"Pousada {config.name}: {what}",
            enable_key_rotation=True,
            removal_policy=target.removal,
        )
        self.vault = backup.BackupVault(
            self,
            "Vault",
            backup_vault_name=config.names.backup_vault,
            encryption_key=self.key,
            block_recovery_point_deletion=True,
            lock_configuration=_lock(config),
            removal_policy=target.removal,
        )


def alias_of(config: StageConfig) -> str:
    """Of the vault's key, in either region."""
    return f"alias/{config.names.backup_vault}"


def _lock(config: StageConfig) -> backup.LockConfiguration:
    # Nor may a backup be made, or copied here, that goes sooner.
    settles = _LOCK_SETTLES if config.recovery.vault_lock == "compliance" else None
    return backup.LockConfiguration(min_retention=Duration.days(config.recovery.keep_days), changeable_for=settles)
