"""``scripts/bench``: measures, prints, and says whether the bars hold."""

from __future__ import annotations

import json as json_
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from scripts.benchmarks.bars import BARS, ETL_BAR_RECORDS, Bar

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="What the pipeline costs, on this machine.")
messages = Console(stderr=True, highlight=False)

Figures = dict[str, Any]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there.")]
Records = Annotated[int, typer.Option(min=1_000, help="Raw reservations.")]
Rounds = Annotated[int, typer.Option(min=1, help="The figures are medians of so many.")]

# What one benchmark imports must not slow another: each imports its own.


@cli.command()
def etl(records: Records = 1_000_000, json: Json = None) -> None:
    """The batch path: NDJSON pages in the embedded S3 → Spark → Parquet there and rows in the embedded PostgreSQL.

    Deploys the local target for it, and removes it again. The bars hold on two idle cores; that a worker's memory does
    not grow with the number of records shows in two runs, at 200,000 and at 1,000,000.

    **Example**: `scripts/bench etl --records 1000000 --json etl.json`
    """
    _report({"etl": _etl(records)}, json)


@cli.command()
def upsert(records: Records = 200_000, rounds: Rounds = 3, json: Json = None) -> None:
    """The upsert by itself: new, unchanged and changed rows, beside a plain COPY of the same rows.

    **Example**: `scripts/bench upsert --json upsert.json`
    """
    _report({"upsert": _upsert(records, rounds)}, json)


@cli.command()
def webhook(json: Json = None) -> None:
    """The webhook function: our own work for a delivery, and its cold import beside boto3's.

    **Example**: `scripts/bench webhook --json webhook.json`
    """
    _report({"webhook": _webhook()}, json)


@cli.command()
def apply(json: Json = None) -> None:
    """The apply function: our own work for an event, apart from S3 and from PostgreSQL.

    **Example**: `scripts/bench apply --json apply.json`
    """
    _report({"apply": _apply()}, json)


@cli.command()
def small_objects(
    objects: Annotated[int, typer.Option(min=1_000, help="Webhooks, one record in each.")] = 10_000,
    rounds: Rounds = 5,
    json: Json = None,
) -> None:
    """The batch path over many small raw objects, beside the same records in pages.

    **Example**: `scripts/bench small-objects`
    """
    _report({"small-objects": _small_objects(objects, rounds)}, json)


@cli.command()
def small_batch(rounds: Rounds = 5, json: Json = None) -> None:
    """The function etl: seconds and memory of a quiet hour's batch, from a cold start (docs/cost.md).

    Deploys the local target for it, and removes it again.

    **Example**: `scripts/bench small-batch --json small-batch.json`
    """
    _report({"small-batch": _small_batch(rounds)}, json)


@cli.command()
def cold_start(json: Json = None) -> None:
    """Each function's import in a fresh interpreter, and the code it carries.

    **Example**: `scripts/bench cold-start`
    """
    _report({"cold-start": _cold_start()}, json)


@cli.command()
def scaling(rounds: Rounds = 3, json: Json = None) -> None:
    """How the batch path's time grows with the records, and with a second worker. Takes ten minutes.

    **Example**: `scripts/bench scaling --json scaling.json`
    """
    _report({"scaling": _scaling(rounds)}, json)


@cli.command()
def peers(records: Records = 500_000, rounds: Rounds = 3, json: Json = None) -> None:
    """The batch path beside dlt, and beside DuckDB as the limit, on the same raw records.

    Installs dlt into an environment of its own, `.pousada/peers`.

    **Example**: `scripts/bench peers --records 1000000`
    """
    _report({"peers": _peers(records, rounds)}, json)


@cli.command(name="all")
def every(records: Records = 1_000_000, json: Json = None) -> None:
    """All of them, one after the other. Takes half an hour; leave the machine alone meanwhile.

    **Example**: `scripts/bench all --json figures.json`
    """
    figures: Figures = {}
    runs: Mapping[str, Callable[[], Figures]] = {
        "webhook": _webhook,
        "apply": _apply,
        "cold-start": _cold_start,
        "small-objects": lambda: _small_objects(10_000, 5),
        "upsert": lambda: _upsert(200_000, 3),
        "small-batch": lambda: _small_batch(5),
        "etl": lambda: _etl(records),
        "peers": lambda: _peers(min(records, 500_000), 1),
        "scaling": lambda: _scaling(3),
    }
    for name, run in runs.items():
        messages.print(f"[bold]{name}[/bold]")
        figures[name] = run()
        if json:  # as far as it has come, for it takes long
            json.write_text(_text(figures), encoding="utf-8")
    _report(figures, json)


def _etl(records: int) -> Figures:
    from scripts.benchmarks import etl

    return etl.run(records, say=messages.print)


def _upsert(records: int, rounds: int) -> Figures:
    from scripts.benchmarks import upsert

    return upsert.run(records, rounds, messages.print)


def _webhook() -> Figures:
    from scripts.benchmarks import webhook

    return webhook.run()


def _apply() -> Figures:
    from scripts.benchmarks import apply

    return apply.run()


def _small_objects(objects: int, rounds: int) -> Figures:
    from scripts.benchmarks import small_objects

    return small_objects.run(objects, rounds)


def _small_batch(rounds: int) -> Figures:
    from scripts.benchmarks import small_batch

    return small_batch.run(runs=rounds, say=messages.print)


def _cold_start() -> Figures:
    from scripts.benchmarks import cold_start

    return cold_start.run()


def _scaling(rounds: int) -> Figures:
    from scripts.benchmarks import scaling

    return scaling.run(rounds=rounds, say=messages.print)


def _peers(records: int, rounds: int) -> Figures:
    from scripts.benchmarks.peers import comparison

    return comparison.run(records, rounds, messages.print)


def _report(benchmarks: Mapping[str, Figures], json: Path | None) -> None:
    """Shows the figures; status 1 where a bar does not hold."""
    grid = Table("figure", "", "bar", box=None, pad_edge=False, header_style="bold")
    broken = False
    for benchmark, figures in benchmarks.items():
        bars = _bars(benchmark, figures)
        prefix = f"{benchmark}." if len(benchmarks) > 1 else ""
        for name, value in _flat(figures):
            bar = bars.get(name)
            missed = bar is not None and not bar.holds(value)
            grid.add_row(f"{prefix}{name}", f"{value:,}", f"{bar or ''}{'  missed' if missed else ''}")
            broken = broken or missed
    Console(highlight=False).print(grid)
    if json:
        figures = dict(benchmarks) if len(benchmarks) > 1 else next(iter(benchmarks.values()))
        json.write_text(_text(figures), encoding="utf-8")
    if broken:
        raise typer.Exit(1)


def _bars(benchmark: str, figures: Figures) -> Mapping[str, Bar]:
    too_few = benchmark == "etl" and figures["records"] < ETL_BAR_RECORDS
    return {} if too_few else BARS.get(benchmark, {})


def _flat(figures: Figures, prefix: str = "") -> list[tuple[str, float]]:
    rows: list[tuple[str, float]] = []
    for name, value in figures.items():
        rows += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return rows


def _text(figures: Figures) -> str:
    return json_.dumps(figures, indent=2) + "\n"


if __name__ == "__main__":
    cli()
