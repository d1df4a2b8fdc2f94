"""A log group with the stage's retention, encrypted with the stage's key."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct, IConstruct

from infra.config import StageConfig

_RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    731: logs.RetentionDays.TWO_YEARS,
}


EXECUTION_LOGS = "API-Gateway-Execution-Logs_"
"""Where API Gateway writes what went wrong with a call, of an API and its stage: ``{api id}/{stage}`` follows."""


class Log(logs.LogGroup):
    def __init__(
        self, scope: Construct, id: str, *, name: str, config: StageConfig, key: kms.IKey | None = None
    ) -> None:
        super().__init__(
            scope,
            id,
            log_group_name=name,
            retention=_RETENTION[config.log_retention_days],
            encryption_key=key,
            # Logs run out by themselves, and a name left behind would stop the next deployment.
            removal_policy=RemovalPolicy.DESTROY,
        )


def encrypt_logs(scope: IConstruct, key: kms.IKey) -> None:
    """Every log group below ``scope`` that has no key yet, CDK's own among them. The key's policy has to name them."""
    for group in scope.node.find_all():
        if isinstance(group, logs.CfnLogGroup) and group.kms_key_id is None:
            group.kms_key_id = key.key_arn
