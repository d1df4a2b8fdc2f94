"""``pousada audit``: proof that nothing was lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import typer

from scripts.cli import output
from scripts.cli.stage import Options, Stage
from shared.errors import Malformed
from shared.pipeline.audit import CLOCKS_APART, Batches, Books, Finding, Totals, audit
from shared.pipeline.manifest import Manifest
from shared.pipeline.raw_walk import objects_under
from shared.storage.ledger import Ledger
from shared.storage.manifests import Manifests
from shared.storage.postgres import Database
from shared.storage.property_contexts import PropertyContexts
from shared.storage.raw_lake import RawObject

_SHOWN = 50


class Report(msgspec.Struct):
    since: datetime
    until: datetime
    """Objects stored later are too young to be judged."""
    objects: int
    young: int
    records: int
    rows: int
    refused: int
    repeated: int
    """Objects that several batches took unasked, as when a queue delivers twice: harmless."""
    replayed: int
    found: dict[str, int]
    """Kind of finding → how many. Empty: nothing was lost."""
    findings: list[Finding]


def prove(
    context: typer.Context,
    since: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="What came on this day (UTC) or later is looked at.")
    ],
    prefix: Annotated[
        str, typer.Option(help="Only raw keys that begin so, as hostpms/PT-LIS-001/; all, if not given.")
    ] = "",
    grace: Annotated[
        float, typer.Option(min=0, metavar="HOURS", help="Raw objects younger than this are not judged yet.")
    ] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Prove that nothing was lost: read the raw lake again, and account for every record in it.

    Each raw object is to be in a batch that is done; each record in it to be a row, an older version of one, or in the
    quarantine with its reason. What is not, is printed, and the exit status is 1. What each finding means, and what to
    do: docs/runbook.md.

    **Example**: `scripts/pousada audit --since 2026-03-01 --json | jq .found`
    """
    options: Options = context.obj
    report = _audited(options.open(), since.replace(tzinfo=UTC), prefix, datetime.now(UTC) - timedelta(hours=grace))
    if as_json:
        output.line(report)
    else:
        _show(report)
    if report.found:
        raise typer.Exit(1)


def _audited(stage: Stage, since: datetime, prefix: str, until: datetime) -> Report:
    manifests = Manifests(stage.names.work_bucket, stage.client("s3"))
    # Pending before done: a batch that is finished in between is then in both, and not in neither.
    pending = list(_readable(manifests.pending(), prefix))
    batches = Batches(_readable(manifests.done(since - CLOCKS_APART), prefix), pending)
    lake, totals, database = stage.raw_lake, Totals(), Database(stage.conninfo)
    objects = list(objects_under(lake, prefix, since.date()))
    try:
        with output.progress() as bar:
            task = bar.add_task("raw objects", total=len(objects))

            def counted() -> Iterator[RawObject]:
                for found in objects:
                    yield found
                    bar.advance(task)

            books = Books(lake, PropertyContexts(stage.integrations), Ledger(database))
            findings = list(audit(counted(), batches, books, until, totals))
    finally:
        database.close()
    return Report(
        since, until, totals.objects, totals.young, totals.records, totals.rows, totals.refused,
        totals.repeated, totals.replayed, dict(totals.found), findings,
    )  # fmt: skip


def _readable(manifests: Iterator[Manifest | Malformed], prefix: str) -> Iterator[Manifest]:
    for manifest in manifests:
        if isinstance(manifest, Malformed):
            output.say("an object among the manifests is none: see docs/runbook.md")
        else:
            objects = tuple(address for address in manifest.objects if address.key.startswith(prefix))
            yield msgspec.structs.replace(manifest, objects=objects)


def _show(report: Report) -> None:
    seen = (
        ("raw objects", report.objects),
        ("of them too young to be judged", report.young),
        ("records", report.records),
        ("rows they lead to", report.rows),
        ("records refused", report.refused),
        ("raw objects batched more than once", report.repeated),
        ("raw objects replayed", report.replayed),
    )
    output.table(f"audit since {report.since:%Y-%m-%d}", ("what", "count"), seen)
    columns = ("finding", "raw object", "line", "entity", "row", "reason")
    shown = ((f.kind, f.raw_key, f.raw_line, f.entity, f.id, f.reason) for f in report.findings[:_SHOWN])
    output.table("not accounted for", columns, shown)
    if len(report.findings) > _SHOWN:
        output.say(f"and {len(report.findings) - _SHOWN} more (--json lists all)")
    if not report.found:
        output.say(f"nothing lost: all {report.records} records are accounted for")
