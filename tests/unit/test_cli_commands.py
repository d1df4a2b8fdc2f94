"""The command line as a whole: its help teaches, its failures say what to do, its waits end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import psycopg
import pytest
import typer
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from typer.testing import CliRunner

from scripts.cli.app import app
from scripts.cli.failures import explained
from scripts.cli.stage import Options
from scripts.cli.status_commands import _age
from scripts.cli.waiting import Patience
from scripts.local import state
from scripts.local.environment import ROOT
from shared.errors import Misconfigured, StoreUnavailable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path
        return
    for name, child in below.items():
        yield from commands(child, (*path, name))


COMMANDS = list(commands(typer.main.get_command(app)))


def test_the_commands_are_those_of_the_runbook() -> None:
    assert {path[0] for path in COMMANDS} == {
        "onboard",
        "pause",
        "resume",
        "migrate",
        "map",
        "send",
        "poll",
        "etl",
        "replay",
        "audit",
        "cost",
        "quarantine",
        "secrets",
        "dead-letters",
        "status",
        "database",
        "local",
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_commands_help_shows_an_example_of_it(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"])

    told = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert f"scripts/pousada {' '.join(path)}" in told


def test_an_unknown_stage_lists_those_of_cdk_json() -> None:
    stages = json.loads((ROOT / "cdk.json").read_text())["context"]["pousada"]["stages"]

    result = CliRunner().invoke(app, ["--stage", "prod-eu-wets-1", "status"])

    assert result.exit_code == 1
    assert ", ".join(stages) in result.stderr


def test_without_a_local_target_it_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POUSADA_STATE_DIR", str(tmp_path))

    result = CliRunner().invoke(app, ["status"])

    assert result.exit_code == 1
    assert "scripts/pousada local up" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_failure_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POUSADA_STATE_DIR", str(tmp_path))

    result = CliRunner().invoke(app, ["--debug", "status"])

    assert isinstance(result.exception, Misconfigured)


def test_a_real_stage_has_its_region_and_no_endpoint() -> None:
    stage = Options("prod-eu-south-2").open()

    assert (stage.session.region_name, stage.endpoint) == ("eu-south-2", None)
    assert stage.names.raw_bucket == "pousada-prod-eu-south-2-raw"


def test_the_local_stage_is_where_the_local_target_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POUSADA_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    running = state.State(stage="local", endpoint="http://127.0.0.1:4999", dsn="postgresql://…", webhook_url="…")
    state.write(tmp_path, running)

    assert Options().open().endpoint == "http://127.0.0.1:4999"
    assert Options(endpoint_url="http://127.0.0.1:5000").open().endpoint == "http://127.0.0.1:5000"
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0, "it holds a password"


@pytest.mark.parametrize(
    ("error", "message", "fix"),
    [
        (Misconfigured("no roof", fix="build one"), "no roof", "build one"),
        (NoCredentialsError(), "no AWS credentials", "sign in"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "nothing answers at http://127.0.0.1:1", "run"),
        (ClientError({"Error": {"Code": "Throttling", "Message": "slow"}}, "PutEvents"), "PutEvents: Throttling", None),
        (psycopg.OperationalError("password=hunter2"), "PostgreSQL cannot be reached", "tunnel"),
        (psycopg.errors.UndefinedTable('relation "João"'), "UndefinedTable", "migrations"),
    ],
)
def test_a_failure_says_what_was_wrong_and_what_to_do(error: Exception, message: str, fix: str | None) -> None:
    said, to_do = explained(error)

    assert message in said
    assert fix in to_do if fix and to_do else to_do is None
    assert "hunter2" not in said
    assert "João" not in said


def test_a_wait_ends_when_it_comes_true() -> None:
    looks = iter([False, False, True])
    slept: list[float] = []

    Patience(10, 0.5, clock=lambda: 0.0, sleep=slept.append).until(lambda: next(looks), "it")

    assert slept == [0.5, 0.5]


def test_a_wait_that_does_not_come_true_says_what_it_waited_for() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(StoreUnavailable, match=r"still waiting for the rain after 3 s"):
        Patience(3, 1.0, clock=lambda: now[0], sleep=sleep).until(lambda: False, "the rain")


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=-5), "0 s ago"),
        (timedelta(seconds=90), "90 s ago"),
        (timedelta(minutes=2), "2 min ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(days=3), "3 d ago"),
    ],
)
def test_an_age_is_told_in_the_unit_that_matters(age: timedelta, said: str) -> None:
    assert _age(NOW - age, NOW) == said
