"""Every alarm, as data: what it watches, from where on it rings, whom it wakes, and what silence means.

Each has a page of its name in docs/runbook. ``infra/capabilities/alarms.py`` makes them of this, and
tests/infra/test_alarms.py holds each to what the functions really count.
"""

from __future__ import annotations

from collections.abc import Sequence

from infra.alarms import platform, storing, vendors
from infra.alarms.definition import Alarm
from infra.config import StageConfig

MOST_METRICS = 10
"""That CloudWatch takes in one alarm."""


def alarms(config: StageConfig, functions: Sequence[str]) -> tuple[Alarm, ...]:
    """``functions``: the names of all of the stage's. Raises ValueError where one has too many metrics."""
    found = (
        *vendors.webhooks(config),
        *vendors.syncs(config),
        *storing.rows(config),
        *storing.batches(config),
        *storing.proofs(config),
        *platform.functions(config, functions),
        *platform.database(config),
        *platform.secrets(config),
        *platform.watch(config),
    )
    for alarm in found:
        if len(alarm.metrics) > MOST_METRICS:
            raise ValueError(f"the alarm {alarm.name} would have more than {MOST_METRICS} metrics: divide it")
    return found
