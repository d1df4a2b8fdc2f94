"""``scripts/demo`` as a newcomer runs it, but small: every check of its own holds, and nothing of it is left."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.local import environment, processes
from tests.e2e.waiting import eventually

SECONDS = 420
TABLES = {"bookings", "guests", "rooms", "payments"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A state folder; whatever a failed demonstration left in it ends with the test."""
    with tempfile.TemporaryDirectory(prefix="pousada-demo-") as name:
        yield Path(name).resolve()
        processes.end_all(Path(name).resolve())


def begun(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "scripts.demonstration", "--rooms", "2", "--days", "10", *arguments]
    return subprocess.Popen(
        [*command, "--state-dir", str(folder)],
        cwd=environment.ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_after_one_was_killed_a_demonstration_holds_all_its_checks_and_leaves_nothing_running(
    folder: Path, tmp_path: Path
) -> None:
    with begun(folder) as killed:
        eventually(lambda: (folder / "simulator.log").exists(), "the first demonstration to have deployed", SECONDS)
        killed.kill()
        killed.communicate()

    with begun(folder, "--json", str(tmp_path / "summary.json")) as second:
        shown, _ = second.communicate(timeout=SECONDS)

    assert second.returncode == 0, shown
    assert "nothing lost, nothing doubled" in shown
    assert processes.marked(folder) == []
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["webhooks"].keys() >= {"sent", "accepted", "duplicates", "refused"}
    assert summary["lag_seconds"].keys() == {"p50", "p95", "p99"}
    assert summary["truth"].keys() == TABLES
    assert summary["rows"] == summary["truth"]
    assert summary["mismatches"] == 0
    assert isinstance(summary["quarantined"], dict)
    assert summary["parquet"].keys() >= {"files", "rows"}
    assert len(summary["athena"]) >= 3
    assert all(summary["athena"].values())
    assert summary["seconds"].keys() >= {"setup", "deploy", "run"}
