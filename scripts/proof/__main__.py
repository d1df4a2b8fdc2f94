"""``scripts/prove``: the tests that would find us out, run as long as one likes, and their figures."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from scripts.proof.parts import PARTS, Outcome, chosen, run

_TIMES = "On two cores they take: " + "; ".join(f"{name}, {part.takes}" for name, part in PARTS.items()) + "."


def prove(
    examples: Annotated[
        int, typer.Option(min=1, help="Cases that each property is tried on; 20,000 make more than a million in all.")
    ] = 1_000,
    full: Annotated[bool, typer.Option("--full", help="Load and soak too: three quarters of an hour more.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Of {', '.join(PARTS)}: only this part (repeatable). {_TIMES}"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of an earlier run, to see it again.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures there.")] = None,
) -> None:
    """Prove that nothing is lost and nothing doubled, whatever comes and whenever a process dies.

    Takes ten minutes or so with the usual number of cases, and with --full nearly an hour. What is proved how:
    docs/reliability.md. The exit status is 1 where a proof failed; its output then says how to see that one case again.

    **Example**: `scripts/prove --only inputs --examples 20000`
    """
    unknown = set(only or ()) - set(PARTS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: the parts are {', '.join(PARTS)}")
    outcomes: list[Outcome] = []
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    for name in chosen(only, full):
        with Progress(*columns, console=console) as bar:
            bar.add_task(f"{name}: {PARTS[name].what}")
            outcomes.append(run(name, examples, seed, say))
        if outcomes[-1].failed:
            say(outcomes[-1].output)
    _show(outcomes)
    if json_file:
        json_file.write_text(json.dumps({one.part: _figures(one) for one in outcomes}, indent=2) + "\n")
    raise typer.Exit(int(any(one.failed for one in outcomes)))


def _figures(outcome: Outcome) -> dict[str, object]:
    figures = asdict(outcome)
    return {name: figures[name] for name in ("tests", "failed", "points", "cases", "seconds", "seed", "figures")}


def _show(outcomes: list[Outcome]) -> None:
    names = ("part", "tests", "failed", "points", "cases", "seconds", "seed")
    grid = Table(*names, box=None, header_style="bold")
    for one in outcomes:
        counts = (one.tests, one.failed, one.points, one.cases, round(one.seconds))
        grid.add_row(one.part, *(f"{count:,}" for count in counts), str(one.seed))
    Console().print(grid)
    _show_figures(outcomes)


def _show_figures(outcomes: list[Outcome]) -> None:
    """What tests recorded of themselves."""
    grid = Table("test", "figure", "value", box=None, header_style="bold")
    for one in outcomes:
        for test, figures in one.figures.items():
            for number, (name, value) in enumerate(figures.items()):
                grid.add_row("" if number else test.removeprefix("test_"), name, value)
    if grid.row_count:
        Console().print("", grid)


if __name__ == "__main__":
    typer.run(prove)
