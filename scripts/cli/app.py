"""The commands of ``scripts/pousada`` and what they have in common."""

from __future__ import annotations

from typing import Annotated

import typer

from scripts.cli import (
    audit_commands,
    batch_commands,
    cost_commands,
    database_commands,
    dead_letter_commands,
    hotel_commands,
    local_commands,
    quarantine_commands,
    record_commands,
    secret_commands,
    status_commands,
)
from scripts.cli.failures import FailuresExplained
from scripts.cli.stage import Options

app = typer.Typer(
    cls=FailuresExplained,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def pousada(
    context: typer.Context,
    stage: Annotated[
        str, typer.Option(envvar="POUSADA_STAGE", help="A stage of cdk.json: local, prod-eu-west-1, …")
    ] = "local",
    endpoint_url: Annotated[
        str | None, typer.Option(envvar="POUSADA_ENDPOINT_URL", help="AWS's address, where it is not the real one.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
) -> None:
    """Operate Pousada: hotels in, records through, faults out.

    Works alike on the local target (the default; start one with `scripts/pousada local up` or `scripts/demo --keep`)
    and on a real account (`--stage prod-eu-west-1`, with credentials as the AWS command line has them).

    Exit status: 0 done; 1 it failed, or some of the records were refused; 2 the command line was wrong.
    """
    context.obj = Options(stage=stage, endpoint_url=endpoint_url, debug=debug)


app.command("onboard")(hotel_commands.onboard)
app.command("pause")(hotel_commands.pause)
app.command("resume")(hotel_commands.resume)
app.command("map")(record_commands.map_records)
app.command("send")(record_commands.send)
app.command("poll")(batch_commands.poll)
app.command("etl")(batch_commands.etl)
app.command("replay")(batch_commands.replay)
app.command("audit")(audit_commands.prove)
app.command("cost")(cost_commands.cost)
app.command("status")(status_commands.status)
app.command("migrate")(database_commands.migrate)
app.add_typer(database_commands.app, name="database")
app.add_typer(secret_commands.app, name="secrets")
app.add_typer(quarantine_commands.app, name="quarantine")
app.add_typer(dead_letter_commands.app, name="dead-letters")
app.add_typer(local_commands.app, name="local")
