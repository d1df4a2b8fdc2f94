"""What is logged and counted of a delivery. No header, body or delivery id: nothing personal gets here.

Metrics (namespace of the stage; dimensions service and vendor, and reason where one is named):

    DeliveryAccepted, DeliveryDuplicate     count
    DeliveryRefused {reason}                count; our answer was 4xx
    SignatureRefused                        count; of the refused, our answer was 401; dimension service alone
    DeliveryFailed {reason}                 count; our answer was 503: a store of ours, or the configuration
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, Metrics

from lambdas.webhook.receiver import Receipt
from shared.errors import PousadaError, Refuse, Unauthenticated
from shared.pipeline.delivery import Address

logger = Logger(service="pousada")
metrics = Metrics(service="pousada")


def correlate(request_id: str) -> str:
    """API Gateway's request id where there is one, else Lambda's (``request_id``)."""
    given = logger.get_correlation_id()
    correlation_id = given if isinstance(given, str) and given else request_id
    logger.set_correlation_id(correlation_id)
    return correlation_id


def taken(receipt: Receipt, address: Address, seconds: float) -> None:
    latency_ms = round(seconds * 1000, 3)
    logger.info(f"delivery {receipt.result}", **address._asdict(), **receipt._asdict(), latency_ms=latency_ms)
    metrics.add_metric(f"Delivery{receipt.result.capitalize()}", "Count", 1)
    metrics.add_dimension("vendor", address.vendor)


def refused(error: PousadaError, address: Address | None) -> None:
    """``address``: as far as it was known by then."""
    facts = {**(address._asdict() if address else {}), **error.facts}
    if isinstance(error, Refuse):
        logger.warning("delivery refused", cause=error.message, **facts)
        _count("DeliveryRefused", facts, error.reason)
        if isinstance(error, Unauthenticated):
            _count_signature()
    else:
        # Somebody has to look: with the traceback, which names the store's own error.
        logger.exception("delivery failed", **facts)
        _count("DeliveryFailed", facts, str(facts.get("store", "configuration")))


def _count(metric: str, facts: Mapping[str, object], reason: str) -> None:
    metrics.add_metric(metric, "Count", 1)
    # Always the same dimensions: CloudWatch takes another set for another metric, and an alarm would not see it.
    metrics.add_dimension("vendor", str(facts.get("vendor", "unknown")))
    metrics.add_dimension("reason", reason)


def _count_signature() -> None:
    # Whatever the vendor and the reason: an alarm watches one metric, and cannot sum up those that may yet come.
    alone = EphemeralMetrics(service="pousada")
    alone.add_metric("SignatureRefused", "Count", 1)
    alone.flush_metrics()
