"""Imports point one way (DESIGN.md §2): the contracts of pyproject.toml, held, and shown to hold."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.local.environment import ROOT

PACKAGES = ("shared", "lambdas", "glue_jobs", "infra", "scripts")
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", LINT], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_every_import_points_the_way_the_contracts_allow() -> None:
    result = lint(ROOT)

    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("infra/names.py", "shared.storage.secrets", "infra reads names"),
        ("shared/pipeline/shortcut.py", "shared.storage.raw_lake", "the pipeline decides without storing"),
        ("shared/model/shortcut.py", "shared.names", "the model depends on nothing"),
        ("shared/vendors/hostpms/shortcut.py", "shared.pipeline.rules", "a vendor knows the model"),
        ("shared/storage/shortcut.py", "shared.vendors.registry", "storage knows no vendor"),
        ("shared/shortcut.py", "lambdas.webhook.handler", "shared knows nothing of who uses it"),
        ("lambdas/apply/shortcut.py", "lambdas.webhook.handler", "a function's folder is its own"),
        ("lambdas/apply/shortcut.py", "glue_jobs.etl", "do not import one another"),
        ("lambdas/etl/shortcut.py", "glue_jobs.cluster", "do not import one another"),
        ("scripts/shortcut.py", "lambdas.webhook.handler", "do not import one another"),
    ],
)
def test_an_import_that_points_the_other_way_is_found(copy: Path, module: str, imported: str, contract: str) -> None:
    wrong = copy / module
    wrong.write_text(f"import {imported}\n")

    result = lint(copy)
    wrong.unlink()

    assert result.returncode != 0
    assert any(contract in line and "BROKEN" in line for line in result.stdout.splitlines()), result.stdout
