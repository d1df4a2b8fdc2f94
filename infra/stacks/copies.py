"""Copies: the vault of a second region, which takes a copy of each backup."""

from __future__ import annotations

from typing import Any

from aws_cdk import Environment, Stack
from constructs import Construct

from infra.capabilities.vault import LockedVault
from infra.config import StageConfig
from infra.target import Target


class CopiesStack(Stack):
    """The stage's one stack that is not in its region. It refers to none of the others, nor they to it but by names."""

    def __init__(
        self, scope: Construct, id: str, *, config: StageConfig, region: str, target: Target, **props: Any
    ) -> None:
        env = Environment(account=config.account, region=region)
        super().__init__(scope, id, stack_name=config.names.stack("copies"), env=env, **props)
        LockedVault(self, "Copied", config=config, target=target, what="copies of backups")
