"""What a run of the Glue job counts. CloudWatch is told directly: of a job's log nobody makes metrics.

The function etl counts the same of the batches that it does itself (``lambdas/etl/telemetry.py``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from glue_jobs.outcome import Outcome

logger = logging.getLogger("pousada.etl")

_DIMENSIONS = [{"Name": "service", "Value": "pousada"}]


class Telemetry:
    """Of one run, which begins with it. ``connect`` makes a boto3 CloudWatch client; ``clock`` counts seconds."""

    def __init__(self, connect: Callable[[], Any], namespace: str, clock: Callable[[], float] = perf_counter) -> None:
        self._connect = connect
        self._namespace = namespace
        self._clock = clock
        self._began = clock()

    def ended(self, stored: Sequence[Outcome]) -> None:
        """What the run stored, and how long it took until now. That it cannot be told fails no run."""
        seconds = self._clock() - self._began
        data = [
            _datum("EtlDurationMs", "Milliseconds", seconds * 1000),
            _datum("EtlRecords", "Count", sum(outcome.records for outcome in stored)),
            _datum("EtlRecordsRefused", "Count", sum(sum(outcome.refused.values()) for outcome in stored)),
        ]
        try:
            self._connect().put_metric_data(Namespace=self._namespace, MetricData=data)
        except (BotoCoreError, ClientError) as error:
            logger.error(json.dumps({"message": "metrics not put", "error": type(error).__name__}))


def _datum(name: str, unit: str, value: float) -> dict[str, Any]:
    return {"MetricName": name, "Dimensions": _DIMENSIONS, "Unit": unit, "Value": value}
