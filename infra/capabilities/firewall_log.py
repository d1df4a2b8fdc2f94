"""What the firewall turned away: for finding out why, while one looks."""

from __future__ import annotations

from typing import Any

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra.capabilities.permissions import of_this_account
from infra.config import StageConfig

# What a request says of who sends it and of whom it speaks. Bodies are in no log of the firewall.
_REDACTED_HEADERS = ("authorization", "cookie", "user-agent", "x-forwarded-for")
# With what a vendor signs, and when: its module ``webhook`` has them, which this app does not read (DESIGN.md §2).
_SIGNATURE_HEADERS = {"hostpms": ("x-hostpms-signature", "x-hostpms-timestamp")}


class FirewallLog(Construct):
    """Blocked requests alone, without path, query and what may identify a sender but its address, for a week."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, acl: waf.CfnWebACL) -> None:
        super().__init__(scope, id)
        log = logs.LogGroup(
            self,
            "Log",
            # The firewall writes to no group of another name.
            log_group_name=f"aws-waf-logs-{config.names.named('webhooks')}",
            # The address cannot be left out, so it is not kept as long as the stage's other logs.
            retention=logs.RetentionDays.ONE_WEEK,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self._let_firewall_write(log)
        waf.CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=acl.attr_arn,
            log_destination_configs=[self._destination(log)],
            logging_filter=_blocked_alone(),
            redacted_fields=[
                waf.CfnLoggingConfiguration.FieldToMatchProperty(uri_path={}),
                waf.CfnLoggingConfiguration.FieldToMatchProperty(query_string={}),
                *(_header(name) for name in _redacted_headers(config)),
            ],
        )

    def _destination(self, log: logs.LogGroup) -> str:
        # A group's own ARN ends in ":*", which the firewall refuses.
        return Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name=log.log_group_name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    def _let_firewall_write(self, log: logs.LogGroup) -> None:
        log.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[f"{self._destination(log)}:log-stream:*"],
                conditions=of_this_account(self),
            )
        )


def _redacted_headers(config: StageConfig) -> list[str]:
    """Each once, in small letters."""
    signatures = {name for vendor in config.vendors for name in _SIGNATURE_HEADERS.get(vendor, ())}
    required = {name.lower() for vendor in config.vendors for name in config.webhooks.of(vendor).required_headers}
    return sorted(signatures.union(_REDACTED_HEADERS, required))


# CDK hands the next two on as they are: in CloudFormation's own spelling.


def _header(name: str) -> waf.CfnLoggingConfiguration.FieldToMatchProperty:
    return waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": name})


def _blocked_alone() -> dict[str, Any]:
    blocked = {"ActionCondition": {"Action": "BLOCK"}}
    kept = {"Behavior": "KEEP", "Requirement": "MEETS_ANY", "Conditions": [blocked]}
    return {"DefaultBehavior": "DROP", "Filters": [kept]}
