"""``pousada migrate``: brings the database to what this version needs; ``pousada database``: who uses it."""

from __future__ import annotations

import typer

from scripts.cli import output, reader_commands
from scripts.cli.stage import Options

app = typer.Typer(no_args_is_help=True, help="Who may read PostgreSQL.")
app.add_typer(reader_commands.app, name="reader")


def migrate(context: typer.Context) -> None:
    """Run the migrations that the stage's database does not have yet. Forward only; may be run twice, and two at once.

    A deployment does it by itself. By hand: after restoring an old backup, or where the database is your own.
    From a machine that reaches the database, or through a tunnel: POUSADA_DATABASE_TUNNEL=127.0.0.1:15432.

    **Example**: `scripts/pousada migrate`, or for a real stage `scripts/pousada --stage prod-eu-west-1 migrate`
    """
    from shared.storage import (
        logins,
        migrations,
        statements,
    )  # here: alembic takes half a second, and no other command needs it

    options: Options = context.obj
    stage = options.open()
    conninfo = stage.conninfo()
    if not migrations.upgrade(conninfo):
        output.say(f"the database of {options.stage} is of a later version than this, and left as it is")
        return
    logins.put_logins(conninfo)
    statements.show_statements(conninfo)
    output.say(f"the database of {options.stage} is up to date")
