"""What the watch logs and counts: names, addresses and counts.

Metrics (namespace of the stage; dimension service; * for each vendor as well), at every pass, zeros as well:

    WatchedHotels                   count; active integrations
    IntegrationsDown *              count; of which nothing has come for five minutes, polled or delivered
    PollsFailingInARow *            count; the most failed runs in a row of any one list, of hotels that are not down
    SyncFailurePercent              percent; lists whose last run failed
    SyncLagMinutes *                minutes; by which the list that is furthest behind its schedule is behind it
    DeadLetters                     count; in all queues
    OldestPendingManifestMinutes    minutes; 0 where none is pending
    DatabaseStorageBytes            bytes; the server's whole storage, free or not; on RDS alone
    RawObjectsUnbatched             count; landed two hours ago and in no manifest, of the hotels whose turn it was.
                                    The last of a pass: missing, it did not come to its end
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from lambdas.watch.looks import Syncs
from shared.pipeline.health import SyncGauges

logger = Logger(service="pousada")

_KEYS_TOLD = 100


def syncs(found: Syncs) -> None:
    for integration in found.down:
        logger.error("integration down", vendor=integration.vendor, property_id=integration.property_id)
    if found.unreadable:
        logger.error("an integration cannot be read", cause=found.unreadable.message)
    metrics = _metrics()
    metrics.add_metric("WatchedHotels", "Count", found.total.hotels)
    metrics.add_metric("SyncFailurePercent", "Percent", found.total.failure_percent)
    metrics.flush_metrics()
    _count_syncs(found.total)
    for vendor, gauges in found.by_vendor.items():
        _count_syncs(gauges, vendor)


def queues(dead_letters: dict[str, int]) -> None:
    for queue, count in dead_letters.items():
        if count:
            logger.error("dead letters", queue=queue, count=count)
    metrics = _metrics()
    metrics.add_metric("DeadLetters", "Count", sum(dead_letters.values()))
    metrics.flush_metrics()


def batches(oldest: timedelta) -> None:
    metrics = _metrics()
    metrics.add_metric("OldestPendingManifestMinutes", "None", oldest / timedelta(minutes=1))
    metrics.flush_metrics()


def storage(of_server: int) -> None:
    metrics = _metrics()
    metrics.add_metric("DatabaseStorageBytes", "Bytes", of_server)
    metrics.flush_metrics()


def raw(unbatched: Sequence[str]) -> None:
    for key in unbatched[:_KEYS_TOLD]:
        logger.error("in no manifest", raw_key=key)
    metrics = _metrics()
    metrics.add_metric("RawObjectsUnbatched", "Count", len(unbatched))
    metrics.flush_metrics()


def _count_syncs(gauges: SyncGauges, vendor: str | None = None) -> None:
    metrics = _metrics()
    if vendor:
        metrics.add_dimension("vendor", vendor)
    metrics.add_metric("IntegrationsDown", "Count", gauges.down)
    metrics.add_metric("PollsFailingInARow", "Count", gauges.failing_in_a_row)
    metrics.add_metric("SyncLagMinutes", "None", gauges.lag_minutes)
    metrics.flush_metrics()


def _metrics() -> EphemeralMetrics:
    return EphemeralMetrics(service="pousada")
