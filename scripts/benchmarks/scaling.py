"""How the batch path's time grows: with the records, and with the cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import correlation, linear_regression, median
from typing import Any

from scripts.benchmarks import etl

SIZES = (250_000, 500_000, 750_000, 1_000_000)

Say = Callable[[str], None]


def run(sizes: Sequence[int] = SIZES, rounds: int = 3, say: Say = lambda text: None) -> dict[str, Any]:
    """Seconds end to end (``insert``) at each size, the line through them, and what a second worker process gives.

    ``linear_r2``: the share of the variance that the line explains; ``linear_worst``: the largest distance of a size
    from the line, as a share of its time. ``second_worker``: the rate of mapping and writing on two cores over that
    on one, at the second of the sizes.
    """
    seconds = {size: etl.run(size, ("insert",), say=say)["seconds"]["insert.wall"] for size in sizes}
    rates = [[_map_write(sizes[1], cores, say) for cores in (1, 2)] for _ in range(rounds)]
    return {
        "seconds": {f"{size:,}": wall for size, wall in seconds.items()},
        **_line(list(seconds), list(seconds.values())),
        "second_worker": round(median(two / one for one, two in rates), 2),
    }


def _map_write(records: int, cores: int, say: Say) -> float:
    rate: float = etl.run(records, ("map_write",), cores, say)["map_write_per_s"]
    return rate


def _line(sizes: Sequence[int], seconds: Sequence[float]) -> dict[str, float]:
    slope, start = linear_regression(sizes, seconds)
    distances = (abs(start + slope * size - wall) / wall for size, wall in zip(sizes, seconds, strict=True))
    return {
        "us_per_record": round(slope * 1e6, 2),
        "seconds_at_none": round(start, 2),
        "linear_r2": round(correlation(sizes, seconds) ** 2, 4),
        "linear_worst": round(max(distances), 3),
    }
