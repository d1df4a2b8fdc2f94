"""CloudWatch's alarms, of the table in ``infra/alarms``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.alarms import alarms
from infra.alarms.definition import OURS, Alarm, Metric
from infra.capabilities.topics import Topics
from infra.config import StageConfig
from infra.target import Target

_WAIT_SECONDS = 120
"""For the cause to ring too, before what may follow from it pages."""
_EXTENSION_SECONDS = 600
"""After the cause is over, for what followed from it to get well: two passes of the watch."""


class Alarms(Construct):
    """Each as ``{prefix}-{stage}-{alarm}``; on both ways, into its state and out of it, its topic is told."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: StageConfig,
        target: Target,
        topics: Topics,
        functions: Sequence[str],
    ) -> None:
        super().__init__(scope, id)
        self._config, self._target, self._topics = config, target, topics
        table = alarms(config, functions)
        self.alarms = {alarm.name: self._alarm(alarm) for alarm in table}
        if target.composite_alarms:
            for alarm in table:
                if alarm.follows:
                    self._composite(alarm)

    def _alarm(self, alarm: Alarm) -> cloudwatch.CfnAlarm:
        silent = self._target.composite_alarms and alarm.follows
        told = "" if silent else self._topic(alarm.severity)
        maths = self._target.metric_maths
        return metric_alarm(self, alarm, config=self._config, told=told, maths=maths)

    def _composite(self, alarm: Alarm) -> None:
        names = self._config.names
        made = cloudwatch.CfnCompositeAlarm(
            self,
            alarm.pages_by,
            alarm_name=names.named(alarm.pages_by),
            alarm_description=described(alarm.means, alarm.name, self._config),
            alarm_rule=f'ALARM("{names.named(alarm.name)}")',
            actions_suppressor=names.named(alarm.follows),
            actions_suppressor_wait_period=_WAIT_SECONDS,
            actions_suppressor_extension_period=_EXTENSION_SECONDS,
            **_telling(self._topic(alarm.severity)),
        )
        for name in (alarm.name, alarm.follows):
            made.add_resource_dependency(self.alarms[name])

    def _topic(self, severity: str) -> str:
        topic = self._topics.page if severity == "page" else self._topics.mail
        return topic.topic_arn


def metric_alarm(
    scope: Construct, alarm: Alarm, *, config: StageConfig, told: str, maths: bool = True
) -> cloudwatch.CfnAlarm:
    """``told``: its topic's ARN, or nobody. Without ``maths`` an expression is a metric of the alarm's own name."""
    return cloudwatch.CfnAlarm(
        scope,
        alarm.name,
        alarm_name=config.names.named(alarm.name),
        alarm_description=described(alarm.means, alarm.name, config),
        comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanThreshold",
        threshold=alarm.threshold,
        evaluation_periods=alarm.periods,
        datapoints_to_alarm=alarm.enough,
        treat_missing_data=alarm.missing,
        **_telling(told),
        **_watched(alarm, config, maths),
    )


def described(means: str, page: str, config: StageConfig) -> str:
    """What an alarm says of itself: what it means, and where its page of the runbook is."""
    return f"{means} {config.observability.runbook_url.rstrip('/')}/{page}.md"


def _telling(topic: str) -> dict[str, Any]:
    return {"alarm_actions": [topic], "ok_actions": [topic]} if topic else {}


def _watched(alarm: Alarm, config: StageConfig, maths: bool) -> dict[str, Any]:
    period = alarm.minutes * 60
    if not alarm.expression:
        return _single(alarm.metrics[0], config, period)
    if not maths:
        return _single(Metric(OURS, alarm.name), config, period)
    watched = cloudwatch.CfnAlarm.MetricDataQueryProperty(id="watched", expression=alarm.expression)
    parts = [_part(f"m{number}", metric, config, period) for number, metric in enumerate(alarm.metrics)]
    return {"metrics": [watched, *parts]}


def _single(metric: Metric, config: StageConfig, period: int) -> dict[str, Any]:
    # A percentile goes by another property.
    percentile = metric.statistic.startswith("p")
    return {
        "namespace": metric.namespace_in(config),
        "metric_name": metric.name,
        "dimensions": [{"name": name, "value": value} for name, value in metric.dimensions.items()],
        "period": period,
        "extended_statistic" if percentile else "statistic": metric.statistic,
    }


def _part(id: str, metric: Metric, config: StageConfig, period: int) -> cloudwatch.CfnAlarm.MetricDataQueryProperty:
    dimensions = [
        cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value) for name, value in metric.dimensions.items()
    ]
    return cloudwatch.CfnAlarm.MetricDataQueryProperty(
        id=id,
        metric_stat=cloudwatch.CfnAlarm.MetricStatProperty(
            metric=cloudwatch.CfnAlarm.MetricProperty(
                namespace=metric.namespace_in(config), metric_name=metric.name, dimensions=dimensions
            ),
            period=period,
            stat=metric.statistic,
        ),
        return_data=False,
    )
