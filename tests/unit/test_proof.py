"""scripts/prove: what it runs is there, and what it counts is what pytest says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scripts.local.environment import ROOT
from scripts.proof import __main__ as command
from scripts.proof import parts

REPORT = """<testsuites><testsuite tests="3" failures="1" errors="1">
<testcase name="a"><properties><property name="points" value="20"/></properties></testcase>
<testcase name="b"><properties><property name="points" value="5"/>
<property name="seconds" value="1.5"/></properties></testcase>
</testsuite></testsuites>"""
STATISTICS = """
    - 100 passing, 0 failing, and 4 invalid test cases
    - 25 passing, 1 failing, and 0 invalid test cases
"""


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The commands that are run, and what pytest answers."""
    seen: list[Any] = []

    def run(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        seen.append((command, how["env"]["POUSADA_EXAMPLES"]))
        (report,) = (Path(part.partition("=")[2]) for part in command if part.startswith("--junitxml="))
        report.write_text(REPORT)
        return subprocess.CompletedProcess(command, 1, STATISTICS, "")

    monkeypatch.setattr(parts.subprocess, "run", run)
    return seen


@pytest.mark.parametrize("name", parts.PARTS)
def test_what_a_part_selects_is_there(name: str) -> None:
    paths = [one for one in parts.PARTS[name].selection if one.startswith("tests/")]
    assert paths
    assert all((ROOT / path).exists() for path in paths)


@pytest.mark.parametrize("heading", ["Its parts:", "## Figures"])
def test_the_page_on_reliability_has_every_part_and_no_other(heading: str) -> None:
    _, found, rest = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").partition(heading)
    rows = re.findall(r"^\| `(\w+)` \|", rest.partition("\n## ")[0], re.MULTILINE)

    assert found
    assert rows == list(parts.PARTS)


def test_tests_points_and_cases_are_counted(ran: list[Any]) -> None:
    outcome = parts.run("crashes", 7, seed=3)
    assert (outcome.tests, outcome.failed, outcome.points, outcome.cases, outcome.seed) == (3, 2, 25, 125, 3)
    ((arguments, examples),) = ran
    assert examples == "7"
    assert "--hypothesis-seed=3" in arguments


def test_what_a_test_records_is_a_figure(ran: list[Any]) -> None:
    assert parts.run("load", 7).figures == {"b": {"seconds": "1.5"}}


def test_what_a_test_says_is_heard_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    selection = ("tests/unit/test_proof.py", "-k", "nothing_of_that_name", "-p", "no_such_plugin")
    monkeypatch.setitem(parts.PARTS, "ledger", parts.Part("nothing", selection, takes="no time"))
    heard: list[str] = []
    with pytest.raises(RuntimeError, match="no_such_plugin"):
        parts.run("ledger", 1, say=heard.append)
    assert any("no_such_plugin" in line for line in heard)


def test_load_and_soak_are_run_when_asked_for_alone() -> None:
    assert parts.chosen(None, full=False) == ["crashes", "order", "ledger", "inputs", "isolation", "timing"]
    assert parts.chosen(None, full=True) == list(parts.PARTS)
    assert parts.chosen(["soak"], full=False) == ["soak"]


def test_the_help_says_how_long_each_part_takes() -> None:
    import typer

    app = typer.Typer()
    app.command()(command.prove)
    shown = " ".join(CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output.split())
    assert all(part.takes.split()[0] in shown for part in parts.PARTS.values())


def test_a_proof_that_did_not_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess([], 4, "no such option", "")
    monkeypatch.setattr(parts.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(RuntimeError, match="no such option"):
        parts.run("ledger", 1)


def test_a_proof_that_failed_fails_the_command_and_shows_its_output(ran: list[Any], tmp_path: Path) -> None:
    import typer

    app = typer.Typer()
    app.command()(command.prove)
    result = CliRunner().invoke(app, ["--only", "ledger", "--json", str(tmp_path / "figures.json")])
    assert result.exit_code == 1
    assert "25 passing" in result.stderr
    assert '"points": 25' in (tmp_path / "figures.json").read_text()
    assert '"seconds": "1.5"' in (tmp_path / "figures.json").read_text()
    assert "1.5" in result.stdout
    assert CliRunner().invoke(app, ["--only", "nothing"]).exit_code == 2
