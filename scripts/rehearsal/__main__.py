"""``scripts/rehearse``: fills a local target, loses its database and its Parquet files, and builds both anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import psycopg
import typer
from rich.console import Console
from rich.table import Table

from scripts.demonstration import observation
from scripts.demonstration.story import DemonstrationFailed, Story
from scripts.local.stack import LocalStack
from scripts.rehearsal import snapshot
from scripts.rehearsal.course import Rebuild
from scripts.rehearsal.snapshot import Compared, Snapshot
from shared.errors import PousadaError
from shared.names import Names

console = Console(highlight=False)
_SHOWN = 20


class Outcome(msgspec.Struct):
    """What ``--json`` writes."""

    raw_objects: int
    tables: list[Compared]
    seconds: dict[str, float]
    """Of the steps of the rebuild: ``migrate``, ``replay`` with the live path's work, ``etl``, ``audit``."""

    @property
    def differing(self) -> int:
        return sum(len(table.differences) for table in self.tables)


def rehearse(
    hotels: Annotated[int, typer.Option(min=1, max=20, help="How many hotels there are.")] = 2,
    days: Annotated[int, typer.Option(min=1, help="Days they live before the database is lost.")] = 30,
    rooms: Annotated[int, typer.Option(min=1, help="Rooms of each.")] = 8,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the outcome there.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--state-dir", envvar="POUSADA_STATE_DIR", help="Default: .pousada/local")
    ] = None,
) -> None:
    """Rehearse the rebuild of docs/rebuild.md on an embedded AWS: what is kept is the raw lake and the list of hotels.

    Simulated hotels live some days, by webhooks and a poll. Then the database is dropped and every Parquet file
    deleted; migrations, a replay of all raw objects and a batch run follow. Every row is compared with what it was.
    Ends with status 1 where one differs. Everything it starts it stops again.
    """
    try:
        console.print("embedded AWS, PostgreSQL, `cdk bootstrap`, `cdk deploy`: a minute or less")
        with LocalStack(folder) as local:
            names = [f"PT-LIS-{number:03}" for number in range(1, hotels + 1)]
            outcome = _play(local, Story(local, console, rooms, days, names))
    except (DemonstrationFailed, PousadaError) as error:
        console.print(f"[bold red]failed[/] {type(error).__name__}")
        console.print(str(error), markup=False)
        raise typer.Exit(1) from None
    if json:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(outcome), indent=2) + b"\n")
    _show(outcome)
    raise typer.Exit(1 if outcome.differing else 0)


def _play(local: LocalStack, story: Story) -> Outcome:
    story.fill()
    rebuild = Rebuild(local, story.cli)
    with story.step("what there is"):
        before, raw_objects = _snapshot(local), _raw_objects(local)
    with story.step("the database is dropped, every Parquet file deleted"):
        rebuild.lose_the_database()
        rebuild.lose_the_lake()
    with story.step("pousada migrate"):
        rebuild.migrate()
    with story.step(f"pousada replay: {raw_objects:,} raw objects"):
        rebuild.replay(f"hostpms/{property_id}/" for property_id in story.properties)
    with story.step("pousada etl --wait"):
        rebuild.batch()
    with story.step("pousada audit"):
        # Whatever came, came today: the simulated days are the vendor's, and not ours.
        rebuild.audit(datetime.now(UTC).date() - timedelta(days=1))
    with story.step("compare every row"):
        tables = list(before.against(_snapshot(local)))
    return Outcome(raw_objects, tables, rebuild.seconds)


def _snapshot(local: LocalStack) -> Snapshot:
    s3 = local.client("s3")
    with psycopg.connect(local.dsn) as connection:
        return snapshot.take(connection, lambda entity: observation.parquet_bodies(s3, local.names, entity))


def _raw_objects(local: LocalStack) -> int:
    names: Names = local.names
    pages = local.client("s3").get_paginator("list_objects_v2").paginate(Bucket=names.raw_bucket)
    return sum(len(page.get("Contents", ())) for page in pages)


def _show(outcome: Outcome) -> None:
    grid = Table(box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(("store", "table", "before", "after", "differing")):
        grid.add_column(column, justify="left" if number < 2 else "right")
    for one in outcome.tables:
        grid.add_row(one.store, one.table, f"{one.before:,}", f"{one.after:,}", str(len(one.differences)))
    console.print(grid, "")
    console.print("seconds:", ", ".join(f"{step} {seconds:.1f}" for step, seconds in outcome.seconds.items()))
    _verdict(outcome.tables)


def _verdict(tables: Sequence[Compared]) -> None:
    differing = [f"{one.store} {one.table}: {found}" for one in tables for found in one.differences]
    if not differing:
        rows = sum(one.after for one in tables if one.store == "PostgreSQL")
        console.print(f"[bold green]built anew, and equal: {rows:,} rows[/]")
        return
    console.print(f"[bold red]{len(differing)} rows are not as they were[/]")
    for line in differing[:_SHOWN]:
        console.print(f"  {line}", markup=False)


if __name__ == "__main__":
    typer.run(rehearse)
