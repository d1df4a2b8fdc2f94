"""The stacks, deployed once for all end-to-end tests of a run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.local import environment
from scripts.local.stack import LocalStack


@pytest.fixture(scope="session")
def deployed() -> Iterator[LocalStack]:
    """This repository's stacks on an embedded AWS, with a migrated PostgreSQL. Shared: use properties of your own."""
    with tempfile.TemporaryDirectory(prefix="pousada-e2e-") as folder, LocalStack(Path(folder)) as local:
        yield local


@pytest.fixture
def deployed_environment(deployed: LocalStack, monkeypatch: pytest.MonkeyPatch) -> LocalStack:
    """For one test, boto3 without arguments reaches the deployed stacks."""
    for name, value in environment.aws(deployed.endpoint).items():
        monkeypatch.setenv(name, value)
    return deployed
