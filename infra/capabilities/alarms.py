"""CloudWatch's alarms, of the table in ``infra/alarms``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.alarms import COMPOSITES, alarms
from infra.alarms.definition import OURS, Alarm, Composite, Metric
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
            for composite in COMPOSITES:
                self._composite(composite, [alarm.name for alarm in table if alarm.cause == composite.name])

    def _alarm(self, alarm: Alarm) -> cloudwatch.CfnAlarm:
        silent = self._target.composite_alarms and alarm.cause
        return cloudwatch.CfnAlarm(
            self,
            alarm.name,
            alarm_name=self._config.names.named(alarm.name),
            alarm_description=self._description(alarm.name, alarm.means),
            comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanThreshold",
            threshold=alarm.threshold,
            evaluation_periods=alarm.periods,
            datapoints_to_alarm=alarm.enough,
            treat_missing_data=alarm.missing,
            **({} if silent else self._actions(alarm.severity)),
            **self._watched(alarm),
        )

    def _watched(self, alarm: Alarm) -> dict[str, Any]:
        period = alarm.minutes * 60
        if not alarm.expression:
            return self._single(alarm.metrics[0], period)
        if not self._target.metric_maths:
            return self._single(Metric(OURS, alarm.name), period)
        watched = cloudwatch.CfnAlarm.MetricDataQueryProperty(id="watched", expression=alarm.expression)
        parts = [self._part(f"m{number}", metric, period) for number, metric in enumerate(alarm.metrics)]
        return {"metrics": [watched, *parts]}

    def _single(self, metric: Metric, period: int) -> dict[str, Any]:
        # A percentile goes by another property.
        percentile = metric.statistic.startswith("p")
        return {
            "namespace": metric.namespace_in(self._config),
            "metric_name": metric.name,
            "dimensions": [{"name": name, "value": value} for name, value in metric.dimensions.items()],
            "period": period,
            "extended_statistic" if percentile else "statistic": metric.statistic,
        }

    def _part(self, id: str, metric: Metric, period: int) -> cloudwatch.CfnAlarm.MetricDataQueryProperty:
        dimensions = [
            cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value) for name, value in metric.dimensions.items()
        ]
        return cloudwatch.CfnAlarm.MetricDataQueryProperty(
            id=id,
            metric_stat=cloudwatch.CfnAlarm.MetricStatProperty(
                metric=cloudwatch.CfnAlarm.MetricProperty(
                    namespace=metric.namespace_in(self._config), metric_name=metric.name, dimensions=dimensions
                ),
                period=period,
                stat=metric.statistic,
            ),
            return_data=False,
        )

    def _composite(self, composite: Composite, children: Sequence[str]) -> None:
        names = self._config.names
        made = cloudwatch.CfnCompositeAlarm(
            self,
            composite.name,
            alarm_name=names.named(composite.name),
            alarm_description=self._description(composite.name, composite.means),
            alarm_rule=" OR ".join(f'ALARM("{names.named(child)}")' for child in children),
            actions_suppressor=names.named(composite.suppressor),
            actions_suppressor_wait_period=_WAIT_SECONDS,
            actions_suppressor_extension_period=_EXTENSION_SECONDS,
            **self._actions("page"),
        )
        for name in (*children, composite.suppressor):
            made.add_resource_dependency(self.alarms[name])

    def _actions(self, severity: str) -> dict[str, Any]:
        topic = self._topics.page if severity == "page" else self._topics.mail
        return {"alarm_actions": [topic.topic_arn], "ok_actions": [topic.topic_arn]}

    def _description(self, name: str, means: str) -> str:
        return f"{means} {self._config.observability.runbook_url.rstrip('/')}/{name}.md"
