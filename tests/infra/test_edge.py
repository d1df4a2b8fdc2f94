"""The door: the API's paths, limits and answers, the firewall, the domain."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.config import Webhooks
from lambdas.webhook import answers
from shared.errors import NotFound, TooLarge, Unauthenticated
from shared.vendors import registry
from tests.infra.options import CERTIFICATE
from tests.infra.templates import REPOSITORY, Resource, Synthesised, synthesise, words
from tests.infra.test_settings_pages import table

pytestmark = pytest.mark.infra

# -- Paths and what is validated -------------------------------------------------------------------


def test_each_vendor_that_the_code_knows_has_a_path_and_no_other_has(stage: Synthesised):
    resources = stage.properties("AWS::ApiGateway::Resource")
    (webhooks,) = (id.partition("/")[2] for id, r in resources.items() if r["PathPart"] == "webhooks")
    below = [r["PathPart"] for r in resources.values() if r["ParentId"] == {"Ref": webhooks}]
    assert tuple(below) == registry.VENDORS


def test_every_method_is_validated_but_for_its_body(stage: Synthesised):
    (validator,) = stage.properties("AWS::ApiGateway::RequestValidator").values()
    assert validator["ValidateRequestParameters"] is True
    assert validator.get("ValidateRequestBody", False) is False
    for method in stage.properties("AWS::ApiGateway::Method").values():
        assert "RequestValidatorId" in method
        assert "RequestModels" not in method, "a model would be held against a body before its signature is"
        assert {"method.request.path.propertyId", "method.request.path.event"} <= method["RequestParameters"].keys()


def test_headers_are_required_where_they_are_named_and_else_none_is(every_option: Synthesised, stage: Synthesised):
    def required(stage: Synthesised) -> list[str]:
        (method,) = stage.properties("AWS::ApiGateway::Method").values()
        needed = [name for name, is_needed in method["RequestParameters"].items() if is_needed]
        return [name.removeprefix("method.request.header.") for name in needed if ".header." in name]

    assert required(every_option) == ["X-HostPMS-Signature", "X-Hotel"]
    assert required(stage) == []


# -- Limits ----------------------------------------------------------------------------------------


def test_a_vendor_has_limits_of_its_own(every_option: Synthesised):
    (deployed,) = every_option.properties("AWS::ApiGateway::Stage").values()
    limits = {
        (s["ResourcePath"], s["HttpMethod"]): (s["ThrottlingRateLimit"], s["ThrottlingBurstLimit"])
        for s in deployed["MethodSettings"]
    }
    assert limits == {("/*", "*"): (80, 200), ("/~1webhooks~1hostpms~1{propertyId}~1{event}", "POST"): (20, 40)}


def test_no_method_settings_lose_what_the_stages_say(every_option: Synthesised):
    (deployed,) = every_option.properties("AWS::ApiGateway::Stage").values()
    for settings in deployed["MethodSettings"]:
        assert (settings["DataTraceEnabled"], settings["MetricsEnabled"], settings["LoggingLevel"]) == (
            *(False, False, "ERROR"),
        )


# -- Logs ------------------------------------------------------------------------------------------


def test_what_goes_wrong_is_written_to_a_log_of_ours_that_is_there_before_the_stage(stage: Synthesised):
    """API Gateway would make one that neither ends nor is encrypted. With which key: tests/infra/test_storage.py."""
    (id,) = (id for id, g in stage.properties("AWS::Logs::LogGroup").items() if "Execution" in str(g["LogGroupName"]))
    (api,) = stage.resources("AWS::ApiGateway::RestApi")
    (deployed,) = stage.resources("AWS::ApiGateway::Stage").values()
    log = stage.properties("AWS::Logs::LogGroup")[id]
    of_the_stage = ["API-Gateway-Execution-Logs_", {"Ref": api.partition("/")[2]}]
    assert log["LogGroupName"] == {"Fn::Join": ["", [*of_the_stage, f"/{deployed['Properties']['StageName']}"]]}
    assert log["RetentionInDays"] == stage.config.log_retention_days
    assert id.partition("/")[2] in deployed["DependsOn"]


# -- Answers ---------------------------------------------------------------------------------------


def gateway_answers(stage: Synthesised) -> dict[str, Resource]:
    return {answer["ResponseType"]: answer for answer in stage.properties("AWS::ApiGateway::GatewayResponse").values()}


def test_whatever_the_gateway_answers_itself_is_constant(stage: Synthesised):
    given = gateway_answers(stage)
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= given.keys(), "so that no kind of answer is left as it was"
    for answer in given.values():
        (template,) = answer["ResponseTemplates"].values()
        assert "$" not in template
        assert json.loads(template).keys() == {"error"}
        # A header's value may be taken from the request, unless it is quoted.
        assert all(value[0] == value[-1] == "'" for value in answer.get("ResponseParameters", {}).values())


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("MISSING_AUTHENTICATION_TOKEN", NotFound("", reason="unknown_vendor")),
        ("BAD_REQUEST_PARAMETERS", Unauthenticated("", reason="missing_signature")),
        ("REQUEST_TOO_LARGE", TooLarge("", reason="body_too_large")),
    ],
)
def test_gateway_and_function_refuse_in_the_same_words(stage: Synthesised, kind: str, error: Any):
    answer, function = gateway_answers(stage)[kind], answers.refused(error, "id")
    assert int(answer["StatusCode"]) == function["statusCode"]
    assert answer["ResponseTemplates"]["application/json"] == function["body"]


def test_what_is_turned_away_is_never_answered_as_if_it_were_taken(stage: Synthesised):
    """A vendor that reads 2xx does not send again."""
    given = {kind: answer.get("StatusCode", "its own") for kind, answer in gateway_answers(stage).items()}
    assert given == {
        "MISSING_AUTHENTICATION_TOKEN": "404",
        "BAD_REQUEST_PARAMETERS": "401",
        "REQUEST_TOO_LARGE": "413",
        "THROTTLED": "429",
        "WAF_FILTERED": "403",
        "DEFAULT_4XX": "its own",
        "DEFAULT_5XX": "its own",
    }


def test_who_may_come_again_is_told_when_and_who_is_refused_is_not(stage: Synthesised):
    answered = gateway_answers(stage).items()
    told = {kind: answer["ResponseParameters"] for kind, answer in answered if "ResponseParameters" in answer}
    when = {"gatewayresponse.header.Retry-After": f"'{answers.RETRY_AFTER_SECONDS}'"}
    assert told == {"THROTTLED": when, "DEFAULT_5XX": when}


def test_the_answers_are_deployed_with_the_stage(stage: Synthesised):
    (deployment,) = stage.resources("AWS::ApiGateway::Deployment").values()
    made = {id.partition("/")[2] for id in stage.resources("AWS::ApiGateway::GatewayResponse")}
    assert made <= set(deployment["DependsOn"])


# -- Firewall --------------------------------------------------------------------------------------

# Of each managed group, what AWS says it takes; of a statement, docs/edge.md.
CAPACITY = {
    "AWSManagedRulesAmazonIpReputationList": 25,
    "AWSManagedRulesKnownBadInputsRuleSet": 200,
    "AWSManagedRulesCommonRuleSet": 700,
}
WITHOUT_SURCHARGE = 1500
# The rules of these groups that look into a body, as AWS's documentation lists them.
OF_BODIES = {
    *("SizeRestrictions_BODY", "EC2MetaDataSSRF_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "CrossSiteScripting_BODY"),
    *("JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"),
}


def rules(stage: Synthesised) -> dict[str, Resource]:
    (acl,) = stage.properties("AWS::WAFv2::WebACL").values()
    found = sorted(acl["Rules"], key=lambda rule: rule["Priority"])
    assert [rule["Priority"] for rule in found] == list(range(len(found)))
    return {rule["Name"]: rule for rule in found}


def units(statement: Resource) -> int:
    """Web ACL capacity units, as AWS's documentation reckons them."""
    match statement:
        case {"ManagedRuleGroupStatement": group}:
            return CAPACITY[group["Name"]]
        case {"RateBasedStatement": rate}:
            return 2 + (units(rate["ScopeDownStatement"]) if "ScopeDownStatement" in rate else 0)
        case {"ByteMatchStatement": match}:
            return 10 + 10 * len(match["TextTransformations"])
        case {"GeoMatchStatement": _} | {"IPSetReferenceStatement": _}:
            return 1
        case {"NotStatement": inner}:
            return units(inner["Statement"])
        case {"AndStatement": inner} | {"OrStatement": inner}:
            return sum(units(one) for one in inner["Statements"])
    raise AssertionError(f"a statement without a known price: {statement}")


