"""The firewall before the webhook API."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra.config import StageConfig


class Firewall(Construct):
    """Turns away known bad addresses and floods.

    It does not look into bodies: a guest's wishes may hold anything, and a delivery that is blocked here is
    lost to the live path. The signature decides what is genuine.
    """

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, stage: apigateway.Stage) -> None:
        super().__init__(scope, id)
        acl = waf.CfnWebACL(
            self,
            "Acl",
            name=config.names.named("webhooks"),
            scope="REGIONAL",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_metrics("webhooks"),
            rules=[
                _flood(0, config.webhooks.requests_per_address),
                _managed(1, "AWSManagedRulesAmazonIpReputationList"),
            ],
        )
        arn = Stack.of(self).format_arn(
            service="apigateway",
            account="",
            resource="/restapis",
            resource_name=f"{stage.rest_api.rest_api_id}/stages/{stage.stage_name}",
        )
        waf.CfnWebACLAssociation(self, "Association", resource_arn=arn, web_acl_arn=acl.attr_arn)


def _flood(priority: int, limit: int) -> waf.CfnWebACL.RuleProperty:
    return waf.CfnWebACL.RuleProperty(
        name="flood",
        priority=priority,
        action=waf.CfnWebACL.RuleActionProperty(block={}),
        statement=waf.CfnWebACL.StatementProperty(
            rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(limit=limit, aggregate_key_type="IP")
        ),
        visibility_config=_metrics("flood"),
    )


def _managed(priority: int, group: str) -> waf.CfnWebACL.RuleProperty:
    return waf.CfnWebACL.RuleProperty(
        name=group,
        priority=priority,
        override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
        statement=waf.CfnWebACL.StatementProperty(
            managed_rule_group_statement=waf.CfnWebACL.ManagedRuleGroupStatementProperty(name=group, vendor_name="AWS")
        ),
        visibility_config=_metrics(group),
    )


def _metrics(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    # No samples: they would keep requests, and a request holds a guest's data.
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
    )
