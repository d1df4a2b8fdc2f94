"""``scripts/simulate``: what so many hotels do to the pipeline."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from scripts.local.environment import ROOT
from scripts.simulation.limits import LIMITS
from scripts.simulation.page import by_room, page
from scripts.simulation.scenarios import SEED, burst, polled, settings_of
from scripts.simulation.settings import Settings
from scripts.simulation.traffic import BURSTS

PAGE = ROOT / "docs" / "scale.md"

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="How the pipeline bears more hotels, simulated.")
Json = Annotated[bool, typer.Option("--json", help="As one JSON object.")]
Hotels = Annotated[int, typer.Option(min=10, help="Of 40 rooms, as the simulated one is.")]


@cli.command()
def limits(hotels: Hotels, as_json: Json = False) -> None:
    """What each limit bounds, and how much of it so many hotels need: the fullest first.

    **Example**: `scripts/simulate limits --hotels 5000`
    """
    use = {limit.what: limit.use(hotels) for limit in LIMITS}
    if as_json:
        typer.echo(json.dumps(use))
        return
    rows = [
        (it.what, f"{it.demand(hotels):,.4g}", f"{it.value:,g} {it.unit}", f"{100 * it.use(hotels):,.0f} %", it.where)
        for it in sorted(by_room(), key=lambda limit: -limit.use(hotels))
    ]
    _show(f"{hotels:,} hotels", ("limit", "needed", "there is", "use", "switch or quota"), rows)


@cli.command()
def bursts(
    hotels: Hotels,
    requests_per_second: Annotated[float | None, typer.Option(min=1)] = None,
    live_concurrency: Annotated[int | None, typer.Option(min=1)] = None,
    polling_concurrency: Annotated[int | None, typer.Option(min=1)] = None,
    part: Annotated[
        int | None, typer.Option(min=1, help="Simulate one hotel in so many, with the limits divided alike.")
    ] = None,
    seed: Annotated[int, typer.Option()] = SEED,
    as_json: Json = False,
) -> None:
    """Deliveries from the first call to the row, in three bursts; and an hour's polls.

    The settings are those that docs/scale.md advises for so many hotels, where none are given.

    **Example**: `scripts/simulate bursts --hotels 5000 --live-concurrency 10`
    """
    given = {
        "requests_per_second": requests_per_second,
        "live_concurrency": live_concurrency,
        "polling_concurrency": polling_concurrency,
    }
    settings: Settings = replace(settings_of(hotels), **{name: value for name, value in given.items() if value})  # type: ignore[arg-type]
    try:
        found = {name: asdict(burst(name, hotels, settings, seed, part)) for name in BURSTS}
        dispatched, ended = polled(hotels, settings, seed, part)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--part") from None
    if as_json:
        typer.echo(json.dumps({"bursts": found, "polls": {"dispatched": dispatched, "ended": ended}}))
        return
    columns = ("burst", *(name.replace("_", " ") for name in next(iter(found.values()))))
    rows = [(name, *(_shown(value) for value in outcome.values())) for name, outcome in found.items()]
    _show(f"{hotels:,} hotels, {settings}", columns, rows)
    Console().print("given up: turned away four times; polls fetch what such deliveries told of")
    Console().print(f"an hour's polls: ordered in {dispatched / 60:.1f} min, done in {ended / 60:.1f} min")


@cli.command()
def write() -> None:
    """Write the tables of docs/scale.md anew.

    **Example**: `scripts/simulate write`
    """
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def _show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    # A pipe has no width: rich would cut the columns to 80.
    Console(width=None if sys.stdout.isatty() else 240, highlight=False, markup=False).print(table)


if __name__ == "__main__":
    cli(prog_name="simulate")