def test_a_firewall_stands_before_the_stage_of_the_api(aws_stage: Synthesised):
    (association,) = aws_stage.resources("AWS::WAFv2::WebACLAssociation").values()
    named = {
        kind: {"Ref": next(iter(aws_stage.resources(kind))).partition("/")[2]}
        for kind in ("AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage")
    }
    expected = [f"arn:aws:apigateway:{aws_stage.config.region}::/restapis/", named["AWS::ApiGateway::RestApi"]]
    expected += ["/stages/", named["AWS::ApiGateway::Stage"]]
    assert association["Properties"]["ResourceArn"] == {"Fn::Join": ["", expected]}
    (acl,) = aws_stage.resources("AWS::WAFv2::WebACL")
    assert association["Properties"]["WebACLArn"] == {"Fn::GetAtt": [acl.partition("/")[2], "Arn"]}


def test_what_no_rule_turns_away_is_let_in(aws_stage: Synthesised):
    (acl,) = aws_stage.properties("AWS::WAFv2::WebACL").values()
    assert acl["DefaultAction"] == {"Allow": {}}


@pytest.mark.parametrize("name", ["prod", "every_option"])
def test_each_rule_turns_away_what_it_matches(name: str, request: pytest.FixtureRequest):
    stage: Synthesised = request.getfixturevalue(name)
    does = {name: (rule.get("Action"), rule.get("OverrideAction")) for name, rule in rules(stage).items()}
    assert does == {name: (None, {"None": {}}) if name in CAPACITY else ({"Block": {}}, None) for name in does}


