"""The Glue catalog: one table per entity over the Parquet files, and on AWS a view of the current versions."""

from __future__ import annotations

import base64
import json
import re

from aws_cdk import Stack
from aws_cdk import aws_glue as glue
from constructs import Construct

from infra.config import StageConfig
from infra.target import Target
from shared.model.columns import ENTITIES, TABLES, glue_columns, order_columns

# Partition projection lists every day between these years where a query names none: each year more is 372 look-ups
# more per vendor. tests/infra reminds two years before the end.
FIRST_YEAR, LAST_YEAR = 2025, 2034

_PARTITIONS = (
    ("source", "string", "The vendor."),
    ("year", "int", "The day it was synced, in UTC."),
    ("month", "int", ""),
    ("day", "int", ""),
)
_PARQUET = glue.CfnTable.SerdeInfoProperty(
    serialization_library="org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
)


class Catalog(Construct):
    """``database``, its tables and views. Neither crawler nor ``MSCK``: partitions are projected."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target) -> None:
        super().__init__(scope, id)
        self._config = config
        self.database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=Stack.of(self).account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=config.names.glue_database, description=f"Pousada {config.name}"
            ),
        )
        for entity in TABLES:
            self._history(entity)
        for entity in ENTITIES if target.views else ():
            self._current(entity)

    def _history(self, entity: str) -> None:
        """Every version that was synced, append only."""
        table = TABLES[entity]
        location = f"s3://{self._config.names.processed_bucket}/{table}/"
        self._table(
            table,
            glue.CfnTable.TableInputProperty(
                name=table,
                description=f"Every version of each {entity}, by the day it was synced",
                table_type="EXTERNAL_TABLE",
                partition_keys=[_column(*column) for column in _PARTITIONS],
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=[_column(*column) for column in glue_columns(entity)],
                    location=location,
                    input_format="org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                    output_format="org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                    serde_info=_PARQUET,
                ),
                parameters={"classification": "parquet", "EXTERNAL": "TRUE", **self._projection(location)},
            ),
        )

    def _projection(self, location: str) -> dict[str, str]:
        return {
            "projection.enabled": "true",
            "projection.source.type": "enum",
            "projection.source.values": ",".join(self._config.vendors),
            "projection.year.type": "integer",
            "projection.year.range": f"{FIRST_YEAR},{LAST_YEAR}",
            "projection.month.type": "integer",
            "projection.month.range": "1,12",
            "projection.month.digits": "2",
            "projection.day.type": "integer",
            "projection.day.range": "1,31",
            "projection.day.digits": "2",
            "storage.location.template": location + "source=${source}/year=${year}/month=${month}/day=${day}",
        }

    def _current(self, entity: str) -> None:
        """The latest version of each id: what an analyst uses by default (DESIGN.md §3)."""
        name = f"{TABLES[entity]}_current"
        columns = [*glue_columns(entity), *_PARTITIONS]
        database = self._config.names.glue_database
        self._table(
            name,
            glue.CfnTable.TableInputProperty(
                name=name,
                description=f"The latest version of each {entity}",
                table_type="VIRTUAL_VIEW",
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=[_column(*column) for column in columns], serde_info=glue.CfnTable.SerdeInfoProperty()
                ),
                parameters={"presto_view": "true", "comment": "Presto View"},
                view_original_text=_presto_view(database, current_sql(database, entity), columns),
                view_expanded_text="/* Presto View */",
            ),
        )

    def _table(self, name: str, table: glue.CfnTable.TableInputProperty) -> None:
        glue.CfnTable(
            self,
            name,
            catalog_id=Stack.of(self).account,
            database_name=self.database.ref,
            table_input=table,
        )


def current_sql(database: str, entity: str) -> str:
    """The view's query. The saved queries in docs/queries begin with the same text."""
    columns = ", ".join(name for name, _, _ in (*glue_columns(entity), *_PARTITIONS))
    order = ", ".join(f"{column} DESC NULLS LAST" for column in order_columns(entity))
    return (
        f"SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY {order}) AS recency "  # nosec B608 # our own column names
        f'FROM "{database}"."{TABLES[entity]}") WHERE recency = 1'
    )


def presto_type(glue_type: str) -> str:
    """Athena's word for a Glue type: ``array<string>`` is ``array(varchar)``, ``timestamp`` ``timestamp(3)``."""
    if element := re.fullmatch(r"array<(.+)>", glue_type):
        return f"array({presto_type(element[1])})"
    return {"string": "varchar", "int": "integer", "timestamp": "timestamp(3)"}.get(glue_type, glue_type)


def _presto_view(database: str, sql: str, columns: list[tuple[str, str, str]]) -> str:
    view = {
        "originalSql": sql,
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": name, "type": presto_type(kind)} for name, kind, _ in columns],
    }
    return f"/* Presto View: {base64.b64encode(json.dumps(view).encode()).decode()} */"


def _column(name: str, kind: str, comment: str) -> glue.CfnTable.ColumnProperty:
    return glue.CfnTable.ColumnProperty(name=name, type=kind, comment=comment or None)
