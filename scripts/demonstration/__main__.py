"""``scripts/demo``: the main job, start to end, on this machine."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Annotated

import typer
from rich.console import Console

from scripts.cli import local_commands
from scripts.demonstration.story import DemonstrationFailed, Story
from scripts.demonstration.summary import Summary, show
from scripts.local import state
from scripts.local.stack import LocalStack
from shared.errors import PousadaError

console = Console(highlight=False)


def demonstrate(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running, and say how to look around.")] = False,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the summary there.")] = None,
    rooms: Annotated[int, typer.Option(min=1, help="Rooms of each hotel: more make more of everything.")] = 8,
    days: Annotated[int, typer.Option(min=1, help="Days the hotels live.")] = 90,
    folder: Annotated[
        Path | None, typer.Option("--state-dir", envvar="POUSADA_STATE_DIR", help="Default: .pousada/local")
    ] = None,
) -> None:
    """Deploy Pousada onto an embedded AWS, take two simulated hotels in, and prove that nothing is lost or doubled.

    Ends with status 0 only where every check held. Everything it starts it stops again, but with --keep.
    """
    began = monotonic()
    local = LocalStack(folder)
    try:
        console.print("embedded AWS, PostgreSQL, `cdk bootstrap`, `cdk deploy`: a minute or less")
        with local:
            summary = _tell(local, rooms, days, began)
            if json:
                json.write_bytes(summary.as_json())
            show(summary, console)
            if keep:
                _explain(local.keep())
    except (DemonstrationFailed, PousadaError) as error:
        console.print(f"[bold red]failed[/] {type(error).__name__}")
        console.print(str(error), markup=False)
        raise typer.Exit(1) from None
    raise typer.Exit(0 if summary.succeeded else 1)


def _tell(local: LocalStack, rooms: int, days: int, began: float) -> Summary:
    deploying = local.seconds["bootstrap"] + local.seconds["deploy"]
    story = Story(local, console, rooms, days)
    story.seconds = {"setup": round(monotonic() - began - deploying, 1), "deploy": round(deploying, 1)}
    return story.tell()


def _explain(running: state.State) -> None:
    console.print("everything is left running; to look around:")
    local_commands.describe(running)
    console.print("`scripts/pousada status` is a good beginning; `scripts/pousada local down` ends it", markup=False)


if __name__ == "__main__":
    typer.run(demonstrate)
