"""Transform: from raw objects to rows in PostgreSQL (live and batch), Parquet, Athena over it; and the audit of it."""

from __future__ import annotations

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from infra.capabilities.analysts import Analysts
from infra.capabilities.batch_path import Manifests
from infra.capabilities.catalog import Catalog
from infra.capabilities.daily_audit import DailyAudit
from infra.capabilities.database import Door
from infra.capabilities.etl_function import EtlFunction
from infra.capabilities.etl_job import EtlJob
from infra.capabilities.function import dependency_layer
from infra.capabilities.live_path import LivePath
from infra.capabilities.network import Network
from infra.config import StageConfig
from infra.stacks.storage import StorageStack
from infra.target import Target


class TransformStack(Stack):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: StageConfig,
        target: Target,
        storage: StorageStack,
        network: Network | None,
        door: Door,
        **props: Any,
    ) -> None:
        super().__init__(scope, id, stack_name=config.names.stack("transform"), **props)
        layer = dependency_layer(self) if target.packages else None
        placed: dict[str, Any] = {"config": config, "network": network, "key": storage.key}
        LivePath(self, "LivePath", target=target, door=door, layer=layer, **placed)
        Manifests(self, "Manifests", layer=layer, **placed)
        etl = EtlJob(self, "Etl", target=target, door=door, **placed)
        EtlFunction(self, "EtlFunction", target=target, door=door, layer=layer, job=etl.job, **placed)
        DailyAudit(self, "DailyAudit", target=target, door=door, layer=layer, **placed)
        Catalog(self, "Catalog", config=config, target=target)
        Analysts(self, "Analysts", config=config, target=target, key=storage.key)
