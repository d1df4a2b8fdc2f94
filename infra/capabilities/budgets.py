"""What the stage may cost, and what it costs beyond the usual."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_ce as ce
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.config import StageConfig

# Where CloudFormation has no AWS::Budgets::Budget (its schemas of 2025, as cfn-lint has them). It is the account's, and
# can be made from anywhere: docs/governance.md has the command.
REGIONS_WITHOUT_BUDGETS = frozenset(
    {
        *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-3", "ap-south-2", "ap-southeast-3", "ap-southeast-4"),
        *("ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-north-1"),
        *("eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "mx-central-1"),
    }
)
# And where it has no AWS::CE::AnomalyMonitor; docs/governance.md has that command too.
REGIONS_WITHOUT_ANOMALIES = frozenset(
    {"ap-east-2", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "mx-central-1"}
)
# Of the month's budget, in percent: what has been spent, and what will have been by its end.
_THRESHOLDS = (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))


class Budgets(Construct):
    """The stage's monthly budget and its cost anomalies, told by e-mail.

    Costs are told apart by the tags ``application`` and ``stage``, which the account has to activate as cost allocation
    tags. ``topic`` is told as well, where there is one: its policy lets ``budgets.amazonaws.com`` and
    ``costalerts.amazonaws.com`` publish.
    """

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, topic: sns.ITopic | None = None) -> None:
        super().__init__(scope, id)
        governance = config.governance
        if governance.monthly_budget_usd is not None and config.region not in REGIONS_WITHOUT_BUDGETS:
            self._add_budget(config, governance.monthly_budget_usd, topic)
        if config.region not in REGIONS_WITHOUT_ANOMALIES:
            self._add_monitor(config, topic)

    def _add_monitor(self, config: StageConfig, topic: sns.ITopic | None) -> None:
        governance = config.governance
        monitor = ce.CfnAnomalyMonitor(
            self,
            "Anomalies",
            monitor_name=config.names.named("costs"),
            monitor_type="CUSTOM",
            monitor_specification=json.dumps(_of_stage(config)),
        )
        if governance.notify:
            mail = [ce.CfnAnomalySubscription.SubscriberProperty(type="EMAIL", address=to) for to in governance.notify]
            self._tell("Daily", "DAILY", config, monitor, mail)
        if topic:
            # A topic is told at once, and mail once a day: Cost Explorer has it no other way.
            to_topic = ce.CfnAnomalySubscription.SubscriberProperty(type="SNS", address=topic.topic_arn)
            self._tell("Immediate", "IMMEDIATE", config, monitor, [to_topic])

    def _add_budget(self, config: StageConfig, usd: int, topic: sns.ITopic | None) -> None:
        subscriber = budgets.CfnBudget.SubscriberProperty
        told = [subscriber(subscription_type="EMAIL", address=to) for to in config.governance.notify]
        told += [subscriber(subscription_type="SNS", address=topic.topic_arn)] if topic else []
        budgets.CfnBudget(
            self,
            "Monthly",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=config.names.named("monthly"),
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=usd, unit="USD"),
                filter_expression=_budgets_filter(config),
                metrics=["UnblendedCost"],
            ),
            # A notification to nobody is refused.
            notifications_with_subscribers=[_notification(*at, told) for at in _THRESHOLDS] if told else None,
        )

    def _tell(
        self,
        id: str,
        frequency: str,
        config: StageConfig,
        monitor: ce.CfnAnomalyMonitor,
        subscribers: Sequence[ce.CfnAnomalySubscription.SubscriberProperty],
    ) -> None:
        ce.CfnAnomalySubscription(
            self,
            id,
            subscription_name=config.names.named(f"costs-{frequency.lower()}"),
            frequency=frequency,
            monitor_arn_list=[monitor.attr_monitor_arn],
            subscribers=[*subscribers],
            threshold_expression=json.dumps(_at_least(config.governance.anomaly_usd)),
        )


def _notification(
    kind: str, percent: int, told: Sequence[budgets.CfnBudget.SubscriberProperty]
) -> budgets.CfnBudget.NotificationWithSubscribersProperty:
    return budgets.CfnBudget.NotificationWithSubscribersProperty(
        notification=budgets.CfnBudget.NotificationProperty(
            notification_type=kind,
            comparison_operator="GREATER_THAN",
            threshold=percent,
            threshold_type="PERCENTAGE",
        ),
        subscribers=[*told],
    )


def _tags(config: StageConfig) -> dict[str, str]:
    return {"application": config.prefix, "stage": config.name}


def _budgets_filter(config: StageConfig) -> budgets.CfnBudget.ExpressionProperty:
    expression = budgets.CfnBudget.ExpressionProperty
    tag = budgets.CfnBudget.TagValuesProperty
    both = [expression(tags=tag(key=key, values=[value])) for key, value in _tags(config).items()]
    return expression(and_=both)


def _of_stage(config: StageConfig) -> dict[str, object]:
    # A monitor takes one tag alone; the stage's is unique but for another application's of the same name.
    return {"Tags": {"Key": "stage", "Values": [config.name]}}


def _at_least(usd: int) -> dict[str, object]:
    impact = {"Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE", "MatchOptions": ["GREATER_THAN_OR_EQUAL"], "Values": [str(usd)]}
    return {"Dimensions": impact}
