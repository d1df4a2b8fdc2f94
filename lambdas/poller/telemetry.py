"""What is logged and counted of a poll. Counts and names only: nothing of a record gets here.

Metrics (namespace of the stage; dimensions service, vendor and entity), one set for each leg of a run:

    PollFetched         count; records landed: 0 where the list had nothing new
    PollFailed          count; 1 for a leg that failed, else 0
"""

from __future__ import annotations

import traceback

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from shared.errors import PousadaError
from shared.pipeline.polling import Leg
from shared.pipeline.sync_runs import described
from shared.streams import Stream

logger = Logger(service="pousada")


def begin(message_id: str) -> None:
    logger.append_keys(message_id=message_id, **dict.fromkeys(Stream._fields))


def about(stream: Stream) -> None:
    logger.append_keys(**stream._asdict())


def ended(stream: Stream, leg: Leg, seconds: float) -> None:
    run_id = leg.run.run_id if leg.run else None
    counts = {"fetched": leg.fetched, "unchanged": leg.unchanged, "waited_ms": leg.waited_ms}
    facts = {**counts, "seconds": round(seconds, 3), "run_id": run_id}
    logger.info("poll %s", leg.outcome, extra=facts)
    if leg.run:
        _count(stream, leg)


def failed(error: Exception) -> None:
    facts = error.facts if isinstance(error, PousadaError) else {}
    # Where it happened, without the exception's own text: one that is not ours may quote a record.
    frames = traceback.format_tb(error.__traceback__)[-3:]
    logger.error("order given back", extra={"cause": described(error), "frames": frames, **facts})


def _count(stream: Stream, leg: Leg) -> None:
    # Not the shared Metrics: one invocation may work at several streams, each with dimensions of its own.
    metrics = EphemeralMetrics(service="pousada")
    metrics.add_dimension("vendor", stream.vendor)
    metrics.add_dimension("entity", stream.entity)
    metrics.add_metric("PollFetched", "Count", leg.fetched)
    metrics.add_metric("PollFailed", "Count", int(leg.outcome == "failed"))
    metrics.flush_metrics()
