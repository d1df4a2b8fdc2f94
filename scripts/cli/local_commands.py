"""``pousada local``: the local target, without the demonstration around it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.cli import output
from scripts.local import embedded_postgres, environment, processes, stack, state
from scripts.local.state import State

app = typer.Typer(no_args_is_help=True, help="The local target: embedded AWS and PostgreSQL with the stacks deployed.")

Folder = Annotated[
    Path | None,
    typer.Option("--state-dir", envvar="POUSADA_STATE_DIR", help="Where it keeps its files. Default: .pousada/local"),
]


@app.command()
def up(folder: Folder = None) -> None:
    """Start the local target and leave it running; one that runs in the same folder is replaced, its data gone.

    **Example**: `scripts/pousada local up`
    """
    local = stack.LocalStack(folder)
    output.say(f"starting in {local.folder}; the logs are there too")
    with local:
        kept = local.keep()
    output.say(f"up in {sum(local.seconds.values()):.0f} s")
    describe(kept)


@app.command()
def down(folder: Folder = None) -> None:
    """Stop the local target and remove its data.

    **Example**: `scripts/pousada local down`
    """
    stack.stop_kept(folder or state.default_folder())
    output.say("down")


@app.command()
def status(folder: Folder = None) -> None:
    """Where the local target is, if it runs: endpoint, database, webhook address, processes.

    **Example**: `scripts/pousada local status`
    """
    folder = (folder or state.default_folder()).resolve()
    describe(state.read(folder))
    running = ((process.pid, process.name()) for process in processes.marked(folder))
    output.table("processes", ("pid", "name"), running)


def describe(running: State) -> None:
    output.table(
        "local target",
        ("what", "where"),
        (
            ("AWS", f"export AWS_ENDPOINT_URL={running.endpoint} AWS_DEFAULT_REGION={environment.REGION}"),
            ("", "export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"),
            ("PostgreSQL", f"{embedded_postgres.program('psql')} '{running.dsn}'"),
            ("webhooks", running.webhook_url),
            ("command line", "scripts/pousada status"),
        ),
    )
