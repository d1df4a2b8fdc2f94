"""Starting and ending the local target's processes so that none is ever left behind, nor a stranger's ended.

Each runs under ``guard``. Each, and all that it starts in turn, carries the state folder's path in its environment:
that mark, and not a process id that may long be somebody else's, says whose a process is.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from scripts.local import guard
from scripts.local.environment import ROOT
from shared.errors import Misconfigured

MARK = "POUSADA_LOCAL_STATE"


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. ``stop_signal`` ends it gently."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    stop_signal: str = "SIGTERM"
    directory: Path = ROOT


class Supervised:
    """One running command; ``log`` holds both its outputs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def pid(self) -> int:
        """The guard's."""
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float) -> int:
        """Its exit status. Raises Misconfigured where it has none after ``seconds``."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Misconfigured(f"it still runs after {seconds:.0f} s", fix=f"see {self.log}") from None

    def release(self) -> None:
        """Lets it outlive this process."""
        with suppress(BrokenPipeError):
            self._hand.write(guard.KEEP)
            self._hand.close()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(guard.GRACE_SECONDS + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with suppress(BrokenPipeError):
            self._hand.close()

    @property
    def _hand(self) -> IO[bytes]:
        assert self._process.stdin is not None  # nosec B101 # noqa: S101 - given as PIPE
        return self._process.stdin


def start(command: Command, folder: Path) -> Supervised:
    """Starts ``command`` with the state folder ``folder`` as its mark; its log is ``{folder}/{name}.log``."""
    log = folder / f"{command.name}.log"
    options = ["--signal", command.stop_signal, "--directory", str(command.directory)]
    line = [sys.executable, "-m", guard.__name__, *options, "--", *command.arguments]
    with log.open("ab") as output:
        process = subprocess.Popen(
            line,
            cwd=ROOT,
            env={**command.environment, MARK: str(folder)},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C at the terminal is then for us alone
        )
    return Supervised(process, log)


def wait_until(ready: Callable[[], bool], process: Supervised, what: str, seconds: float) -> None:
    """Raises Misconfigured, with the log's end, where ``process`` ends first or ``seconds`` go by."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not process.running() or time.monotonic() > deadline:
            fate = "did not come up in time" if process.running() else "ended while starting"
            raise Misconfigured(f"{what} {fate}; its log ends with:\n{end_of(process.log)}", fix=f"see {process.log}")
        time.sleep(0.05)


def end_of(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def free_port() -> int:
    """A port nothing listens on now. Somebody may take it before we do: callers try again with another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def marked(folder: Path) -> list[psutil.Process]:
    """Every running process with ``folder`` as its mark."""
    return [process for process in psutil.process_iter() if _mark(process) == str(folder)]


def _mark(process: psutil.Process) -> str | None:
    try:
        environment: dict[str, str] = process.environ()
    except (psutil.Error, OSError):  # gone, a zombie, or not ours to look at
        return None
    return environment.get(MARK)


def end_all(folder: Path) -> None:
    """Ends every marked process: first the guards, who end theirs gently, then whatever is left."""
    guards = [process for process in marked(folder) if _is_guard(process)]
    _signal(guards, signal.SIGTERM)
    psutil.wait_procs(guards, timeout=guard.GRACE_SECONDS + 5)
    left = marked(folder)
    _signal(left, signal.SIGKILL)
    psutil.wait_procs(left, timeout=5)


def _is_guard(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return guard.__name__ in process.cmdline()
    return False


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        if process.pid != os.getpid():
            with suppress(psutil.Error):
                process.send_signal(number)
