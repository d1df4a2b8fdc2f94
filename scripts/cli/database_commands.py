"""``pousada migrate``: brings the database to what this version needs; ``pousada database``: who uses it."""

from __future__ import annotations

import typer

from scripts.cli import output, reader_commands
from scripts.cli.stage import Options

app = typer.Typer(no_args_is_help=True, help="Who may read PostgreSQL.")
app.add_typer(reader_commands.app, name="reader")


def migrate(context: typer.Context) -> None:
    """Run the migrations that the stage's database does not have yet. Forward only; may be run twice, and two at once.

    From a machine that reaches the database. Before deploying a version that brings new ones.

    **Example**: `scripts/pousada migrate`, or for a real stage `scripts/pousada --stage prod-eu-west-1 migrate`
    """
    from shared.storage import migrations  # here: alembic takes half a second, and no other command needs it

    options: Options = context.obj
    stage = options.open()
    migrations.upgrade(stage.conninfo())
    output.say(f"the database of {options.stage} is up to date")
