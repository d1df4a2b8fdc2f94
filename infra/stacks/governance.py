"""Governance: who did what, what it costs, and what is kept for the worst case. It is built on all others."""

from __future__ import annotations

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from infra.capabilities.backups import Backups
from infra.capabilities.budgets import Budgets
from infra.capabilities.trail import Trail
from infra.config import StageConfig
from infra.stacks.storage import StorageStack
from infra.target import Target


class GovernanceStack(Stack):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: StageConfig,
        target: Target,
        storage: StorageStack,
        **props: Any,
    ) -> None:
        super().__init__(scope, id, stack_name=config.names.stack("governance"), **props)
        Trail(self, "Trail", config=config, target=target)
        Budgets(self, "Budgets", config=config)
        Backups(self, "Backups", config=config, target=target, keys=[storage.key])
