"""Nothing the local target starts outlives it, and nothing else is ended, however its owner goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from scripts.local import processes
from scripts.local.environment import ROOT
from scripts.local.processes import Command, Supervised

SECONDS = 60.0
# Starts a grandchild that ignores a gentle end, as a job's own processes may, and tells both ids.
FAMILY = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
                          "print('up', flush=True); time.sleep(600)"], stdout=subprocess.PIPE)
child.stdout.readline()
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
OWNER = """
import pathlib, sys, time
from scripts.local import processes
folder = pathlib.Path(sys.argv[1])
family = processes.start(processes.Command("family", [sys.executable, "-c", sys.argv[3]], {}), folder)
if sys.argv[2] == "keep":
    family.release()
print(family.pid, flush=True)
time.sleep(600)
"""


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def family_of(log: Path) -> list[int]:
    """The ids that FAMILY printed."""
    eventually(lambda: log.exists() and log.read_text().endswith("\n"), "the family starts")
    return [int(word) for word in log.read_text().split()]


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # as it may be from one instant to the next
        return False


def gone(*pids: int) -> Callable[[], bool]:
    return lambda: not any(alive(pid) for pid in pids)


def start(folder: Path, program: str = FAMILY) -> Supervised:
    return processes.start(Command("family", [sys.executable, "-c", program], {}), folder)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    processes.end_all(tmp_path)


def owned(folder: Path, how: str) -> subprocess.Popen[bytes]:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(folder), how, FAMILY], cwd=ROOT, stdout=subprocess.PIPE)
    assert owner.stdout is not None
    owner.stdout.readline()
    return owner


def kill(owner: subprocess.Popen[bytes]) -> None:
    owner.kill()
    owner.wait()
    assert owner.stdout is not None
    owner.stdout.close()


def test_stopping_ends_the_command_and_what_it_started(folder: Path) -> None:
    running = start(folder)
    family = family_of(running.log)

    running.stop()

    assert gone(*family)()
    assert not running.running()


def test_when_the_owner_is_killed_the_family_ends(folder: Path) -> None:
    owner = owned(folder, "hold")
    family = family_of(folder / "family.log")

    kill(owner)

    eventually(gone(*family), "the family ends with its owner")


def test_what_is_released_outlives_its_owner_until_its_folder_is_ended(folder: Path) -> None:
    owner = owned(folder, "keep")
    family = family_of(folder / "family.log")
    kill(owner)
    time.sleep(0.3)
    assert all(alive(pid) for pid in family)

    processes.end_all(folder)

    assert gone(*family)()


def test_a_killed_guard_leaves_a_family_that_the_next_start_finds(folder: Path) -> None:
    running = start(folder)
    family = family_of(running.log)
    os.kill(running.pid, signal.SIGKILL)
    running.stop()
    assert all(alive(pid) for pid in family)

    processes.end_all(folder)

    assert gone(*family)()


def test_processes_of_another_folder_are_let_be(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    stranger = start(other)
    family = family_of(stranger.log)

    processes.end_all(folder)

    assert all(alive(pid) for pid in family)
    stranger.stop()


def test_a_command_that_ends_by_itself_ends_its_guard(folder: Path) -> None:
    running = start(folder, "raise SystemExit(3)")

    eventually(lambda: not running.running(), "the guard ends")
