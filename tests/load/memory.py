"""How much a warm function's memory grows: ``python -m tests.load.memory webhook 20000``.

In a process of its own, with the deployed function's code and real clients of boto3, whose requests are answered just
before the network; PostgreSQL is real. Prints ``[events, MB]`` pairs as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from unittest import mock

import psutil

SAMPLES = 40
APPLIED_AT_ONCE = 10
WARM_UP = 0.25
"""Of all events: caches fill, and the allocator finds its size."""

Grown = list[tuple[int, float]]


def webhook(count: int) -> Iterator[int]:
    from scripts.benchmarks import webhook as benchmark

    with mock.patch.dict(os.environ, benchmark.ENVIRONMENT), benchmark.taking(benchmark.canned) as take:
        for number, event in enumerate(benchmark.events(count), start=1):
            take(event)
            yield number


def apply(count: int) -> Iterator[int]:
    from scripts.benchmarks import apply as benchmark

    with mock.patch.dict(os.environ, benchmark.ENVIRONMENT), benchmark.database() as dsn:
        calls = benchmark.invocations(dsn, count // APPLIED_AT_ONCE, APPLIED_AT_ONCE, benchmark.canned)
        for number, invoke in enumerate(calls, start=1):
            invoke()
            yield number * APPLIED_AT_ONCE


FUNCTIONS: dict[str, Callable[[int], Iterator[int]]] = {"webhook": webhook, "apply": apply}


def measured(function: str, count: int) -> Grown:
    process, grown = psutil.Process(), []
    for done in FUNCTIONS[function](count):
        if done * SAMPLES // count > len(grown):
            grown.append((done, process.memory_info().rss / 2**20))
    return grown


def growth(grown: Grown) -> float:
    """MB in 10,000 events, once warm: the slope of the straight line nearest to all samples."""
    warm = [(events, megabytes) for events, megabytes in grown if events > WARM_UP * grown[-1][0]]
    middle, level = (sum(column) / len(warm) for column in zip(*warm, strict=True))
    leaning = sum((events - middle) * (megabytes - level) for events, megabytes in warm)
    return 10_000 * leaning / sum((events - middle) ** 2 for events, _ in warm)


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], int(sys.argv[2]))))