def test_the_firewall_turns_away_floods_and_what_aws_knows_to_be_bad(aws_stage: Synthesised):
    assert list(rules(aws_stage)) == ["flood", *CAPACITY]
    flood = rules(aws_stage)["flood"]["Statement"]["RateBasedStatement"]
    assert flood == {"AggregateKeyType": "IP", "Limit": aws_stage.config.webhooks.requests_per_address}


@pytest.mark.parametrize("name", ["prod", "every_option"])
def test_no_rule_blocks_for_what_a_body_says_or_how_large_it_is(name: str, request: pytest.FixtureRequest):
    stage: Synthesised = request.getfixturevalue(name)
    counted: set[str] = set()
    for rule in rules(stage).values():
        managed = rule["Statement"].get("ManagedRuleGroupStatement", {})
        overrides = managed.get("RuleActionOverrides", [])
        assert all(override["ActionToUse"] == {"Count": {}} for override in overrides)
        counted |= {override["Name"] for override in overrides}
        assert '"Body"' not in json.dumps(rule)
    assert counted >= OF_BODIES
    assert counted - OF_BODIES == {"NoUserAgent_HEADER"}, "the rest blocks"


@pytest.mark.parametrize("name", ["prod", "every_option"])
def test_the_firewall_stays_within_what_is_not_charged_extra(name: str, request: pytest.FixtureRequest):
    stage: Synthesised = request.getfixturevalue(name)
    taken = sum(units(rule["Statement"]) for rule in rules(stage).values())
    assert sum(CAPACITY.values()) < taken <= WITHOUT_SURCHARGE


def test_the_page_tells_each_rules_capacity(every_option: Synthesised):
    shown = {row[0].strip("`"): row[1] for row in table("edge.md", "## Capacity and cost")}
    taken = {
        name.replace("-hostpms", "-{vendor}"): units(rule["Statement"]) for name, rule in rules(every_option).items()
    }
    assert shown.keys() == taken.keys()
    assert all(str(taken[name]) in re.findall(r"\d+", cell) for name, cell in shown.items())
    spare = WITHOUT_SURCHARGE - sum(taken.values()) + taken["senders-{vendor}"]
    assert spare // taken["senders-{vendor}"] == 17
    assert "there is room for seventeen vendors" in (REPOSITORY / "docs" / "edge.md").read_text(encoding="utf-8")


