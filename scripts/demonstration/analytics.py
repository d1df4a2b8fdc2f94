"""The saved queries of docs/queries, asked of Athena as an analyst would."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from scripts.local.environment import ROOT
from shared.names import Names

QUERIES = ROOT / "docs" / "queries"
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


def saved_queries() -> dict[str, Path]:
    """Name → file."""
    return {path.stem: path for path in sorted(QUERIES.glob("*.sql"))}


def ask(athena: Any, names: Names, sql: str, timeout: float = 120) -> list[dict[str, str | None]]:
    """The answer's rows. Raises RuntimeError, with Athena's reason, where the query fails."""
    query = athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": names.glue_database},
        WorkGroup=names.athena_workgroup,
    )["QueryExecutionId"]
    deadline = time.monotonic() + timeout
    while True:
        status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        if status["State"] in _ENDED:
            break
        if time.monotonic() > deadline:
            raise RuntimeError(f"Athena: no answer within {timeout:.0f} s")
        time.sleep(0.2)
    if status["State"] != "SUCCEEDED":
        raise RuntimeError(f"Athena: {status['State']}: {status.get('StateChangeReason', '')}")
    return _rows(athena, query)


def _rows(athena: Any, query: str) -> list[dict[str, str | None]]:
    lines = [
        [cell.get("VarCharValue") for cell in row["Data"]]
        for page in athena.get_paginator("get_query_results").paginate(QueryExecutionId=query)
        for row in page["ResultSet"]["Rows"]
    ]
    header, *rows = lines
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]
