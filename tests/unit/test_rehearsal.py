"""The rehearsal's verdict: whatever a rebuild lost, changed or invented is found, and ends it with status 1."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from scripts.rehearsal import __main__ as rehearsal
from scripts.rehearsal.__main__ import Outcome, rehearse
from scripts.rehearsal.snapshot import NOTHING, Compared, Snapshot, decided_columns
from shared.model.columns import ENTITIES, MODELS, TABLES, columns, content_columns


def row(entity: str, **changed: Any) -> tuple[Any, ...]:
    return tuple(changed.get(name, name) for name in decided_columns(entity))


def snapshot(**tables: dict[str, tuple[Any, ...]]) -> Snapshot:
    """With a row of every table, where ``tables`` says nothing else."""
    postgres = {TABLES[entity]: tables.get(TABLES[entity], {"one": row(entity)}) for entity in MODELS}
    return Snapshot(postgres, {TABLES[entity]: {"one": content(entity)} for entity in ENTITIES})


def content(entity: str) -> tuple[Any, ...]:
    return tuple(content_columns(entity))


def found(before: Snapshot, after: Snapshot) -> dict[str, tuple[str, ...]]:
    return {one.table: one.differences for one in before.against(after) if one.differences}


def test_what_is_lost_changed_or_invented_is_told_by_its_id_and_columns_and_never_by_its_values() -> None:
    before = snapshot(bookings={"a": row("booking"), "b": row("booking"), "c": row("booking")})
    after = snapshot(bookings={"b": row("booking"), "c": row("booking", adults=3, raw_key="x"), "d": row("booking")})

    assert found(before, after) == {"bookings": ("a is missing", "d is one too many", "c differs in adults, raw_key")}
    assert found(before, before) == {}


def test_the_quarantine_is_compared_as_well() -> None:
    before = snapshot(quarantine={"q": row("quarantine")})

    assert found(before, snapshot(quarantine={})) == {"quarantine": ("q is missing",)}
    assert found(before, snapshot(quarantine={"q": row("quarantine", reason="other")})) == {
        "quarantine": ("q differs in reason",)
    }


@pytest.mark.parametrize("entity", MODELS)
def test_nothing_is_left_out_but_what_arrival_makes(entity: str) -> None:
    left_out = {column.name for column in columns(entity)} - set(decided_columns(entity))

    again = {"first_seen", "last_seen", "resolved_at", "mapping_version"}
    assert left_out == {"id", *(again if entity == "quarantine" else ("version", "synced_at"))}


def test_a_table_that_was_empty_before_shows_nothing_and_is_no_pass() -> None:
    assert found(snapshot(payments={}), snapshot(payments={})) == {"payments": (NOTHING,)}
    full = snapshot()
    idle = Snapshot(full.postgres, {**full.lake, "rooms": {}})
    assert [(one.store, one.table, one.differences) for one in idle.against(idle) if one.differences] == [
        ("Parquet, current", "rooms", (NOTHING,))
    ]


@pytest.mark.parametrize(("differences", "status"), [((), 0), (("a is missing",), 1)])
def test_a_difference_ends_the_rehearsal_with_status_1(
    differences: tuple[str, ...], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = Outcome(3, [Compared("PostgreSQL", "bookings", 1, 1 - len(differences), differences)], {"replay": 1.0})
    monkeypatch.setattr(rehearsal, "LocalStack", lambda folder: nullcontext())
    monkeypatch.setattr(rehearsal, "_play", lambda local, story: outcome)
    app = typer.Typer()
    app.command()(rehearse)

    result = CliRunner().invoke(app, ["--json", str(tmp_path / "outcome.json")])

    assert result.exit_code == status
    assert json.loads((tmp_path / "outcome.json").read_text())["tables"][0]["differences"] == list(differences)
