"""What the functions and the job really count: the telemetry of each, called, and read as CloudWatch would."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, date, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

import lambdas.apply.handler
import lambdas.apply.report
import lambdas.audit.telemetry
import lambdas.etl.telemetry
import lambdas.poller.telemetry
import lambdas.rotate.telemetry
import lambdas.watch.telemetry
import lambdas.webhook.telemetry
from glue_jobs.outcome import Outcome
from glue_jobs.telemetry import Telemetry
from lambdas.etl.choice import Taken
from lambdas.watch.looks import Syncs
from lambdas.webhook.receiver import Receipt
from shared.errors import StoreUnavailable, Unauthenticated
from shared.names import Names
from shared.pipeline.audit_orders import HotelAudit
from shared.pipeline.daily_audit import Leg as AuditLeg
from shared.pipeline.delivery import Address
from shared.pipeline.live import Applied
from shared.pipeline.polling import Leg
from shared.pipeline.rotation import Leg as Rotated
from shared.pipeline.sync_runs import SyncRun
from shared.streams import Stream
from tests.factories import mapped, record, webhook_key

AT = datetime(2026, 3, 1, tzinfo=UTC)
NAMESPACE = Names("local").metrics_namespace
STREAM = Stream("hostpms", "PT-LIS-001", "booking")


class Emitted(NamedTuple):
    namespace: str
    name: str
    dimensions: frozenset[str]
    unit: str


@cache
def emitted() -> frozenset[Emitted]:
    """Every metric of ours, with its dimensions' names."""
    with pytest.MonkeyPatch.context() as environment, redirect_stdout(io.StringIO()) as printed:
        # As every function has it (infra/capabilities/function.py).
        environment.setenv("POWERTOOLS_SERVICE_NAME", "pousada")
        for counts in (_webhook, _apply, _poller, _audit, _etl, _rotate, _watch):
            counts()
        of_job = set(_glue_job())
    lines = [json.loads(line) for line in printed.getvalue().splitlines() if line.startswith('{"_aws"')]
    return frozenset(of_job.union(*map(_of_line, lines)))


def _of_line(line: dict[str, Any]) -> Iterator[Emitted]:
    (told,) = line["_aws"]["CloudWatchMetrics"]
    for dimensions in told["Dimensions"]:
        assert line["service"] == "pousada"
        for metric in told["Metrics"]:
            yield Emitted(told["Namespace"], metric["Name"], frozenset(dimensions), metric["Unit"])


def _webhook() -> None:
    address, telemetry = Address("hostpms", "PT-LIS-001", "reservation.updated"), lambdas.webhook.telemetry
    for tell in (
        lambda: telemetry.taken(Receipt("accepted", "key", "current"), address, 0.1),
        lambda: telemetry.taken(Receipt("duplicate", "key", "current"), address, 0.1),
        lambda: telemetry.refused(Unauthenticated("no", reason="wrong_signature", vendor="hostpms"), address),
        lambda: telemetry.refused(StoreUnavailable("away", store="s3", vendor="hostpms"), address),
    ):
        tell()
        telemetry.metrics.flush_metrics()


def _apply() -> None:
    handler = lambdas.apply.handler
    applied = Applied(mapped("booking", record("booking", pricing={"total": "-1"})))
    applied.mapped.add(mapped("booking", record("booking", status="never heard of")))
    applied.mapped.rows["booking"] = [_of_webhook(row) for row in applied.mapped.rows["booking"]]
    lambdas.apply.report.report(applied, handler.logger, handler.metrics)
    handler.metrics.flush_metrics()


def _of_webhook(row: Any) -> Any:
    row.raw_key = webhook_key()
    return row


def _poller() -> None:
    run = SyncRun(**STREAM._asdict(), run_id="run", started_at=AT)
    lambdas.poller.telemetry.ended(STREAM, Leg("succeeded", run), 1.0)


def _audit() -> None:
    order = HotelAudit(vendor="hostpms", property_id="PT-LIS-001", since=date(2026, 3, 1), settled_before=AT)
    lambdas.audit.telemetry.ended(order, AuditLeg(), 1.0)


def _rotate() -> None:
    telemetry = lambdas.rotate.telemetry
    telemetry.aged({"webhook-secret": timedelta(days=1)})
    telemetry.ended("hostpms", Rotated("rotated"))
    telemetry.ended("hostpms", Rotated("untold"))


def _etl() -> None:
    lambdas.etl.telemetry.told(Taken())
    lambdas.etl.telemetry.stored(1, 0, 1.0)
    lambdas.etl.telemetry.metrics.flush_metrics()


def _watch() -> None:
    telemetry = lambdas.watch.telemetry
    telemetry.syncs(Syncs())
    telemetry.queues({"queue": 1})
    telemetry.batches(timedelta())
    telemetry.storage(1)
    telemetry.raw(["key"])


def _glue_job() -> Iterator[Emitted]:
    put: list[dict[str, Any]] = []
    client = SimpleNamespace(put_metric_data=lambda **how: put.append(how))
    Telemetry(lambda: client, NAMESPACE).ended([Outcome(records=1, refused=Counter(malformed_field=1))])
    for call in put:
        for datum in call["MetricData"]:
            names = frozenset(dimension["Name"] for dimension in datum["Dimensions"])
            yield Emitted(call["Namespace"], datum["MetricName"], names, datum["Unit"])