def test_other_countries_are_turned_away_where_they_are_listed(every_option: Synthesised, prod: Synthesised):
    rule = rules(every_option)["countries"]
    assert rule["Action"] == {"Block": {}}
    inside = {"GeoMatchStatement": {"CountryCodes": ["PT", "ES"]}}
    assert rule["Statement"] == {"NotStatement": {"Statement": inside}}
    assert "countries" not in rules(prod)


def test_a_vendors_path_is_for_its_own_addresses(every_option: Synthesised):
    rule = rules(every_option)["senders-hostpms"]
    assert rule["Action"] == {"Block": {}}
    path, others = rule["Statement"]["AndStatement"]["Statements"]
    assert path["ByteMatchStatement"]["SearchString"] == "/webhooks/hostpms/"
    assert path["ByteMatchStatement"]["PositionalConstraint"] == "CONTAINS"
    # Else "/webhooks/%68ostpms/" would pass by.
    decoding = [one["Type"] for one in path["ByteMatchStatement"]["TextTransformations"]]
    assert decoding == ["URL_DECODE", "NORMALIZE_PATH"]
    of_either = others["NotStatement"]["Statement"]["OrStatement"]["Statements"]
    referred = [one["IPSetReferenceStatement"]["Arn"]["Fn::GetAtt"][0] for one in of_either]
    sets = {id.partition("/")[2]: s for id, s in every_option.properties("AWS::WAFv2::IPSet").items()}
    assert [(sets[id]["IPAddressVersion"], sets[id]["Addresses"]) for id in referred] == [
        ("IPV4", ["203.0.113.0/24", "198.51.100.7/32"]),
        ("IPV6", ["2001:db8:40::/48"]),
    ]
    assert sets.keys() == set(referred)


def test_the_firewall_keeps_no_sample_and_nothing_of_a_body(aws_stage: Synthesised):
    (acl,) = aws_stage.properties("AWS::WAFv2::WebACL").values()
    visible = [acl["VisibilityConfig"], *(rule["VisibilityConfig"] for rule in acl["Rules"])]
    assert {one["SampledRequestsEnabled"] for one in visible} == {False}
    protected = acl["DataProtectionConfig"]["DataProtections"]
    assert {(one["Field"]["FieldType"], one["Action"]) for one in protected} == {
        ("BODY", "SUBSTITUTION"),
        ("QUERY_STRING", "SUBSTITUTION"),
    }


def test_the_firewall_keeps_no_log_unless_it_is_told_to(aws_stage: Synthesised):
    assert Webhooks().firewall_log is False
    assert aws_stage.properties("AWS::WAFv2::LoggingConfiguration") == {}


def test_the_firewalls_log_holds_what_was_blocked_and_neither_path_nor_signature(every_option: Synthesised):
    (logging,) = every_option.properties("AWS::WAFv2::LoggingConfiguration").values()
    (destination,) = logging["LogDestinationConfigs"]
    (group,) = (
        id.partition("/")[2]
        for id, g in every_option.properties("AWS::Logs::LogGroup").items()
        if str(g["LogGroupName"]).startswith("aws-waf-logs-") and g["RetentionInDays"] == 7
    )
    assert group in json.dumps(destination)
    assert not json.dumps(destination).endswith(':*"]]}')
    redacted = logging["RedactedFields"]
    assert {"UriPath": {}} in redacted
    assert {"QueryString": {}} in redacted
    headers = [field["SingleHeader"]["Name"] for field in redacted if "SingleHeader" in field]
    of_senders = ["authorization", "cookie", "user-agent", "x-forwarded-for"]
    assert headers == sorted({*of_senders, *signature_headers(every_option.config.vendors), "x-hotel"})
    (kept,) = logging["LoggingFilter"]["Filters"]
    assert logging["LoggingFilter"]["DefaultBehavior"] == "DROP"
    assert kept["Conditions"] == [{"ActionCondition": {"Action": "BLOCK"}}]


