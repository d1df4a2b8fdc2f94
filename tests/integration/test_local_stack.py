"""The local target's life: on ports of its own, one run to a folder, kept or gone without a trace."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

import psutil
import psycopg
import pytest

from scripts.local import deployment, processes, stack, state
from scripts.local.embedded_aws import READY_SECONDS, EmbeddedAws
from scripts.local.environment import ROOT
from scripts.local.stack import LocalStack
from shared.errors import Misconfigured
from shared.storage.postgres import conninfo

RUNNER = """
import pathlib, sys, time
from scripts.local.stack import LocalStack
with LocalStack(pathlib.Path(sys.argv[1]), deploy=False) as local:
    print(local.endpoint, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pousada-tests-") as name:
        yield Path(name)
        processes.end_all(Path(name))


@pytest.fixture
def kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStack:
    """A target that runs on after its ``with`` block."""
    monkeypatch.setattr(LocalStack, "webhook_url", "http://127.0.0.1/webhooks")  # nothing is deployed that has one
    with LocalStack(folder, deploy=False) as local:
        local.client("s3").create_bucket(
            Bucket="of-the-first-run", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        local.keep()
    return local


def answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=30):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def test_two_at_once_do_not_meet(folder: Path) -> None:
    with LocalStack(folder / "one", deploy=False) as one, LocalStack(folder / "two", deploy=False) as two:
        one.client("sqs").create_queue(QueueName="mine")

        assert two.client("sqs").list_queues().get("QueueUrls", []) == []
        assert one.dsn != two.dsn


def test_a_database_that_died_is_opened_again_with_all_it_had_where_the_secret_says(folder: Path) -> None:
    with LocalStack(folder, deploy=False) as local:
        with psycopg.connect(local.dsn, autocommit=True) as connection:
            # Or the last instant's commits may be gone, as SETTINGS in embedded_postgres.py says.
            connection.execute("SET synchronous_commit = on")
            connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
        before = local.dsn
        server = psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0]))
        for process in (server, *server.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()

        local.open_database_again()

        secret = local.client("secretsmanager").get_secret_value(SecretId=local.names.database_secret)["SecretString"]
        assert local.dsn != before
        with psycopg.connect(conninfo(secret)) as connection:
            assert connection.execute("SELECT seven FROM kept").fetchone() == (7,)


def test_afterwards_only_logs_are_left(folder: Path) -> None:
    with LocalStack(folder, deploy=False) as local:
        assert answers(local.endpoint)

    assert not answers(local.endpoint)
    assert processes.marked(folder) == []
    assert {path.suffix or path.name for path in folder.iterdir()} == {".log", "lock"}


def test_a_failure_inside_ends_it_too(folder: Path) -> None:
    def fail(local: LocalStack) -> None:
        with local:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail(LocalStack(folder, deploy=False))

    assert processes.marked(folder) == []


def test_a_second_run_in_the_same_folder_is_turned_away_and_harms_nothing(folder: Path) -> None:
    with LocalStack(folder, deploy=False) as first:
        with pytest.raises(Misconfigured, match="another run uses"):
            LocalStack(folder, deploy=False).start()

        assert answers(first.endpoint)


def test_a_killed_run_ends_and_the_next_one_starts(folder: Path) -> None:
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    first = runner.stdout.readline().strip()
    runner.kill()
    runner.wait()
    runner.stdout.close()

    with LocalStack(folder, deploy=False) as local:
        assert local.endpoint == first or not answers(first)
        with psycopg.connect(local.dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)

    assert processes.marked(folder) == []


def test_a_kept_target_can_be_found_and_ended(folder: Path, kept: LocalStack) -> None:
    found = state.read(folder)
    assert (found.endpoint, found.dsn) == (kept.endpoint, kept.dsn)
    assert answers(found.endpoint)

    stack.stop_kept(folder)

    assert not answers(found.endpoint)
    assert processes.marked(folder) == []
    with pytest.raises(Misconfigured, match="no local target"):
        state.read(folder)


def test_a_new_run_takes_a_kept_targets_place_and_starts_empty(folder: Path, kept: LocalStack) -> None:
    with LocalStack(folder, deploy=False) as local:
        assert local.client("s3").list_buckets()["Buckets"] == []
        assert len({process.pid for process in processes.marked(folder)}) > 0


def test_a_folder_with_something_else_in_it_is_not_cleared(folder: Path) -> None:
    (folder / "thesis.txt").write_text("three years of work")

    with pytest.raises(Misconfigured, match="not empty"):
        LocalStack(folder, deploy=False).start()

    assert (folder / "thesis.txt").read_text() == "three years of work"


def test_the_embedded_aws_gives_up_a_taken_port_for_another(folder: Path) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        taken = somebody.getsockname()[1]
        ports = chain([taken], iter(processes.free_port, None))
        server = EmbeddedAws(folder, free_port=lambda: next(ports))

        server.start()

    assert server.port != taken
    assert answers(server.endpoint)
    server.stop()


def test_a_server_that_cannot_start_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = EmbeddedAws(folder)
    monkeypatch.setattr(sys, "executable", "/usr/bin/false")
    started = time.monotonic()

    with pytest.raises(Misconfigured, match="ended while starting"):
        server.start()

    assert time.monotonic() - started < READY_SECONDS / 2


def test_a_failed_deployment_shows_why(folder: Path) -> None:
    with LocalStack(folder, deploy=False) as local, pytest.raises(Misconfigured, match="unknown stage no-such-stage"):
        deployment.deploy("no-such-stage", local.environment, folder)
