"""The embedded PostgreSQL: a real cluster that needs its password, survives a kill, and shares a machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import psycopg
import pytest

from scripts.local import processes
from scripts.local.embedded_postgres import SETTINGS, EmbeddedPostgres
from shared.storage import postgres


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pousada-tests-") as name:
        yield Path(name)
        processes.end_all(Path(name))


def postmaster(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def test_the_secret_opens_it_as_a_function_would(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()

    with psycopg.connect(postgres.conninfo(json.dumps(server.secret))) as connection:
        (version,) = connection.execute("SHOW server_version").fetchone() or ("",)
        settings = {name: _setting(connection, name) for name in ("synchronous_commit", "listen_addresses", "fsync")}

    assert version.startswith("18")
    assert settings == {"synchronous_commit": "off", "listen_addresses": "127.0.0.1", "fsync": "on"}
    server.stop()


def _setting(connection: psycopg.Connection[tuple[str]], name: str) -> str:
    (value,) = connection.execute("SELECT current_setting(%s)", [name]).fetchone() or ("",)
    return value


def test_without_its_password_nobody_gets_in(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.dsn.replace(server.password, "guess"))

    assert not (folder / "postgres.password").exists()
    assert server.password not in "".join(SETTINGS.values()) + (folder / "postgres.log").read_text()
    server.stop()


def test_after_kill_9_it_recovers_what_was_written(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE guests AS SELECT generate_series(1, 1000) AS id")
        connection.execute("SELECT pg_current_wal_flush_lsn(), pg_switch_wal()")
    os.kill(postmaster(folder), signal.SIGKILL)
    server.stop()

    again = EmbeddedPostgres(folder, password=server.password)
    again.start()

    with psycopg.connect(again.dsn) as connection:
        assert connection.execute("SELECT count(*) FROM guests").fetchone() == (1000,)
    again.stop()


def test_a_cluster_that_was_never_finished_is_made_anew(folder: Path) -> None:
    half_made = folder / "postgres"
    half_made.mkdir()
    (half_made / "base").mkdir()

    server = EmbeddedPostgres(folder)
    server.start()

    with psycopg.connect(server.dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    server.stop()


def test_a_port_that_somebody_took_meanwhile_is_given_up_for_another(folder: Path) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        taken = somebody.getsockname()[1]
        ports = chain([taken], iter(processes.free_port, None))
        server = EmbeddedPostgres(folder, free_port=lambda: next(ports))

        server.start()

    assert server.port != taken
    server.stop()


def test_stopped_it_leaves_no_process(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    assert processes.marked(folder)

    server.stop()

    assert processes.marked(folder) == []
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.dsn)
