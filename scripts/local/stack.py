"""The whole local target: embedded AWS, embedded PostgreSQL, and this repository's stacks deployed onto them.

    with LocalStack(folder) as local:
        local.client("s3").list_buckets()

All it writes lies in ``folder``, all it starts ends with it: with the ``with`` block, or, should this process be
killed, at once thereafter. ``keep`` is the exception.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import boto3

from scripts import deployed
from scripts.local import deployment, environment, processes, state
from scripts.local.embedded_aws import EmbeddedAws
from scripts.local.embedded_postgres import EmbeddedPostgres
from scripts.local.processes import Command, Supervised
from shared.errors import Misconfigured
from shared.names import LOGINS, Names

STAGE = "local"
_LOCK = "lock"


class LocalStack:
    """``deploy=False`` starts the servers and deploys nothing."""

    def __init__(self, folder: Path | None = None, *, deploy: bool = True) -> None:
        self.folder = (folder or state.default_folder()).resolve()
        self.names = Names(STAGE)
        self.seconds: dict[str, float] = {}
        """How long each step took: ``start``, ``bootstrap``, ``deploy``."""
        self._deploy = deploy
        self._aws = EmbeddedAws(self.folder)
        self._postgres = EmbeddedPostgres(self.folder)
        self._others: dict[str, Supervised] = {}
        self._lock: IO[str] | None = None
        self._kept = False

    # -- What a client of it needs -------------------------------------------------------------
    @property
    def endpoint(self) -> str:
        return self._aws.endpoint

    @property
    def dsn(self) -> str:
        return self._postgres.dsn

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a process that works with it."""
        return self._aws.environment

    @property
    def webhook_url(self) -> str:
        """``…/webhooks``; a vendor's, property's and event's segments follow."""
        return deployed.output(self.client("cloudformation"), self.names.stack("ingest"), "WebhookUrl")

    def session(self) -> boto3.Session:
        return boto3.Session("test", "test", region_name=environment.REGION)

    def client(self, service: str, **how: Any) -> Any:
        return self.session().client(service, endpoint_url=self.endpoint, **how)

    # -- Its life ------------------------------------------------------------------------------
    def __enter__(self) -> LocalStack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kept and error is None:
            self._let_go()
        else:
            self.stop()

    def start(self) -> None:
        """Clears what an earlier run left, whether it was kept or killed. Raises Misconfigured."""
        self._lock = _take(self.folder)
        try:
            clear(self.folder)
            with self._timed("start"):
                self._postgres.start()
                self._aws.start()
            if self._deploy:
                self._deploy_stacks()
        except BaseException:
            self.stop()
            raise

    def _deploy_stacks(self) -> None:
        with self._timed("bootstrap"):
            deployment.bootstrap(self.environment, self.folder)
        with self._timed("deploy"):
            # Before: the deployment runs the migrations, by a function that looks for the database there.
            self._store_owner()
            deployment.deploy(STAGE, self.environment, self.folder)
            self._store_logins()

    def open_database_again(self) -> None:
        """After PostgreSQL died: its cluster is opened again, at another port, which the secrets then tell."""
        self._postgres.stop()
        self._postgres.start()
        self._store_owner()
        if self._deploy:
            self._store_logins()

    def _store_owner(self) -> None:
        self._store(self.names.database_secret, self._postgres.secret)

    def _store_logins(self) -> None:
        """The migrations made them, without a password."""
        for login in LOGINS:
            self._store(self.names.login_secret(login), self._postgres.secret_of(login))

    def _store(self, name: str, secret: Mapping[str, str | int]) -> None:
        deployment.store_secret(name, secret, self.client("secretsmanager"))

    def run(self, command: Command) -> Supervised:
        """Starts one more process that shares the target's life (a vendor's simulator)."""
        started = processes.start(command, self.folder)
        self._others[command.name] = started
        return started

    def keep(self) -> state.State:
        """Lets everything run on once the ``with`` block ends without an error, and tells where it is."""
        self._kept = True
        running = {name: process.pid for name, process in self._others.items()}
        kept = state.State(
            stage=STAGE, endpoint=self.endpoint, dsn=self.dsn, webhook_url=self.webhook_url, processes=running
        )
        state.write(self.folder, kept)
        return kept

    def _let_go(self) -> None:
        for process in self._running():
            process.release()
        self._unlock()

    def stop(self) -> None:
        """Ends every process and removes all files but the logs."""
        for process in self._running():
            process.stop()
        clear(self.folder, logs=False)
        self._unlock()

    def _running(self) -> Iterator[Supervised | EmbeddedAws | EmbeddedPostgres]:
        """Whoever depends on another comes before it."""
        yield from reversed(self._others.values())
        yield self._aws
        yield self._postgres

    def _unlock(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - started, 3)


def stop_kept(folder: Path) -> None:
    """Ends the local target that runs in ``folder``, kept or orphaned. Raises Misconfigured where a run holds it."""
    lock = _take(folder)
    clear(folder, logs=False)
    lock.close()


def clear(folder: Path, *, logs: bool = True) -> None:
    """Ends every process of ``folder`` and removes its files; ``logs``: those too."""
    processes.end_all(folder)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _LOCK and (logs or path.suffix != ".log"):
            path.unlink()


def _take(folder: Path) -> IO[str]:
    """One run at a time in a folder; the lock goes with its process, however that ends."""
    if folder.exists() and any(folder.iterdir()) and not (folder / _LOCK).exists():
        raise Misconfigured(f"{folder} is not empty and no state folder", fix="name another; it would be cleared")
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / _LOCK).open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise Misconfigured(
            f"another run uses {folder}", fix="wait for it, or name another folder (POUSADA_STATE_DIR)"
        ) from None
    return lock
