"""``pousada dead-letters``: messages that failed too often and were set aside."""

from __future__ import annotations

from typing import Annotated

import typer

from scripts.cli import output
from scripts.cli.queues import Queue
from scripts.cli.stage import Options, Stage
from shared.errors import NotFound

app = typer.Typer(no_args_is_help=True, help="Messages that failed too often: see what they are about, send them back.")

Which = Annotated[
    str | None, typer.Argument(metavar="QUEUE", help="live, batch, poll, audit or rotate; left out, all of them.")
]


@app.command("list")
def show(
    context: typer.Context,
    queue: Which = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many of each queue to look at.")] = 10,
) -> None:
    """List dead letters: the raw object, poll or audit each is about, since when, and how often it was tried.

    Why it failed stands in the function's log, under the same raw key or property. Looking takes nothing out; what was
    shown is hidden from the next look for some seconds.

    **Example**: `scripts/pousada dead-letters list live`
    """
    options: Options = context.obj
    stage = options.open()
    for work, dead in _queues(stage, queue):
        count = dead.depth().total
        output.say(f"{work.name}: {count} dead letters")
        letters = dead.peek(limit) if count else []
        shown = ((f"{letter.sent_at:%Y-%m-%d %H:%M:%S}", letter.receives, letter.about) for letter in letters)
        output.table("", ("sent (UTC)", "looks", "about"), shown)


@app.command()
def redrive(context: typer.Context, queue: Which = None) -> None:
    """Send dead letters back to the queue they came from, once the cause is mended.

    **Example**: `scripts/pousada dead-letters redrive live`
    """
    options: Options = context.obj
    stage = options.open()
    for work, dead in _queues(stage, queue):
        if not dead.depth().total:
            continue
        moved = dead.redrive(work)
        count = "SQS moves them in the background" if moved is None else f"{moved} sent back"
        output.say(f"{work.name}: {count}")


def _queues(stage: Stage, which: str | None) -> list[tuple[Queue, Queue]]:
    """Each work queue with its dead letters. Raises NotFound."""
    sqs, names = stage.client("sqs"), stage.names
    known = {
        "live": names.live_queue,
        "batch": names.batch_queue,
        "poll": names.poll_queue,
        "audit": names.audit_queue,
        "rotate": names.rotate_queue,
    }
    if which is not None and which not in known:
        raise NotFound(f"unknown queue {which}", fix=f"the known are {', '.join(known)}")
    chosen = [known[which]] if which else list(known.values())
    return [(Queue(sqs, name), Queue(sqs, names.dead_letters_of(name))) for name in chosen]
