"""What came of a demonstration: the JSON that ``--json`` writes, and the tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from rich.console import Console
from rich.table import Table


class Webhooks(msgspec.Struct):
    sent: int
    accepted: int
    duplicates: int
    refused: dict[str, int]
    """Reason → deliveries: the reason that the function logged, which the caller is not told."""


class Summary(msgspec.Struct, kw_only=True):
    webhooks: Webhooks
    lag_seconds: dict[str, float]
    """p50, p95, p99 from a delivery's sending to its row in PostgreSQL."""
    rows: dict[str, int]
    truth: dict[str, int]
    mismatches: int
    quarantined: dict[str, int]
    parquet: dict[str, int]
    """files, rows (all versions) and bytes."""
    athena: dict[str, list[dict[str, str | None]]]
    seconds: dict[str, float]
    failures: list[str]
    """Every check that did not hold; empty where the demonstration succeeded."""

    @property
    def succeeded(self) -> bool:
        return not self.failures

    def as_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def show(summary: Summary, console: Console) -> None:
    entities = list(summary.truth)
    _table(
        console, "Rows", ("", *entities), [("truth", *summary.truth.values()), ("PostgreSQL", *summary.rows.values())]
    )
    _facts(
        console,
        "Webhooks",
        [
            ("sent", f"{summary.webhooks.sent:,}"),
            ("accepted", f"{summary.webhooks.accepted:,}"),
            ("duplicates", f"{summary.webhooks.duplicates:,}"),
            *((f"refused: {reason}", f"{count:,}") for reason, count in sorted(summary.webhooks.refused.items())),
            ("webhook to row", ", ".join(f"{name} {value:.2f} s" for name, value in summary.lag_seconds.items())),
        ],
    )
    _facts(console, "Quarantined, by reason", sorted(summary.quarantined.items()))
    _facts(console, "Parquet", [(name, f"{value:,}") for name, value in summary.parquet.items()])
    for name, rows in summary.athena.items():
        _table(console, f"Athena: {name}", list(rows[0]) if rows else (), (list(row.values()) for row in rows[:12]))
    _facts(console, "Seconds", [(name, f"{value:.1f}") for name, value in summary.seconds.items()])
    _verdict(summary, console)


def _verdict(summary: Summary, console: Console) -> None:
    expected = sum(summary.truth.values())
    if summary.succeeded:
        console.print(f"[bold green]nothing lost, nothing doubled: {expected:,} of {expected:,}[/]")
        return
    console.print(f"[bold red]{len(summary.failures)} checks did not hold[/]")
    for failure in summary.failures[:20]:
        console.print(f"  {failure}", markup=False)


def _facts(console: Console, title: str, rows: Iterable[tuple[str, object]]) -> None:
    _table(console, title, ("", ""), rows)


def _table(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    grid = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns):
        grid.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        grid.add_row(*("–" if cell is None else str(cell) for cell in row))
    if grid.row_count:
        console.print(grid, "")
