"""The control plane in DynamoDB (DESIGN.md §5): landing raw data never needs PostgreSQL."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import StageConfig
from infra.target import Target


class ControlTable(dynamodb.Table):
    """On demand, encrypted with the stage's key, restorable to any second of the last 35 days."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        partition_key: str,
        sort_key: str | None = None,
        expires: str | None = None,
        key: kms.IKey,
        target: Target,
    ) -> None:
        super().__init__(
            scope,
            id,
            table_name=name,
            partition_key=_text(partition_key),
            sort_key=_text(sort_key) if sort_key else None,
            time_to_live_attribute=expires,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=target.deletion_protection,
            removal_policy=target.removal,
        )


class ControlTables(Construct):
    """``idempotency`` (Powertools' layout), ``integrations``, ``sync_state`` (cursors, leases, tokens, runs)."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target, key: kms.IKey) -> None:
        super().__init__(scope, id)
        names = config.names
        self.idempotency = ControlTable(
            self,
            "Idempotency",
            name=names.idempotency_table,
            partition_key="id",
            expires="expiration",
            key=key,
            target=target,
        )
        self.integrations = ControlTable(
            self,
            "Integrations",
            name=names.integrations_table,
            partition_key="property_id",
            sort_key="vendor",
            key=key,
            target=target,
        )
        self.sync_state = ControlTable(
            self,
            "SyncState",
            name=names.sync_state_table,
            partition_key="pk",
            sort_key="sk",
            expires="expires_at",
            key=key,
            target=target,
        )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
