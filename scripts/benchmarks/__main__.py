"""``scripts/bench``: measures, prints, and says whether the bars hold."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="What the pipeline costs, on this machine.")
messages = Console(stderr=True, highlight=False)

Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there.")]

ETL_BARS: dict[str, float] = {"map_write_per_s": 150_000, "insert_per_s": 30_000}
"""At least; on two cores, with ``BAR_RECORDS`` or more."""
BAR_RECORDS = 1_000_000
WEBHOOK_BARS: dict[str, float] = {"import_ratio": 1.25}
"""At most."""


@cli.command()
def etl(
    records: Annotated[int, typer.Option(min=1_000, help="Raw reservations.")] = 1_000_000,
    json: Json = None,
) -> None:
    """The batch path: NDJSON pages in the embedded S3 → Spark → Parquet there and rows in the embedded PostgreSQL.

    Deploys the local target for it, and removes it again. The bars hold on two idle cores; that a worker's memory does
    not grow with the number of records shows in two runs, at 200,000 and at 1,000,000.

    **Example**: `scripts/bench etl --records 1000000 --json etl.json`
    """
    from scripts.benchmarks import etl as benchmark  # what one benchmark imports must not slow the other

    # With fewer records, Spark's start is most of the time.
    bars = ETL_BARS if records >= BAR_RECORDS else {}
    _report(benchmark.run(records, say=messages.print), json, at_least=bars)


@cli.command()
def webhook(json: Json = None) -> None:
    """The webhook function: our own work for a delivery, and its cold import beside boto3's.

    **Example**: `scripts/bench webhook --json webhook.json`
    """
    from scripts.benchmarks import webhook as benchmark

    _report(benchmark.run(), json, at_most=WEBHOOK_BARS)


@cli.command()
def apply(json: Json = None) -> None:
    """The apply function: our own work for an event, apart from S3 and from PostgreSQL.

    **Example**: `scripts/bench apply --json apply.json`
    """
    from scripts.benchmarks import apply as benchmark

    _report(benchmark.run(), json)


def _report(
    figures: dict[str, Any],
    json: Path | None,
    at_least: dict[str, float] | None = None,
    at_most: dict[str, float] | None = None,
) -> None:
    """Shows the figures; status 1 where a bar does not hold."""
    grid = Table("figure", "", "bar", box=None, pad_edge=False, header_style="bold")
    broken = False
    for name, value in _flat(figures):
        least, most = (at_least or {}).get(name), (at_most or {}).get(name)
        holds = (least is None or value >= least) and (most is None or value <= most)
        bar = f"≥ {least:,}" if least is not None else f"≤ {most:,}" if most is not None else ""
        grid.add_row(name, f"{value:,}", bar + ("" if holds else "  missed"))
        broken = broken or not holds
    Console(highlight=False).print(grid)
    if json:
        json.write_text(json_.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if broken:
        raise typer.Exit(1)


def _flat(figures: dict[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    rows: list[tuple[str, float]] = []
    for name, value in figures.items():
        rows += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return rows


if __name__ == "__main__":
    cli()
