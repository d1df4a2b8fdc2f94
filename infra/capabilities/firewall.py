"""The firewall before the webhook API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra.capabilities.firewall_log import FirewallLog
from infra.config import StageConfig
from infra.webhook_config import Network

_Statement = waf.CfnWebACL.StatementProperty
_Rule = dict[str, Any]
"""A rule but for its place among the others."""
# What of AWS's groups is counted and never blocks, by the rules' own names.
_COUNTED = {
    "AWSManagedRulesAmazonIpReputationList": (),
    "AWSManagedRulesKnownBadInputsRuleSet": ("JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"),
    "AWSManagedRulesCommonRuleSet": (
        # It would end a delivery at 8 KiB, where we take 1 MiB.
        "SizeRestrictions_BODY",
        "EC2MetaDataSSRF_BODY",
        "GenericLFI_BODY",
        "GenericRFI_BODY",
        "CrossSiteScripting_BODY",
        # Vendors send from programs, and a program need not say what it is.
        "NoUserAgent_HEADER",
    ),
}
# A path is looked at as API Gateway will understand it, not as it was spelt.
_DECODED = ("URL_DECODE", "NORMALIZE_PATH")


class Firewall(Construct):
    """Turns away floods, known bad addresses and inputs; where it is told to, other countries and other senders.

    It does not judge bodies: a guest's wishes may hold anything, and a delivery that is blocked here is lost to the
    live path. The signature decides what is genuine.
    """

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, stage: apigateway.Stage) -> None:
        super().__init__(scope, id)
        acl = waf.CfnWebACL(
            self,
            "Acl",
            name=config.names.webhook_api,
            scope="REGIONAL",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_metrics("webhooks"),
            # Those that turn most away for the least capacity come first.
            rules=[
                waf.CfnWebACL.RuleProperty(priority=priority, **rule)
                for priority, rule in enumerate(self._rules(config))
            ],
            data_protection_config=_nothing_of_a_body_is_kept(),
        )
        arn = Stack.of(self).format_arn(
            service="apigateway",
            account="",
            resource="/restapis",
            resource_name=f"{stage.rest_api.rest_api_id}/stages/{stage.stage_name}",
        )
        waf.CfnWebACLAssociation(self, "Association", resource_arn=arn, web_acl_arn=acl.attr_arn)
        if config.webhooks.firewall_log:
            FirewallLog(self, "Log", config=config, acl=acl)

    def _rules(self, config: StageConfig) -> Iterator[_Rule]:
        webhooks = config.webhooks
        if webhooks.countries:
            yield _blocking("countries", _not(_from(webhooks.countries)))
        for vendor, networks in webhooks.allowed_addresses.items():
            yield _blocking(f"senders-{vendor}", _all(_path_of(vendor), _not(self._sent_by(vendor, networks, config))))
        yield _blocking("flood", _more_than(webhooks.requests_per_address))
        for group, counted in _COUNTED.items():
            yield _managed(group, counted)

    def _sent_by(self, vendor: str, networks: Sequence[Network], config: StageConfig) -> _Statement:
        fourth = [network for network in networks if isinstance(network, IPv4Network)]
        sixth = [network for network in networks if not isinstance(network, IPv4Network)]
        versions = (("IPV4", fourth), ("IPV6", sixth))
        sets = [self._set(vendor, version, of_it, config) for version, of_it in versions if of_it]
        # Both or one: an "or" of one is refused.
        return (
            sets[0] if len(sets) == 1 else _Statement(or_statement=waf.CfnWebACL.OrStatementProperty(statements=sets))
        )

    def _set(self, vendor: str, version: str, networks: Iterable[Network], config: StageConfig) -> _Statement:
        addresses = waf.CfnIPSet(
            self,
            f"{vendor}-{version}",
            name=config.names.named(f"{vendor}-{version.lower()}"),
            scope="REGIONAL",
            ip_address_version=version,
            addresses=[str(network) for network in networks],
        )
        reference = waf.CfnWebACL.IPSetReferenceStatementProperty(arn=addresses.attr_arn)
        return _Statement(ip_set_reference_statement=reference)


# -- Rules -----------------------------------------------------------------------------------------


def _blocking(name: str, statement: _Statement) -> _Rule:
    return {
        "name": name,
        "action": waf.CfnWebACL.RuleActionProperty(block={}),
        "statement": statement,
        "visibility_config": _metrics(name),
    }


def _managed(group: str, counted: Sequence[str]) -> _Rule:
    count = waf.CfnWebACL.RuleActionProperty(count={})
    overrides = [waf.CfnWebACL.RuleActionOverrideProperty(name=rule, action_to_use=count) for rule in counted]
    managed = waf.CfnWebACL.ManagedRuleGroupStatementProperty(
        name=group, vendor_name="AWS", rule_action_overrides=overrides or None
    )
    return {
        "name": group,
        "override_action": waf.CfnWebACL.OverrideActionProperty(none={}),
        "statement": _Statement(managed_rule_group_statement=managed),
        "visibility_config": _metrics(group),
    }


# -- Statements ------------------------------------------------------------------------------------


def _not(statement: _Statement) -> _Statement:
    return _Statement(not_statement=waf.CfnWebACL.NotStatementProperty(statement=statement))


def _all(*statements: _Statement) -> _Statement:
    return _Statement(and_statement=waf.CfnWebACL.AndStatementProperty(statements=[*statements]))


def _from(countries: Sequence[str]) -> _Statement:
    return _Statement(geo_match_statement=waf.CfnWebACL.GeoMatchStatementProperty(country_codes=[*countries]))


def _more_than(limit: int) -> _Statement:
    return _Statement(
        rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(limit=limit, aggregate_key_type="IP")
    )


def _path_of(vendor: str) -> _Statement:
    # "Contains": before it stands the API's stage, or with a domain nothing.
    return _Statement(
        byte_match_statement=waf.CfnWebACL.ByteMatchStatementProperty(
            field_to_match=waf.CfnWebACL.FieldToMatchProperty(uri_path={}),
            positional_constraint="CONTAINS",
            search_string=f"/webhooks/{vendor}/",
            text_transformations=[
                waf.CfnWebACL.TextTransformationProperty(priority=priority, type=kind)
                for priority, kind in enumerate(_DECODED)
            ],
        )
    )


# -- What is kept of a request ---------------------------------------------------------------------


def _metrics(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    # No samples: they would keep requests, and a request holds a guest's data.
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
    )


def _nothing_of_a_body_is_kept() -> waf.CfnWebACL.DataProtectionConfigProperty:
    """A rule that matches tells what it matched, to whatever keeps logs: our own, and AWS's for its own use."""
    return waf.CfnWebACL.DataProtectionConfigProperty(
        data_protections=[
            waf.CfnWebACL.DataProtectProperty(
                action="SUBSTITUTION", field=waf.CfnWebACL.FieldToProtectProperty(field_type=kind)
            )
            for kind in ("BODY", "QUERY_STRING")
        ]
    )
