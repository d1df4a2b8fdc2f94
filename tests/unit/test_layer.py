"""The functions' layer: whatever a function imports is in it, or comes with Lambda's own Python."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

from scripts.local.environment import ROOT

LAMBDAS_OWN = {"boto3", "botocore", "s3transfer", "urllib3", "python-dateutil", "six", "jmespath"}
OPTIONAL = {"click", "rich", "pygments"}
"""Of httpx's own command line, which does without."""
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "lambdas").glob("*/handler.py"))
VENDOR_MODULES = sorted(path.stem for path in (ROOT / "shared" / "vendors" / "hostpms").glob("[a-z]*.py"))
IMPORTED = """
import sys
before = set(sys.modules)
import importlib, json
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def pinned() -> set[str]:
    lines = (ROOT / "lambdas" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return {re.split(r"[\[=]", line)[0].lower() for line in lines if "==" in line}


def imported(*modules: str) -> set[str]:
    """The distributions whose modules are in memory once ``modules`` have been imported in a fresh interpreter."""
    command = [sys.executable, "-c", IMPORTED, *modules]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    of_modules = packages_distributions()
    return {of.lower().replace("_", "-") for name in json.loads(run.stdout) for of in of_modules.get(name, ())}


def test_the_functions_import_nothing_that_the_layer_lacks() -> None:
    functions = [f"lambdas.{name}.handler" for name in FUNCTIONS]
    found = imported(*functions, *(f"shared.vendors.hostpms.{name}" for name in VENDOR_MODULES))

    assert {"psycopg", "msgspec", "aws-lambda-powertools"} <= found
    assert found - pinned() - LAMBDAS_OWN - OPTIONAL == set()


def test_the_audit_needs_none_of_the_batch_job_s_packages_nor_an_http_client() -> None:
    heavy = {"pyarrow", "numpy", "pandas", "pyspark", "httpx", "alembic", "sqlalchemy", "awswrangler"}

    assert heavy & imported("lambdas.audit.handler", "shared.vendors.hostpms.mapping") == set()
