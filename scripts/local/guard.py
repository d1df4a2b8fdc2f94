"""Runs one command and ends it when its owner goes, however the owner goes.

    python -m scripts.local.guard [--signal SIGINT] [--directory PATH] -- command argument…

Standard input is the owner's hand: a pipe whose writing end only the owner holds. Its end without a word
means that the owner is gone (a crash, kill -9): the command is stopped. The word ``keep`` lets go of it
instead. SIGTERM stops it as well. The exit status is the command's own.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

KEEP = b"keep"
GRACE_SECONDS = 15.0
"""What a command gets to stop by itself: PostgreSQL writes a checkpoint, the embedded AWS drains its requests."""


class Stop(BaseException):
    """Raised in the main thread by SIGTERM; no Exception, so that nothing on the way swallows it."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--signal", default="SIGTERM")
    parser.add_argument("--directory")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner, who then stops us
    signal.signal(signal.SIGTERM, _raise_stop)
    try:
        child = subprocess.Popen(options.command, stdin=subprocess.DEVNULL, cwd=options.directory)
        threading.Thread(target=_watch_owner, daemon=True).start()
        return child.wait()
    except Stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return _end(child, signal.Signals[options.signal])


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
