"""Glue's tables and views over the Parquet files, and Athena's workgroup."""

from __future__ import annotations

import base64
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from infra.capabilities.analysts import saved_queries
from infra.capabilities.catalog import LAST_YEAR, current_sql, presto_type
from shared.model.columns import ENTITIES, TABLES, glue_columns, order_columns
from tests.infra.templates import Synthesised

pytestmark = pytest.mark.infra

PARTITIONS = ["source", "year", "month", "day"]


def tables(stage: Synthesised) -> dict[str, dict[str, Any]]:
    inputs = [table["TableInput"] for table in stage.properties("AWS::Glue::Table").values()]
    return {table["Name"]: table for table in inputs}


def test_every_entity_has_a_table(stage: Synthesised):
    assert {"bookings", "guests", "rooms", "payments", "quarantine"} == set(TABLES.values())
    assert set(TABLES.values()) <= tables(stage).keys()


@pytest.mark.parametrize("entity", TABLES)
def test_a_table_has_the_models_columns_and_comments(stage: Synthesised, entity: str):
    columns = tables(stage)[TABLES[entity]]["StorageDescriptor"]["Columns"]
    assert [(c["Name"], c["Type"], c.get("Comment", "")) for c in columns] == glue_columns(entity)


@pytest.mark.parametrize("entity", TABLES)
def test_partitions_are_projected_onto_the_writers_keys(stage: Synthesised, entity: str):
    table = tables(stage)[TABLES[entity]]
    assert [key["Name"] for key in table["PartitionKeys"]] == PARTITIONS
    parameters = table["Parameters"]
    folder = f"s3://{stage.config.names.processed_bucket}/{TABLES[entity]}/"
    assert parameters["projection.enabled"] == "true"
    assert parameters["projection.source.values"] == ",".join(stage.config.vendors)
    assert parameters["projection.month.digits"] == parameters["projection.day.digits"] == "2"
    assert table["StorageDescriptor"]["Location"] == folder
    assert parameters["storage.location.template"] == (
        folder + "source=${source}/year=${year}/month=${month}/day=${day}"
    )


def test_no_column_is_a_partition_as_well():
    for entity in TABLES:
        assert not {name for name, _, _ in glue_columns(entity)} & set(PARTITIONS)


def test_the_projection_reaches_two_years_ahead():
    assert date.today().year + 2 <= LAST_YEAR, "raise LAST_YEAR in infra/capabilities/catalog.py and deploy"


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_current_view_is_the_latest_version_of_each_id(aws_stage: Synthesised, entity: str):
    database = aws_stage.config.names.glue_database
    view = tables(aws_stage)[f"{TABLES[entity]}_current"]
    assert view["TableType"] == "VIRTUAL_VIEW"
    assert view["Parameters"]["presto_view"] == "true"
    definition = _presto(view)
    assert definition["originalSql"] == current_sql(database, entity)
    assert definition["schema"] == database
    assert [c["name"] for c in definition["columns"]] == [c["Name"] for c in view["StorageDescriptor"]["Columns"]]


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_latest_is_by_the_order_that_the_upsert_guards(entity: str):
    sql = current_sql("lake", entity)
    assert "PARTITION BY id ORDER BY " + ", ".join(f"{c} DESC NULLS LAST" for c in order_columns(entity)) in sql
    assert set(order_columns(entity)) <= {name for name, _, _ in glue_columns(entity)}


@pytest.mark.parametrize(
    ("glue", "presto"),
    [
        ("string", "varchar"),
        ("int", "integer"),
        ("timestamp", "timestamp(3)"),
        ("date", "date"),
        ("decimal(18,4)", "decimal(18,4)"),
        ("array<string>", "array(varchar)"),
    ],
)
def test_a_view_names_types_as_athena_does(glue: str, presto: str):
    assert presto_type(glue) == presto


def test_the_workgroup_binds_its_users(stage: Synthesised):
    group = stage.named("AWS::Athena::WorkGroup", stage.config.names.athena_workgroup)["WorkGroupConfiguration"]
    assert group["EnforceWorkGroupConfiguration"] is True
    assert group["BytesScannedCutoffPerQuery"] == stage.config.analysts.scan_limit_gib * 1024**3
    results = group["ResultConfiguration"]
    assert results["OutputLocation"] == f"s3://{stage.config.names.work_bucket}/athena-results/"
    assert results["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"


def test_every_saved_query_is_in_the_workgroup(aws_stage: Synthesised):
    saved = {q["Name"]: q for q in aws_stage.properties("AWS::Athena::NamedQuery").values()}
    assert saved.keys() == {query.stem for query in saved_queries()}
    for query in saved_queries():
        assert saved[query.stem]["QueryString"] == query.read_text(encoding="utf-8")
        assert saved[query.stem]["WorkGroup"] == aws_stage.config.names.athena_workgroup


@pytest.mark.parametrize("query", saved_queries(), ids=lambda query: query.stem)
def test_a_saved_query_takes_the_current_versions_as_the_view_does(query: Path):
    """It carries the view's text, since the embedded Athena has no views (DESIGN.md §3)."""
    text = " ".join(query.read_text(encoding="utf-8").split())
    used = [entity for entity in ENTITIES if f"{TABLES[entity]}_current AS" in text]
    assert used
    for entity in used:
        order = ", ".join(f"{column} DESC NULLS LAST" for column in order_columns(entity))
        assert f"PARTITION BY id ORDER BY {order} ) AS recency FROM {TABLES[entity]}" in text


def _presto(view: dict[str, Any]) -> dict[str, Any]:
    text = view["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
    decoded: dict[str, Any] = json.loads(base64.b64decode(text))
    return decoded
