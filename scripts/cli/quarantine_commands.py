"""``pousada quarantine``: records that could not be mapped or broke a rule."""

from __future__ import annotations

from typing import Annotated

import typer

from scripts.cli import output, replaying
from scripts.cli.batch_commands import send_again
from scripts.cli.stage import Options, Stage
from shared.storage import quarantine
from shared.storage.quarantine import Quarantined

app = typer.Typer(no_args_is_help=True, help="Records that were refused: see them, and try them again once mended.")

PropertyId = Annotated[str | None, typer.Option(help="Only this hotel's.")]
Reason = Annotated[str | None, typer.Option(help="Only what this rule refused.")]


@app.command("list")
def show(
    context: typer.Context,
    property_id: PropertyId = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to list.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="As NDJSON.")] = False,
) -> None:
    """List what waits, oldest first: which rule refused it, which field, and which raw object holds it.

    **Example**: `scripts/pousada quarantine list --reason check_out_not_after_check_in`
    """
    held = _waiting(context.obj.open(), property_id, reason)
    if as_json:
        for record in held[:limit]:
            output.line(record)
        return
    columns = ("first seen", "vendor", "property", "entity", "reason", "field", "raw object", "line")
    output.table(f"quarantine: {len(held)}", columns, (_cells(record) for record in held[:limit]))
    if len(held) > limit:
        output.say(f"and {len(held) - limit} more (--limit)")
    if not held:
        output.say("nothing waits in the quarantine")


@app.command()
def retry(
    context: typer.Context,
    property_id: PropertyId = None,
    reason: Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the raw keys and send nothing.")] = False,
) -> None:
    """Replay the raw objects of what waits, once the mapping is mended and deployed.

    A record that maps now is resolved, and leaves the list.

    **Example**: `scripts/pousada quarantine retry --property-id PT-LIS-001 --reason malformed_field`
    """
    options: Options = context.obj
    stage = options.open()
    keys = sorted({record.raw_key for record in _waiting(stage, property_id, reason)})
    if dry_run:
        for key in keys:
            typer.echo(key)
        return
    send_again(stage, list(replaying.objects_of(stage.raw_lake, keys)))


def _waiting(stage: Stage, property_id: str | None, reason: str | None) -> list[Quarantined]:
    with stage.database() as connection:
        return list(quarantine.waiting(connection, property_id, reason))


def _cells(held: Quarantined) -> tuple[object, ...]:
    seen = f"{held.first_seen:%Y-%m-%d %H:%M}"
    return (seen, held.source, held.hotel_id, held.record_entity, held.reason, held.field, held.raw_key, held.raw_line)
