"""What some workers of a batch did, and how long it took them."""

from __future__ import annotations

import resource
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TypeVar, cast

Item = TypeVar("Item")
_END = object()


@dataclass
class Outcome:
    """What some workers did; outcomes add up."""

    records: int = 0
    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Entity → rows in Parquet: all versions."""
    written: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Entity → rows that PostgreSQL took."""
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    warned: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    files: int = 0
    file_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Step → time spent in it, summed over the workers."""
    peak_rss_mb: float = 0.0

    def add(self, other: Outcome) -> Outcome:
        self.records += other.records
        self.files += other.files
        self.file_bytes += other.file_bytes
        for mine, others in (
            (self.rows, other.rows),
            (self.written, other.written),
            (self.refused, other.refused),
            (self.warned, other.warned),
        ):
            for name, count in others.items():
                mine[name] += count
        for step, seconds in other.seconds.items():
            self.seconds[step] += seconds
        self.peak_rss_mb = max(self.peak_rss_mb, other.peak_rss_mb)
        return self

    @contextmanager
    def timing(self, step: str) -> Iterator[None]:
        began = perf_counter()
        try:
            yield
        finally:
            self.seconds[step] += perf_counter() - began

    def timed(self, step: str, items: Iterable[Item]) -> Iterator[Item]:
        """``items``, and how long each took to come."""
        iterator = iter(items)
        while True:
            with self.timing(step):
                item = next(iterator, _END)
            if item is _END:
                return
            yield cast(Item, item)

    def measure_memory(self) -> None:
        self.peak_rss_mb = peak_memory_mb()


def peak_memory_mb() -> float:
    """Of this process since it began, resident. Where the kernel does not tell: since the one that it came of began."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) / 1024