def signature_headers(vendors: Iterable[str]) -> set[str]:
    """As each vendor's own code sends and reads them."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return {
        name.lower() for vendor in vendors for name in registry.part(vendor, "webhook").signed_headers(b"{}", "s", at)
    }


def test_the_firewalls_log_holds_no_signature_though_no_header_is_required(tmp_path: Path):
    stage = synthesise(tmp_path, stages="dev-eu-west-1", webhooks={"firewall_log": True})["dev-eu-west-1"]
    (logging,) = stage.properties("AWS::WAFv2::LoggingConfiguration").values()
    headers = {field["SingleHeader"]["Name"] for field in logging["RedactedFields"] if "SingleHeader" in field}
    assert headers >= signature_headers(registry.VENDORS) >= {"x-hostpms-signature", "x-hostpms-timestamp"}


def test_only_the_firewall_may_write_the_firewalls_log(every_option: Synthesised):
    (policy,) = every_option.properties("AWS::Logs::ResourcePolicy").values()
    text = json.dumps(policy["PolicyDocument"])
    assert "delivery.logs.amazonaws.com" in text
    assert "aws:SourceAccount" in text


# -- Domain ----------------------------------------------------------------------------------------


def test_without_a_domain_the_apis_own_name_is_used(stage: Synthesised):
    (api,) = stage.properties("AWS::ApiGateway::RestApi").values()
    assert api.get("DisableExecuteApiEndpoint", False) is False
    assert stage.properties("AWS::ApiGateway::DomainName") == {}


@pytest.mark.parametrize("name", ["prod", "every_option"])
def test_nobody_speaks_less_than_tls_1_2_with_the_api_or_its_domain(name: str, request: pytest.FixtureRequest):
    """Nothing said, a Regional API takes TLS 1.0; and a policy of this kind asks for the access mode."""
    stage: Synthesised = request.getfixturevalue(name)
    entrances = [
        *stage.properties("AWS::ApiGateway::RestApi").values(),
        *stage.properties("AWS::ApiGateway::DomainName").values(),
    ]
    assert len(entrances) == (1 if stage.config.webhooks.domain is None else 2)
    for entrance in entrances:
        assert (entrance["SecurityPolicy"], entrance["EndpointAccessMode"]) == (
            *("SecurityPolicy_TLS13_1_2_2021_06", "STRICT"),
        )


def test_a_domain_takes_the_place_of_the_apis_own_name(every_option: Synthesised):
    (api,) = every_option.properties("AWS::ApiGateway::RestApi").values()
    assert api["DisableExecuteApiEndpoint"] is True
    (domain,) = every_option.properties("AWS::ApiGateway::DomainName").values()
    assert domain["RegionalCertificateArn"] == CERTIFICATE
    assert domain["EndpointConfiguration"] == {"Types": ["REGIONAL"]}


def test_the_domain_leads_to_the_stage_and_vendors_are_told_its_name(every_option: Synthesised):
    (mapping,) = every_option.properties("AWS::ApiGateway::BasePathMapping").values()
    assert "DeploymentStage" in json.dumps(mapping["Stage"])
    assert "BasePath" not in mapping
    outputs = every_option.templates["ingest"]["Outputs"]
    assert outputs["WebhookUrl"]["Value"] == "https://hooks.hotel.example/webhooks"
    assert "RegionalDomainName" in words(outputs["WebhookDomainTarget"]["Value"])[0]


def test_the_domains_record_is_made_where_its_zone_is_named(every_option: Synthesised, prod: Synthesised):
    (record,) = every_option.properties("AWS::Route53::RecordSet").values()
    assert (record["Name"], record["Type"], record["HostedZoneId"]) == (
        *("hooks.hotel.example", "A", "Z0123456789ABCDEFGHIJ"),
    )
    assert {target["Fn::GetAtt"][1] for target in record["AliasTarget"].values()} == {
        *("RegionalDomainName", "RegionalHostedZoneId"),
    }
    assert prod.properties("AWS::Route53::RecordSet") == {}
