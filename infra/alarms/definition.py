"""What an alarm is, before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from infra.config import StageConfig

Severity = Literal["page", "warn"]
Missing = Literal["breaching", "notBreaching", "ignore"]

OURS = ""
"""In place of a namespace: the stage's own (``Names.metrics_namespace``)."""
WATCH_SILENT = "The watch did not run: watch-silent rings for that, and this alarm stays as it was."


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of ours has exactly the dimensions that the code gives it.

    CloudWatch takes another set for another metric, and an alarm on that would never ring.
    """

    namespace: str
    name: str
    dimensions: Mapping[str, str] = field(default_factory=dict)
    statistic: str = "Maximum"

    def namespace_in(self, config: StageConfig) -> str:
        return config.names.metrics_namespace if self.namespace == OURS else self.namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    name: str
    severity: Severity
    """``page`` wakes somebody; ``warn`` is read in the morning."""
    means: str
    """One sentence, for whoever is woken by it."""
    metrics: tuple[Metric, ...]
    """One; or, with an ``expression``, what it calls ``m0``, ``m1``…"""
    expression: str = ""
    """In CloudWatch's metric maths."""
    threshold: float
    below: bool = False
    """It rings under the threshold, and not above it."""
    shown: str
    """The threshold, as the runbook's index has it."""
    minutes: int
    """One period."""
    periods: int = 1
    """So many of them, all on the wrong side."""
    enough: int | None = None
    """Or as many as this of them."""
    missing: Missing
    why: str
    """Why missing data are treated so."""
    follows: str = ""
    """The alarm beside which it is silent, since it mostly follows from that; for as long as that rings, and no longer.

    Only for what stays until somebody mends it, so that nothing is lost by the waiting. A composite alarm of its own
    pages in its stead (``pages_by``): in one of several, a second that rings would tell nothing new."""

    @property
    def pages_by(self) -> str:
        """The composite alarm's name, where it has one."""
        return f"{self.name}-page" if self.follows else ""


def ours(name: str, statistic: str = "Maximum", **dimensions: str) -> Metric:
    return Metric(OURS, name, {"service": "pousada", **dimensions}, statistic)


def gauge(
    config: StageConfig,
    metric: str,
    *,
    name: str,
    severity: Severity,
    means: str,
    threshold: float,
    shown: str,
    periods: int = 1,
    follows: str = "",
) -> Alarm:
    """On the greatest value of a gauge that the function watch gives at every pass."""
    return Alarm(
        name=name,
        severity=severity,
        means=means,
        metrics=(ours(metric),),
        threshold=threshold,
        shown=shown,
        minutes=config.watch.every_minutes,
        periods=periods,
        missing="ignore",
        why=WATCH_SILENT,
        follows=follows,
    )


def total(count: int, first: int = 0) -> str:
    """The expression of the sum of ``count`` metrics from ``m{first}`` on; one that has no data counts as 0."""
    return f"SUM([{', '.join(f'FILL(m{number}, 0)' for number in range(first, first + count))}])"
