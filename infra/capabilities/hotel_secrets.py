"""The hotels' secrets: a key of their own, and a table of their own under it (docs/secrets.md)."""

from __future__ import annotations

from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.capabilities.control_tables import ControlTable
from infra.config import StageConfig
from infra.target import Target


class SecretsKey(kms.Key):
    """Of the data class ``secrets``: who may read the lake and its tables cannot therefore read a secret."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target) -> None:
        super().__init__(
            scope,
            id,
            alias=config.names.secrets_key,
            description=f"Pousada {config.name}: the secrets of hotels",
            enable_key_rotation=True,
            removal_policy=target.removal,
        )


class HotelSecrets(Construct):
    """The table is there whichever store a stage has chosen: an empty one costs nothing, and a choice can be undone."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target) -> None:
        super().__init__(scope, id)
        self.key = SecretsKey(self, "Key", config=config, target=target)
        self.table = ControlTable(
            self,
            "Table",
            name=config.names.hotel_secrets_table,
            partition_key="name",
            key=self.key,
            target=target,
        )
