"""The functions' cold start: what each imports, how long that takes, and how much code it carries."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from scripts.benchmarks import cold_start, webhook
from scripts.benchmarks.cold_start import BUDGETS, ENVIRONMENT, ROOT

# Of the batch job, the checks and the tools: no function has a use for them.
NEVER = {"pyarrow", "numpy", "pandas", "pyspark", "alembic", "sqlalchemy", "typer", "rich", "moto", "yaml"}
# What is too heavy for a caller that waits five seconds, and what only other functions need.
NOT_WHILE_A_VENDOR_WAITS = NEVER | {"pydantic", "httpx", "psycopg", "tenacity", "aws_xray_sdk"}

EACH_FUNCTION = pytest.mark.parametrize("function", BUDGETS)


def imported(function: str, environment: dict[str, str]) -> set[str]:
    """The top-level packages in memory once the handler has been imported in a fresh interpreter."""
    script = (
        f"import json, sys, lambdas.{function}.handler; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    )
    command = [sys.executable, "-c", script]
    run = subprocess.run(
        command, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True, text=True
    )
    return set(json.loads(run.stdout))


def test_every_function_has_a_budget() -> None:
    assert set(BUDGETS) == {handler.parent.name for handler in (ROOT / "lambdas").glob("*/handler.py")}


@EACH_FUNCTION
def test_a_handler_imports_nothing_heavy(function) -> None:
    heavy = NOT_WHILE_A_VENDOR_WAITS if function == "webhook" else NEVER
    assert heavy & imported(function, {**os.environ, **ENVIRONMENT}) == set()


@EACH_FUNCTION
def test_a_handler_is_imported_without_an_environment(function) -> None:
    region = {"AWS_DEFAULT_REGION": "eu-west-1"}  # as everywhere on Lambda
    assert "lambdas" in imported(function, {"PATH": os.environ["PATH"], **region})


@EACH_FUNCTION
def test_a_cold_import_stays_within_its_budget(function) -> None:
    ratio = cold_start.import_times(function, runs=3, uncompiled=False)["import_ratio"]

    assert 0.5 < ratio <= BUDGETS[function].import_ratio


@EACH_FUNCTION
def test_a_function_carries_no_more_code_than_its_budget(function) -> None:
    assert 0 < cold_start.code_kib(function) <= BUDGETS[function].code_kib


def test_the_webhook_benchmark_gives_its_figures() -> None:
    figures = webhook.run(deliveries=20, imports=1)

    assert {"own_us_p50", "own_us_p99", "import_ratio"} <= set(figures)
    assert 0 < figures["core_us_p50"] < figures["own_us_p50"] < figures["sdk_us_p50"]
