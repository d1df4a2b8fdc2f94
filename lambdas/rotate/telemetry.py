"""What is logged and counted of secrets: names and ages, never a value.

Metrics (namespace of the stage; dimension service, and those that are named):

    SecretAgeDays {kind}        days since the value in use came into use, one for each secret a day, the maximum tells;
                                and a 0 for the day's order, so that a stage without hotels is not silent
    SecretsRotated {vendor}     count
    SecretsUntold {vendor}      count; due, and the vendor cannot be told: its API cannot, or the hotel is not
                                subscribed
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from datetime import timedelta

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from shared.errors import Misconfigured, PousadaError
from shared.pipeline.managed_rotation import Step
from shared.pipeline.rotation import Leg
from shared.pipeline.rotation_orders import HotelRotation
from shared.pipeline.sync_runs import described

logger = Logger(service="pousada")

_DAY = timedelta(days=1)


def begin(message_id: str) -> None:
    logger.append_keys(message_id=message_id, vendor=None, property_id=None)


def ordered(sent: int, broken: list[Misconfigured]) -> None:
    logger.info("secrets looked after", extra={"orders": sent})
    for error in broken:
        logger.error("an integration cannot be read", extra={"cause": described(error)})


def about(order: HotelRotation) -> None:
    logger.append_keys(vendor=order.vendor, property_id=order.property_id)


def aged(ages: Mapping[str, timedelta]) -> None:
    """``ages`` by kind. The hotel is known from ``about``."""
    days = {kind: round(age / _DAY, 3) for kind, age in ages.items()}
    logger.info("secrets' ages", extra={"days": days})
    for kind, age in days.items():
        _count_age(kind, age)


def begun(kinds: Sequence[str]) -> None:
    """The day's order was carried out, though there may be no hotel."""
    for kind in kinds:
        _count_age(kind, 0)


def _count_age(kind: str, days: float) -> None:
    metrics = EphemeralMetrics(service="pousada")
    metrics.add_dimension("kind", kind)
    metrics.add_metric("SecretAgeDays", "Count", days)
    metrics.flush_metrics()


def ended(vendor: str, leg: Leg) -> None:
    logger.info("webhook secret %s", leg.outcome, extra={"outcome": leg.outcome})
    if leg.outcome == "rotated":
        _count("SecretsRotated", vendor)
    elif leg.outcome == "untold":
        _count("SecretsUntold", vendor)


def stepping(vendor: str, property_id: str, step: Step) -> None:
    logger.append_keys(vendor=vendor, property_id=property_id, step=step)


def stepped(vendor: str, step: Step, *, is_done: bool) -> None:
    """``is_done``: it was so before the step."""
    logger.info("step taken")
    if step == "finishSecret" and not is_done:
        _count("SecretsRotated", vendor)


def failed(error: Exception, what: str = "order given back") -> None:
    facts = error.facts if isinstance(error, PousadaError) else {}
    # Where it happened, without the exception's own text: one that is not ours may quote a secret.
    frames = traceback.format_tb(error.__traceback__)[-3:]
    logger.error(what, extra={"cause": described(error), "frames": frames, **facts})


def _count(metric: str, vendor: str) -> None:
    # Not the shared Metrics: one invocation may be given several vendors' orders.
    metrics = EphemeralMetrics(service="pousada")
    metrics.add_dimension("vendor", vendor)
    metrics.add_metric(metric, "Count", 1)
    metrics.flush_metrics()
