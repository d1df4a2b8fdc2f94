"""Stacks of a test's own: what a load leaves warm, or full, is nobody else's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.local.stack import LocalStack


@pytest.fixture
def deployed() -> Iterator[LocalStack]:
    """This repository's stacks on an embedded AWS, with a migrated PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="pousada-load-") as folder, LocalStack(Path(folder)) as local:
        yield local
