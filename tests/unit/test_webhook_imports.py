"""The webhook function's cold start: what it imports, and how long that takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from scripts.benchmarks import webhook as benchmark

# What is too heavy for a caller that waits five seconds, and what only other functions need.
FORBIDDEN = {"pydantic", "httpx", "psycopg", "pyarrow", "pandas", "pyspark", "tenacity", "aws_xray_sdk", "yaml", "moto"}
RATIO = 1.25


def imported(environment: dict[str, str]) -> set[str]:
    """The top-level packages in memory once the handler has been imported in a fresh interpreter."""
    script = (
        "import json, sys, lambdas.webhook.handler; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    )
    command = [sys.executable, "-c", script]
    run = subprocess.run(
        command, env={**environment, "PYTHONPATH": str(benchmark.ROOT)}, capture_output=True, check=True, text=True
    )
    return set(json.loads(run.stdout))


def test_the_handler_imports_nothing_heavy() -> None:
    assert FORBIDDEN & imported({**os.environ, **benchmark.ENVIRONMENT}) == set()


def test_the_handler_is_imported_without_an_environment() -> None:
    assert "lambdas" in imported({"PATH": os.environ["PATH"]})


def test_a_cold_import_stays_within_its_budget() -> None:
    # Two processors shared with other tests: a busy moment may spoil one measure, not three.
    ratios = []
    for _ in range(3):
        ratios.append(benchmark.import_times(runs=5)["import_ratio"])
        if ratios[-1] <= RATIO:
            return
    pytest.fail(f"importing the handler costs {min(ratios)} times boto3 with two clients, beyond {RATIO}: {ratios}")


def test_the_benchmark_gives_its_figures() -> None:
    figures = benchmark.run(deliveries=20, imports=1)

    assert {"own_us_p50", "own_us_p99", "import_ratio"} <= set(figures)
    assert 0 < figures["core_us_p50"] < figures["own_us_p50"] < figures["sdk_us_p50"]
