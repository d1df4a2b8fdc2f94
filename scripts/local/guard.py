"""Runs one command and ends it, with all that it started, when its owner goes, however the owner goes.

    python -m scripts.local.guard [--signal SIGQUIT] [--directory PATH] -- command argument…

Standard input is the owner's hand: a pipe whose writing end only the owner holds. Its end without a word
means that the owner is gone (a crash, kill -9): the command is stopped. The word ``keep`` lets go of it
instead. SIGTERM stops it as well. The exit status is the command's own.

It has to be started as the leader of a session of its own: that is what tells it all its descendants, also those whose
parent has ended.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import psutil

KEEP = b"keep"
GRACE_SECONDS = 15.0
"""What a command gets to stop by itself."""


class Stop(BaseException):
    """Raised in the main thread by SIGTERM; no Exception, so that nothing on the way swallows it."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--signal", default="SIGTERM")
    parser.add_argument("--directory")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _raise_stop)
    child = None
    try:
        child = subprocess.Popen(options.command, stdin=subprocess.DEVNULL, cwd=options.directory)
        threading.Thread(target=_watch_owner, daemon=True).start()
        return child.wait()
    except Stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return _end(child, signal.Signals[options.signal]) if child else 0
    finally:
        _end_descendants()


def _raise_stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Stop


def _watch_owner() -> None:
    # Not sys.stdin: a thread that waits inside its buffer holds a lock that the interpreter's end waits for.
    if os.read(sys.stdin.fileno(), len(KEEP)) != KEEP:
        os.kill(os.getpid(), signal.SIGTERM)


def _end(child: subprocess.Popen[bytes], gently: signal.Signals) -> int:
    child.send_signal(gently)
    try:
        return child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _end_descendants() -> None:
    """Workers, jobs and what they started. Asked again until none is left: one may have begun another meanwhile."""
    if os.getsid(0) != os.getpid():
        return
    while left := _descendants():
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=0.2)


def _descendants() -> list[psutil.Process]:
    """The other processes of this session. A zombie is gone already; whoever started it has only to look."""
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and _is_of_session(p)]


def _is_of_session(process: psutil.Process) -> bool:
    with suppress(psutil.Error, OSError):
        return os.getsid(process.pid) == os.getpid() and process.status() != psutil.STATUS_ZOMBIE
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
