"""Transform: from raw objects to rows in PostgreSQL (live and batch), Parquet, Athena over it; and the audit of it."""

from __future__ import annotations

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from infra.capabilities.analysts import Analysts
from infra.capabilities.batch_path import Manifests
from infra.capabilities.catalog import Catalog
from infra.capabilities.daily_audit import DailyAudit
from infra.capabilities.etl_function import EtlFunction
from infra.capabilities.etl_job import EtlJob
from infra.capabilities.function import dependency_layer
from infra.capabilities.live_path import LivePath
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
        **props: Any,
    ) -> None:
        super().__init__(scope, id, stack_name=config.names.stack("transform"), **props)
        layer = dependency_layer(self) if target.packages else None
        LivePath(self, "LivePath", config=config, target=target, key=storage.key, layer=layer)
        Manifests(self, "Manifests", config=config, key=storage.key, layer=layer)
        etl = EtlJob(self, "Etl", config=config, target=target, key=storage.key)
        EtlFunction(self, "EtlFunction", config=config, target=target, key=storage.key, layer=layer, job=etl.job)
        DailyAudit(self, "DailyAudit", config=config, target=target, key=storage.key, layer=layer)
        Catalog(self, "Catalog", config=config, target=target)
        Analysts(self, "Analysts", config=config, target=target, key=storage.key)
