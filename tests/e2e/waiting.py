"""Waiting for what the pipeline does in its own time: with a deadline, never for a fixed while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from scripts.cli.queues import Queue
from scripts.local.stack import LocalStack

SECONDS = 120.0
LOOKS = 5

T = TypeVar("T")


def eventually(condition: Callable[[], T | None], what: str, seconds: float = SECONDS) -> T:
    """The first true value of ``condition``. Fails, naming ``what``, where there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"still waiting for {what} after {seconds:.0f} s"
        time.sleep(0.1)
    return found


def until_applied(local: LocalStack) -> None:
    """Until nothing is under way on the live path any more."""
    queue, empty = Queue(local.client("sqs"), local.names.live_queue), 0

    def is_empty() -> bool:
        nonlocal empty
        # The event of an object just landed may not have reached the queue yet: one look is not enough.
        empty = 0 if queue.depth().total else empty + 1
        return empty == LOOKS

    eventually(is_empty, "the live queue to be empty")
