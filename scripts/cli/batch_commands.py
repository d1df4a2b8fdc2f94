"""``pousada poll``, ``etl`` and ``replay``: the pipeline's work, now rather than at the hour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

import msgspec
import typer

from scripts.cli import batches, output, replaying
from scripts.cli.queues import Queue
from scripts.cli.stage import Options, Stage
from scripts.cli.waiting import Patience
from shared.errors import Misconfigured, NotFound
from shared.pipeline import raw_keys
from shared.pipeline.manifest import PENDING
from shared.pipeline.poll_orders import PollOrder
from shared.pipeline.raw_walk import objects_under
from shared.pipeline.sync_runs import SyncRun
from shared.storage.raw_lake import RawObject
from shared.storage.sync_state import SyncRuns
from shared.streams import Stream

Timeout = Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait at most.")]
_ENDED = frozenset({"succeeded", "failed"})
_JOB_ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED", "ERROR"})


def poll(
    context: typer.Context,
    property_id: Annotated[str | None, typer.Option(help="Only this hotel.")] = None,
    entity: Annotated[str | None, typer.Option(help="Only booking, guest, room or payment.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the sync runs to end, and show them.")] = False,
    timeout: Timeout = 1800,
) -> None:
    """Poll the vendors now: every active hotel and entity, or those named.

    With `--wait` the exit status is 1 if a sync run failed.

    **Example**: `scripts/pousada poll --property-id PT-LIS-001 --entity booking --wait`
    """
    options: Options = context.obj
    stage = options.open()
    streams = list(_streams(stage, property_id, entity))
    if not streams:
        raise NotFound("no active hotel and entity of that name", fix="see `pousada status`")
    began = datetime.now(UTC)
    queue = Queue(stage.client("sqs"), stage.names.poll_queue)
    for stream in streams:
        queue.send(msgspec.json.encode(PollOrder(**stream._asdict())))
    output.say(f"ordered {len(streams)} polls")
    if wait and any(run.status == "failed" for run in _runs(stage, streams, began, timeout)):
        raise typer.Exit(1)


def _streams(stage: Stage, property_id: str | None, entity: str | None) -> Iterator[Stream]:
    for integration in stage.integrations.active():
        for stream in integration.streams:
            if property_id in (None, stream.property_id) and entity in (None, stream.entity):
                yield stream


def _runs(stage: Stage, streams: Sequence[Stream], began: datetime, timeout: float) -> list[SyncRun]:
    """Waits for a run of each stream that ended after ``began``, and shows them."""
    records = SyncRuns(stage.table(stage.names.sync_state_table), lambda: datetime.now(UTC))
    ended: dict[Stream, SyncRun] = {}
    with output.progress() as bar:
        task = bar.add_task("polling", total=len(streams))

        def look() -> bool:
            for stream in streams:
                run = records.last_run(*stream)
                # A run that was at work already when we asked does what was asked for, too.
                if run and run.status in _ENDED and (run.finished_at or run.started_at) >= began:
                    ended[stream] = run
            bar.update(task, completed=len(ended))
            return len(ended) == len(streams)

        Patience(timeout).until(look, f"{len(streams)} sync runs")
    runs = sorted(ended.values(), key=lambda run: run.stream)
    columns = ("vendor", "property", "entity", "status", "fetched", "unchanged", "pages", "error")
    shown = ((*run.stream, run.status, run.fetched, run.unchanged, run.pages, run.error) for run in runs)
    output.table("sync runs", columns, shown)
    return runs


def etl(
    context: typer.Context,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the job run to end, and tell how.")] = False,
    glue: Annotated[bool, typer.Option("--glue", help="Have the Glue job do it, however little it is.")] = False,
    timeout: Timeout = 3600,
) -> None:
    """Do the batches now: all raw objects that have come in so far.

    First waits until the batch queue is drained into manifests (up to the batching window: five minutes on AWS). Then
    calls the function `etl`, which does a few MiB itself, and starts the Glue job for more. What fails stays pending;
    it is repeated the next time, and nothing is doubled.

    **Example**: `scripts/pousada etl --wait`
    """
    options: Options = context.obj
    stage = options.open()
    _drain(Queue(stage.client("sqs"), stage.names.batch_queue), timeout)
    manifests = pending(stage)
    if not manifests:
        output.say("nothing is pending: no raw object has come since the last run")
        return
    taken = batches.order(stage, by_glue=glue)
    if taken.at_work:
        raise batches.at_work()
    if taken.stored:
        output.say(f"stored {taken.stored} batches, {taken.records} records, without Spark")
    if taken.started:
        output.say(f"job {stage.names.glue_job}, run {taken.started}: {manifests} manifests")
        if wait:
            _await_job(stage, taken.started, pending(stage), timeout)


def _drain(queue: Queue, timeout: float) -> None:
    with output.progress() as bar:
        first = queue.depth().total
        task = bar.add_task("raw objects into manifests", total=first)
        empty = 0

        def look() -> bool:
            nonlocal empty
            left = queue.depth().total
            bar.update(task, completed=max(0, first - left))
            # SQS counts approximately: empty is what was empty twice.
            empty = 0 if left else empty + 1
            return empty >= 2

        Patience(timeout, interval=0.5).until(look, "the batch queue to drain")


def pending(stage: Stage) -> int:
    """How many manifests wait for a run."""
    pages = stage.client("s3").get_paginator("list_objects_v2").paginate(Bucket=stage.names.work_bucket, Prefix=PENDING)
    return sum(page.get("KeyCount", len(page.get("Contents", ()))) for page in pages)


def _await_job(stage: Stage, run: str, manifests: int, timeout: float) -> None:
    found: dict[str, Any] = {}
    with output.progress() as bar:
        task = bar.add_task("job", total=manifests)

        def look() -> bool:
            found.update(stage.client("glue").get_job_run(JobName=stage.names.glue_job, RunId=run)["JobRun"])
            done = max(0, manifests - pending(stage))
            bar.update(task, description=f"job {found['JobRunState'].lower()}", completed=done)
            return found["JobRunState"] in _JOB_ENDED

        Patience(timeout).until(look, f"job run {run}")
    if found["JobRunState"] != "SUCCEEDED":
        reason = found.get("ErrorMessage") or "it gave no reason"
        raise Misconfigured(f"job run {run}: {found['JobRunState'].lower()}: {reason}", fix="docs/runbook.md")
    output.say(f"job run {run} succeeded in {found.get('ExecutionTime', 0)} s")


def replay(
    context: typer.Context,
    prefix: Annotated[str, typer.Option(help="Of the raw keys, from its vendor on: hostpms/PT-LIS-001/webhooks/")],
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what came on this day (UTC) or later.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what came on this day (UTC) or earlier.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the keys and send nothing.")] = False,
) -> None:
    """Send raw objects through the pipeline again: after a mended mapping, or to rebuild what was lost.

    Both paths take them, live and batch. Rows that are as new already stay as they are. Needs no vendor. How to build a
    whole database anew: docs/rebuild.md.

    **Example**: `scripts/pousada replay --prefix hostpms/PT-LIS-001/polling/booking/ --since 2026-03-01 --dry-run`
    """
    options: Options = context.obj
    stage = options.open()
    objects = objects_under(stage.raw_lake, prefix, since.date() if since else None)
    if until:
        objects = _not_after(until.date(), objects)
    if dry_run:
        for found in objects:
            typer.echo(found.key)
        return
    send_again(stage, list(objects))


def _not_after(last: date, objects: Iterable[RawObject]) -> Iterator[RawObject]:
    """What has no day in its key is of every day."""
    return (found for found in objects if (raw_keys.day_of(found.key) or last) <= last)


def send_again(stage: Stage, objects: Sequence[RawObject]) -> None:
    """Replays ``objects`` with progress."""
    with output.progress() as bar:
        task = bar.add_task("replaying", total=len(objects))
        for count in replaying.replay(stage.client("events"), stage.names.raw_bucket, objects):
            bar.advance(task, count)
    output.say(f"replayed {len(objects)} raw objects")
