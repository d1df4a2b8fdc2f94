"""What a cold start of each function costs: importing its handler in a fresh interpreter, and the code it carries.

The budgets are held by tests/integration/test_function_budgets.py, on each function's own packages alone.

The time is a ratio: beside a fresh interpreter that imports boto3 and makes an S3 and a DynamoDB client, in turns with
it. It is taken twice, since bytecode halves both sides and depends on who imported what before: with all of it
compiled (``import_ratio``), and with the standard library's alone (``import_ratio_uncompiled``), which is what a
function meets whose layer is built without bytecode. It is processor time: beside two busy processes the ratio of
elapsed times was seen anywhere from 1.0 to 1.6 for the same code.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
BASELINE = "import boto3; boto3.client('s3'); boto3.client('dynamodb')"
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",  # nosec B105 # opens nothing
    "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
    "RAW_BUCKET": "raw",
    "IDEMPOTENCY_TABLE": "webhook-idempotency",
    "HOTEL_SECRETS_TABLE": "hotel-secrets",
}
_TIMED = "import time; began = time.process_time(); {}; print(time.process_time() - began)"


FUNCTIONS = tuple(sorted(handler.parent.name for handler in (ROOT / "lambdas").glob("*/handler.py")))


def run(runs: int = 11) -> dict[str, dict[str, float]]:
    """``import_times`` and ``code_kib`` of each function."""
    return {name: {**import_times(name, runs), "code_kib": code_kib(name)} for name in FUNCTIONS}


def import_times(function: str, runs: int, uncompiled: bool = True) -> dict[str, float]:
    """Medians of ``runs`` fresh interpreters each, per state of the bytecode; milliseconds, and their ratio."""
    handler = f"import lambdas.{function}.handler"
    # A folder of our own, since what other runs left beside the sources, or were told not to leave, is chance.
    with tempfile.TemporaryDirectory(prefix="pousada-bytecode-") as bytecode:
        for statement in (BASELINE, handler):
            _import_seconds(statement, PYTHONPYCACHEPREFIX=bytecode)
        figures = _medians(handler, runs, bytecode)
        if uncompiled:
            forget_packages(bytecode)
            figures |= {f"{name}_uncompiled": value for name, value in _medians(handler, runs, bytecode).items()}
    return figures


def _medians(handler: str, runs: int, bytecode: str) -> dict[str, float]:
    frozen = {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": "1"}
    # In turns, so that a change of the machine's pace falls on both.
    pairs = [(_import_seconds(BASELINE, **frozen), _import_seconds(handler, **frozen)) for _ in range(runs)]
    baseline, ours = (median(times) for times in zip(*pairs, strict=True))
    return {
        "import_ratio": round(ours / baseline, 3),
        "import_ms": round(ours * 1000, 1),
        "import_baseline_ms": round(baseline * 1000, 1),
    }


def forget_packages(bytecode: str) -> None:
    """Leaves the standard library's bytecode: the folder mirrors the sources' absolute paths."""
    for sources in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(ROOT)}:
        shutil.rmtree(f"{bytecode}{sources}", ignore_errors=True)


def _import_seconds(statement: str, **settings: str) -> float:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**inherited, **ENVIRONMENT, "PYTHONPATH": str(ROOT), **settings}
    command = [sys.executable, "-c", _TIMED.format(statement)]
    return float(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)


def code_kib(function: str) -> int:
    """Of the Python files in the function's asset (infra.capabilities.function.code_of)."""
    folders = (ROOT / "shared", ROOT / "lambdas" / function)
    return round(sum(file.stat().st_size for folder in folders for file in folder.rglob("*.py")) / 1024)
