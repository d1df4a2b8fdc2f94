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
from infra.capabilities.live_path import LivePath
from infra.foundation import Foundation


class TransformStack(Stack):
    def __init__(self, scope: Construct, id: str, *, foundation: Foundation, door: Door, **props: Any) -> None:
        super().__init__(scope, id, stack_name=foundation.names.stack("transform"), **props)
        LivePath(self, "LivePath", foundation=foundation, door=door)
        Manifests(self, "Manifests", foundation=foundation)
        etl = EtlJob(self, "Etl", foundation=foundation, door=door)
        EtlFunction(self, "EtlFunction", foundation=foundation, door=door, job=etl.job)
        DailyAudit(self, "DailyAudit", foundation=foundation, door=door)
        config, target = foundation.config, foundation.target
        Catalog(self, "Catalog", config=config, target=target)
        Analysts(self, "Analysts", config=config, target=target, key=foundation.key)
