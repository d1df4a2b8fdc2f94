"""Network: where functions, job and database run."""

from __future__ import annotations

from typing import Any

from aws_cdk import Fn, Stack
from constructs import Construct

from infra.capabilities.network import Network
from infra.config import StageConfig


class NetworkStack(Stack):
    def __init__(self, scope: Construct, id: str, *, config: StageConfig, **props: Any) -> None:
        self._zones = config.network.zones
        super().__init__(scope, id, stack_name=config.names.stack("network"), **props)
        self.network = Network(self, "Network", config=config)

    @property
    def availability_zones(self) -> list[str]:
        """Left to CloudFormation: zones are not called alike in every region, nor in every account."""
        return [Fn.select(number, Fn.get_azs()) for number in range(self._zones)]
