"""What an invocation came to, as log lines and metrics: counts and addresses, nothing of the records."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from shared.pipeline.live import Applied


def report(applied: Applied, logger: Logger, metrics: Metrics) -> None:
    mapped = applied.mapped
    metrics.add_metric("RecordsApplied", MetricUnit.Count, mapped.records)
    metrics.add_metric("RowsWritten", MetricUnit.Count, sum(applied.written.values()))
    metrics.add_metric("ApplyFailed", MetricUnit.Count, len(applied.failed))
    for age in _ages(applied):
        metrics.add_metric("WebhookToRowMs", MetricUnit.Milliseconds, age)
    refused = Counter((refusal.vendor, refusal.entity, refusal.reason) for refusal in mapped.refusals)
    for (vendor, entity, reason), count in refused.items():
        _count("RecordsRefused", count, vendor=vendor, entity=entity, reason=reason)
    for (entity, rule, field), count in mapped.warned.items():
        _count("RecordsWarned", count, entity=entity, rule=rule, field=field)
    for refusal in mapped.refusals:
        logger.warning("quarantined", reason=refusal.reason, field=refusal.field, raw_key=refusal.raw_key)
    for key, error in applied.failed.items():
        # A database error's text can quote a row: only its class is told.
        logger.error("not applied", raw_key=key, error=type(error).__name__)


def _ages(applied: Applied) -> list[float]:
    """Milliseconds since each raw object was received: one for each object, not for each row of a page."""
    received = {row.raw_key: row.raw_received_at for rows in applied.mapped.rows.values() for row in rows}
    now = datetime.now(UTC)
    return [(now - at).total_seconds() * 1000 for key, at in received.items() if "/webhooks/" in key]


def _count(name: str, count: int, **dimensions: str) -> None:
    with single_metric(name, MetricUnit.Count, count) as metric:
        for dimension, value in dimensions.items():
            metric.add_dimension(dimension, value)
