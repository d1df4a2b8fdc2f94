"""AWS X-Ray: how many deliveries are traced, and what is said where none is."""

from __future__ import annotations

from aws_cdk import aws_xray as xray
from constructs import Construct, IConstruct

from infra.capabilities.permissions import acknowledge, skip_check
from infra.config import StageConfig
from shared.names import API_STAGE

_PRIORITY = 1_000
"""Before X-Ray's own rule, the last, which is of everything; an account's others find room on both sides."""


class TracedDeliveries(Construct):
    """The share of deliveries that API Gateway traces, by which the function behind it goes.

    Of a function that a queue or a schedule calls Lambda itself decides, and takes no rule (its guide, AWS X-Ray).
    """

    def __init__(self, scope: Construct, id: str, *, config: StageConfig) -> None:
        super().__init__(scope, id)
        names = config.names
        rule = xray.CfnSamplingRule.SamplingRuleProperty(
            rule_name=names.sampling_rule,
            priority=_PRIORITY,
            # A reservoir would be traced first, each second: of what most stages get, that is all.
            reservoir_size=0,
            fixed_rate=config.observability.traced_deliveries,
            # API Gateway's guide, "Configure AWS X-Ray sampling rules": so an API's stage is called there.
            service_name=f"{names.webhook_api}/{API_STAGE}",
            service_type="AWS::ApiGateway::Stage",
            resource_arn="*",
            host="*",
            http_method="*",
            url_path="*",
            version=1,
        )
        xray.CfnSamplingRule(self, "Rule", sampling_rule=rule)


def accept_untraced(construct: IConstruct, *rules: str) -> None:
    """Of one that is not traced: ``rules`` of cdk-nag (by their pack) and of checkov ask for it."""
    for rule in rules:
        accept = skip_check if rule.startswith("CKV") else acknowledge
        accept(construct, rule, "This stage's traces are switched off in cdk.json; logs carry correlation ids.")
