"""Athena for analysts: a workgroup that bounds what a query may read, and the saved queries."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import aws_athena as athena
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import StageConfig
from infra.paths import QUERIES
from infra.target import Target

_GIB = 1024**3


class Analysts(Construct):
    """``workgroup``; its settings bind every client, its results are encrypted and gone after thirty days."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self.workgroup = athena.CfnWorkGroup(
            self,
            "WorkGroup",
            name=config.names.athena_workgroup,
            description=f"Analysts of Pousada {config.name}",
            # Only with its queries' history; results are objects in the work bucket.
            recursive_delete_option=True,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=config.analysts.scan_limit_gib * _GIB,
                engine_version=athena.CfnWorkGroup.EngineVersionProperty(
                    selected_engine_version="Athena engine version 3"
                ),
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{config.names.work_bucket}/athena-results/",
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=key.key_arn
                    ),
                ),
            ),
        )
        for query in saved_queries() if target.named_queries else ():
            self._named_query(query, config)

    def _named_query(self, query: Path, config: StageConfig) -> None:
        text = query.read_text(encoding="utf-8")
        named = athena.CfnNamedQuery(
            self,
            query.stem,
            name=query.stem,
            description=_first_comment(text),
            database=config.names.glue_database,
            query_string=text,
            work_group=self.workgroup.name,
        )
        named.add_resource_dependency(self.workgroup)


def saved_queries() -> list[Path]:
    """Every ``*.sql`` in docs/queries, by name."""
    return sorted(QUERIES.glob("*.sql"))


def _first_comment(text: str) -> str | None:
    """The query says in its first lines what it answers."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines) or None
