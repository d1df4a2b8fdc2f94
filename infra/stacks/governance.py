"""Governance: who did what, what it costs, and what is kept for the worst case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.capabilities.backups import Backups
from infra.capabilities.budgets import Budgets
from infra.capabilities.trail import Trail
from infra.config import StageConfig
from infra.target import Target


class GovernanceStack(Stack):
    """``keys``: of what is backed up. ``topic`` is told of costs."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: StageConfig,
        target: Target,
        keys: Sequence[kms.IKey],
        topic: sns.ITopic,
        **props: Any,
    ) -> None:
        super().__init__(scope, id, stack_name=config.names.stack("governance"), **props)
        Trail(self, "Trail", config=config, target=target)
        Budgets(self, "Budgets", config=config, topic=topic)
        Backups(self, "Backups", config=config, target=target, keys=keys)
