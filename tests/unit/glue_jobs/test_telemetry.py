"""What a run of the Glue job tells CloudWatch."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, NoRegionError

from glue_jobs.outcome import Outcome
from glue_jobs.telemetry import Telemetry


def test_a_run_tells_how_long_it_took_and_what_it_stored() -> None:
    put: list[dict[str, Any]] = []
    clock = iter([10.0, 12.5])
    telemetry = Telemetry(
        lambda: SimpleNamespace(put_metric_data=lambda **how: put.append(how)), "pousada/local", lambda: next(clock)
    )

    telemetry.ended([Outcome(records=5), Outcome(records=3, refused=Counter(malformed_field=1, malformed_json=1))])

    (call,) = put
    assert call["Namespace"] == "pousada/local"
    told = {datum["MetricName"]: datum["Value"] for datum in call["MetricData"]}
    assert told == {"EtlDurationMs": 2500.0, "EtlRecords": 8, "EtlRecordsRefused": 2}


def test_a_run_does_not_fail_because_it_cannot_be_told_of(caplog) -> None:
    def refused(**how: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "arn:aws:iam::1:role/x"}}, "PutMetricData")

    def no_client() -> Any:
        raise NoRegionError()

    Telemetry(lambda: SimpleNamespace(put_metric_data=refused), "pousada/local").ended([])
    Telemetry(no_client, "pousada/local").ended([])

    assert [record.message for record in caplog.records] == [
        '{"message": "metrics not put", "error": "ClientError"}',
        '{"message": "metrics not put", "error": "NoRegionError"}',
    ]
