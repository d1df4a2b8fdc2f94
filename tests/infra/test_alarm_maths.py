"""Alarms on what several metrics come to: that each expression rings where it must."""

from __future__ import annotations

import pytest

from tests.emitted import NAMESPACE
from tests.infra.alarm_tables import FUNCTIONS, GIB, MISSING, TABLE, made, rings, value_of
from tests.infra.templates import Synthesised

pytestmark = pytest.mark.infra


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("validation-errors", (1000, 11), True),
        ("validation-errors", (1000, 10), False),
        ("validation-errors", (0, 0), False),
        ("function-errors", (11, *[MISSING] * (len(FUNCTIONS) - 1)), True),
        ("function-errors", (4, 4, 3, *[0] * (len(FUNCTIONS) - 3)), True),
        ("function-errors", [1] * len(FUNCTIONS), False),
        ("functions-throttled", [2] * len(FUNCTIONS), True),
        ("functions-throttled", [MISSING] * len(FUNCTIONS), False),
        ("audit-findings", (1,), True),
        ("audit-findings", (0,), False),
        ("audit-missing", (12, 0), True),
        ("audit-missing", (12, MISSING), True),
        ("audit-missing", (12, 12), False),
        ("audit-missing", (0, MISSING), False),
        # The age of what waits; failed tries, more than a single message can come to; calls that were out of time.
        ("apply-behind", (901, 0, 0), True),
        ("apply-behind", (900, 2, MISSING), False),
        ("apply-behind", (10, 3, 0), True),
        ("apply-behind", (MISSING, 1, 1), False),
        ("apply-behind", (MISSING, MISSING, 3), True),
        ("apply-behind", (901, MISSING, MISSING), True),
        # Of what the storage is by then: a fifth of 20 GiB, and of 200.
        ("database-storage", (4 * GIB, 20 * GIB), False),
        ("database-storage", (4 * GIB - 1, 20 * GIB), True),
        ("database-storage", (39 * GIB, 200 * GIB), True),
    ],
)
def test_an_expression_rings_where_it_must(name: str, values: tuple[float | None, ...], expected: bool):
    alarm = TABLE[name]
    assert len(values) == len(alarm.metrics)
    assert rings(alarm, value_of(alarm, *values)) == expected


def test_every_expression_is_tried_above():
    tried = {
        "validation-errors",
        "function-errors",
        "functions-throttled",
        "audit-findings",
        "audit-missing",
        "apply-behind",
        "database-storage",
    }
    assert {alarm.name for alarm in TABLE.values() if alarm.expression} == tried
    assert all(len(alarm.metrics) == 1 for alarm in TABLE.values() if not alarm.expression)


def test_on_aws_an_expression_has_its_metrics_and_where_there_is_no_maths_a_metric_of_its_own_name(
    prod: Synthesised, local: Synthesised
):
    for alarm in (alarm for alarm in TABLE.values() if alarm.expression):
        watched, *parts = made(prod)[alarm.name]["Metrics"]
        assert watched == {"Id": "watched", "Expression": alarm.expression}
        assert [part["Id"] for part in parts] == [f"m{number}" for number in range(len(alarm.metrics))]
        assert {part["ReturnData"] for part in parts} == {False}
        assert {part["MetricStat"]["Period"] for part in parts} == {alarm.minutes * 60}
        alone = made(local)[alarm.name]
        assert (alone["Namespace"], alone["MetricName"], alone["Threshold"]) == (NAMESPACE, alarm.name, alarm.threshold)
