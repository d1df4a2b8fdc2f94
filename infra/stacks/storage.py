"""Storage: keys, buckets, control tables and the hotels' secrets. The other stacks build on it, and it on none."""

from __future__ import annotations

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from infra.capabilities.buckets import DataKey, LakeBuckets
from infra.capabilities.control_tables import ControlTables
from infra.capabilities.hotel_secrets import HotelSecrets
from infra.config import StageConfig
from infra.target import Target


class StorageStack(Stack):
    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target, **props: Any) -> None:
        super().__init__(scope, id, stack_name=config.names.stack("storage"), **props)
        self.key = DataKey(self, "DataKey", config=config, target=target)
        self.buckets = LakeBuckets(self, "Lake", config=config, target=target, key=self.key)
        self.secrets = HotelSecrets(self, "HotelSecrets", config=config, target=target)
        self.tables = ControlTables(self, "Control", config=config, target=target, key=self.key)
