"""What each benchmark's figures are held to, on two idle cores."""

from __future__ import annotations

from typing import NamedTuple


class Bar(NamedTuple):
    least: float | None = None
    most: float | None = None

    def holds(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        return f"≥ {self.least:,}" if self.least is not None else f"≤ {self.most:,}"


BARS: dict[str, dict[str, Bar]] = {
    "etl": {"map_write_per_s": Bar(least=150_000), "insert_per_s": Bar(least=30_000)},
    "upsert": {"insert_to_copy": Bar(least=0.6), "unchanged_to_updated": Bar(least=5)},
    "webhook": {"import_ratio": Bar(most=1.25)},
    "small-objects": {"small_to_pages": Bar(least=0.5)},
    "scaling": {"linear_r2": Bar(least=0.99), "second_worker": Bar(least=1.7)},
    "peers": {"etl_to_dlt": Bar(least=30), "map_write_to_duckdb": Bar(least=0.7)},
}
"""Benchmark → figure → bar."""

ETL_BAR_RECORDS = 1_000_000
"""Of fewer records, Spark's start is most of the time: no bar is asked."""
