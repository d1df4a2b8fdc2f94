"""Where the commands write: results to standard output, all that is said about them to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

messages = Console(stderr=True, highlight=False)
_encoder = msgspec.json.Encoder()


def say(text: str) -> None:
    """One line of plain text about what goes on."""
    messages.print(text, markup=False, soft_wrap=True)


def line(record: Any, *, to_errors: bool = False) -> None:
    """One line of NDJSON."""
    typer.echo(_encoder.encode(record), err=to_errors)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Nothing where there are no rows."""
    grid = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", title_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*("–" if cell is None else str(cell) for cell in row))
    if grid.row_count:
        # A pipe has no width: rich would cut the columns to 80.
        Console(width=None if sys.stdout.isatty() else 240, highlight=False, markup=False).print(grid, "")


def progress() -> Progress:
    """Of a wait: spinner, what for, how far."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=messages,
    )
