"""``scripts/bench``: what it shows and writes, and when it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from scripts.benchmarks import __main__ as command
from scripts.benchmarks import scaling
from scripts.benchmarks.bars import BARS, Bar

runner = CliRunner(env={"COLUMNS": "200"})


@pytest.mark.parametrize(
    ("bar", "value", "holds"),
    [(Bar(least=5), 5, True), (Bar(least=5), 4.9, False), (Bar(most=5), 5, True), (Bar(most=5), 5.1, False)],
)
def test_a_bar_holds_up_to_its_value(bar, value, holds) -> None:
    assert bar.holds(value) is holds


def test_every_benchmark_with_a_bar_is_a_command() -> None:
    assert set(BARS) <= set(typer.main.get_command(command.cli).commands)  # type: ignore[attr-defined]


def test_figures_are_shown_with_their_bars_and_written(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "_webhook", lambda: {"import_ratio": 1.1, "own_us_p50": 140.0})
    done = runner.invoke(command.cli, ["webhook", "--json", str(tmp_path / "figures.json")])

    assert done.exit_code == 0
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ["import_ratio", "1.1", "≤", "1.25"],
        ["own_us_p50", "140.0"],
    ]
    assert json.loads((tmp_path / "figures.json").read_text()) == {"import_ratio": 1.1, "own_us_p50": 140.0}


def test_a_bar_that_is_missed_fails_the_command(monkeypatch) -> None:
    monkeypatch.setattr(command, "_webhook", lambda: {"import_ratio": 1.3})
    done = runner.invoke(command.cli, ["webhook"])

    assert done.exit_code == 1
    assert "missed" in done.stdout


@pytest.mark.parametrize(("records", "status"), [(1_000_000, 1), (200_000, 0)])
def test_the_batch_path_s_bars_are_asked_of_many_records_alone(monkeypatch, records, status) -> None:
    monkeypatch.setattr(command, "_etl", lambda records: {"records": records, "map_write_per_s": 1, "insert_per_s": 1})

    assert runner.invoke(command.cli, ["etl", "--records", str(records)]).exit_code == status


def test_all_runs_every_benchmark_and_writes_their_figures(monkeypatch, tmp_path: Path) -> None:
    for name in ("webhook", "apply", "small_objects", "small_batch", "cold_start", "upsert", "scaling", "peers"):
        monkeypatch.setattr(command, f"_{name}", lambda *_: {})
    monkeypatch.setattr(command, "_etl", lambda records: {"records": records})
    done = runner.invoke(command.cli, ["all", "--records", "1000", "--json", str(tmp_path / "figures.json")])

    assert done.exit_code == 0
    assert set(BARS) <= set(json.loads((tmp_path / "figures.json").read_text()))


def test_a_line_through_the_times_is_found_and_a_curve_is_not_taken_for_one() -> None:
    sizes = (1_000, 2_000, 3_000, 4_000)
    straight = scaling._line(sizes, [2 + size / 1_000 for size in sizes])
    curved = scaling._line(sizes, [(size / 1_000) ** 2 for size in sizes])

    assert (straight["us_per_record"], straight["seconds_at_none"], straight["linear_r2"]) == (1000, 2, 1)
    assert curved["linear_r2"] < BARS["scaling"]["linear_r2"].least <= straight["linear_r2"]  # type: ignore[operator]
