"""``pousada status``: how each hotel and each queue stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import psycopg
import typer
from psycopg import sql

from scripts.cli import batch_commands, output
from scripts.cli.queues import Queue
from scripts.cli.stage import Options, Stage
from shared.errors import PousadaError
from shared.model.columns import ENTITIES, TABLES
from shared.pipeline.sync_runs import SyncRun
from shared.storage.integrations import Integration
from shared.storage.sync_state import Cursors, SyncRuns
from shared.streams import Stream

Counts = dict[tuple[str, str, str], int]
"""By vendor, property and entity."""


class StreamStatus(msgspec.Struct, kw_only=True):
    """One entity of one hotel. A count of None: PostgreSQL could not be asked."""

    vendor: str
    property_id: str
    entity: str
    integration: str
    last_run: SyncRun | None
    cursor: datetime | None
    """Everything changed at the vendor before this instant has been fetched."""
    rows: int | None
    quarantined: int | None


class QueueStatus(msgspec.Struct):
    queue: str
    waiting: int
    in_flight: int
    dead_letters: int


class Report(msgspec.Struct):
    at: datetime
    streams: list[StreamStatus]
    queues: list[QueueStatus]
    pending_manifests: int
    quarantined: int | None
    """With those whose entity could not be told."""


def status(
    context: typer.Context,
    property_id: Annotated[str | None, typer.Option(help="Only this hotel.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """How each hotel stands (last sync run, cursor, rows, quarantine), and how much waits in each queue.

    **Example**: `scripts/pousada status --json | jq '.queues[] | select(.dead_letters > 0)'`
    """
    options: Options = context.obj
    report = reported(options.open(), property_id, datetime.now(UTC))
    if as_json:
        output.line(report)
    else:
        _show(report)


def reported(stage: Stage, property_id: str | None, now: datetime) -> Report:
    integrations = [i for i in stage.integrations.all() if property_id in (None, i.property_id)]
    rows, quarantined = _counts(stage)
    streams = [
        _stream_status(stage, integration, stream, rows, quarantined)
        for integration in sorted(integrations, key=lambda i: (i.vendor, i.property_id))
        for stream in integration.streams
    ]
    held = None if quarantined is None else sum(n for key, n in quarantined.items() if property_id in (None, key[1]))
    return Report(now, streams, _queues(stage), batch_commands.pending(stage), held)


def _stream_status(
    stage: Stage, integration: Integration, stream: Stream, rows: Counts | None, quarantined: Counts | None
) -> StreamStatus:
    table = stage.table(stage.names.sync_state_table)
    cursor = Cursors(table).get(stream)
    return StreamStatus(
        vendor=stream.vendor,
        property_id=stream.property_id,
        entity=stream.entity,
        integration=integration.status,
        last_run=SyncRuns(table, lambda: datetime.now(UTC)).last_run(*stream),
        cursor=cursor.updated_since if cursor else None,
        rows=None if rows is None else rows.get(stream, 0),
        quarantined=None if quarantined is None else quarantined.get(stream, 0),
    )


def _counts(stage: Stage) -> tuple[Counts | None, Counts | None]:
    """Rows, and what waits in quarantine; None where PostgreSQL cannot be asked: the rest is worth showing."""
    try:
        with stage.database() as connection:
            rows = {
                (source, hotel, entity): count
                for entity in ENTITIES
                for source, hotel, count in connection.execute(_count_of(entity)).fetchall()
            }
            held = connection.execute(
                "SELECT source, hotel_id, record_entity, count(*) FROM hotel.quarantine"
                " WHERE resolved_at IS NULL GROUP BY 1, 2, 3"
            ).fetchall()
    except (psycopg.Error, PousadaError) as error:
        output.say(f"rows and quarantine are left out: PostgreSQL cannot be asked ({type(error).__name__})")
        return None, None
    return rows, {(source, hotel, entity): count for source, hotel, entity, count in held}


def _count_of(entity: str) -> sql.Composed:
    table = sql.Identifier("hotel", TABLES[entity])
    return sql.SQL("SELECT source, hotel_id, count(*) FROM {} GROUP BY 1, 2").format(table)


def _queues(stage: Stage) -> list[QueueStatus]:
    sqs, names = stage.client("sqs"), stage.names
    found = []
    for name in names.queues:
        depth = Queue(sqs, name).depth()
        dead = Queue(sqs, names.dead_letters_of(name)).depth().total
        found.append(QueueStatus(name, depth.waiting + depth.delayed, depth.in_flight, dead))
    return found


def _show(report: Report) -> None:
    columns = ("vendor", "property", "entity", "last run", "ended", "fetched", "cursor", "rows", "quarantined", "error")
    output.table("hotels", columns, (_cells(stream, report.at) for stream in report.streams))
    if not report.streams:
        output.say("no hotel is onboarded: scripts/pousada onboard --help")
    queues: Sequence[QueueStatus] = report.queues
    shown = ((q.queue, q.waiting, q.in_flight, q.dead_letters) for q in queues)
    output.table("queues", ("queue", "waiting", "in flight", "dead letters"), shown)
    rest = (("pending manifests", report.pending_manifests), ("quarantined records", report.quarantined))
    output.table("batch", ("what", "count"), rest)


def _cells(stream: StreamStatus, now: datetime) -> tuple[Any, ...]:
    run = stream.last_run
    name = stream.property_id if stream.integration == "active" else f"{stream.property_id} ({stream.integration})"
    return (
        stream.vendor,
        name,
        stream.entity,
        run.status if run else None,
        _age(run.finished_at, now) if run else None,
        run.fetched if run else None,
        _age(stream.cursor, now),
        stream.rows,
        stream.quarantined,
        run.error if run else None,
    )


def _age(instant: datetime | None, now: datetime) -> str | None:
    """``3 h ago``: whether to worry is a matter of hours, not of digits."""
    if instant is None:
        return None
    age = max(timedelta(0), now - instant)
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1))):
        if age >= 2 * length:
            return f"{age // length} {unit} ago"
    return f"{age.seconds} s ago"
