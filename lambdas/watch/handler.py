"""Every five minutes: what no event can count, as gauges. It reads, and changes nothing."""

from __future__ import annotations

from typing import Any

from lambdas.watch import looks, telemetry
from lambdas.watch.workplace import workplace


@telemetry.logger.inject_lambda_context(log_event=False, clear_state=True)
def handle(event: dict[str, Any], context: Any) -> None:
    """Fails where a store does not answer: then a gauge is missing, and its absence is an alarm (docs/runbook)."""
    at = workplace()
    now = at.clock()
    # Each is told before the next is looked at: what fails takes only itself and those behind it along.
    telemetry.syncs(looks.syncs(at, now))
    telemetry.queues(looks.queues(at))
    telemetry.batches(looks.oldest_pending(at, now))
    if at.server:
        telemetry.storage(at.server.storage_bytes())
    # At the end: the alarm on the watch's own silence is on this one, and so notices whatever failed before it.
    telemetry.raw(looks.raw(at, now))
