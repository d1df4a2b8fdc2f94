"""The network: who is where, who may open a connection to whom, and which ways lead out."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infra.capabilities.network import PLACES
from tests.infra.templates import REPOSITORY, Synthesised

pytestmark = pytest.mark.infra

TIERS = {"public", "egress", "private", "isolated"}
FUNCTIONS = {
    "webhook": ("private", "Services"),
    "manifest": ("private", "Services"),
    "apply": ("private", "Clients"),
    "dispatcher": ("egress", "Services"),
    "poller": ("egress", "Services"),
    "rotate": ("egress", "Services"),
    "watch": ("egress", "Services"),
    "audit": ("egress", "Clients"),
    "etl": ("egress", "Clients"),
    "migrate": ("egress", "Migrations"),
}
ANYWHERE = {"0.0.0.0/0", "::/0"}


def subnets(stage: Synthesised, tier: str) -> set[str]:
    """Their logical ids."""
    found = stage.properties("AWS::EC2::Subnet")
    tagged = {id: {tag["Key"]: tag["Value"] for tag in subnet["Tags"]} for id, subnet in found.items()}
    return {id.partition("/")[2] for id, tags in tagged.items() if tags["aws-cdk:subnet-name"] == tier}


def routes(stage: Synthesised, tier: str) -> list[dict[str, Any]]:
    associations = stage.properties("AWS::EC2::SubnetRouteTableAssociation").values()
    tables = {a["RouteTableId"]["Ref"] for a in associations if a["SubnetId"]["Ref"] in subnets(stage, tier)}
    return [route for route in stage.properties("AWS::EC2::Route").values() if route["RouteTableId"]["Ref"] in tables]


def group_of(reference: object) -> str:
    """Which of our groups a reference is to: the last words of its logical id or export."""
    text = json.dumps(reference)
    (found,) = [name for name in GROUPS if f"NetworkGroups{name}" in text]
    return found


GROUPS = ("Services", "Clients", "Job", "Migrations", "Proxy", "Database")


def inward(stage: Synthesised) -> set[tuple[str, str, int, int]]:
    """Every rule: who calls, who is called, from which port to which."""
    rules = stage.properties("AWS::EC2::SecurityGroupIngress").values()
    return {(group_of(r["SourceSecurityGroupId"]), group_of(r["GroupId"]), r["FromPort"], r["ToPort"]) for r in rules}


def test_each_tier_has_a_subnet_in_each_of_three_zones(aws_stage: Synthesised):
    zones = {json.dumps(s["AvailabilityZone"]) for s in aws_stage.properties("AWS::EC2::Subnet").values()}
    assert len(zones) == 3
    for tier in TIERS:
        assert len(subnets(aws_stage, tier)) == 3
    assert len(aws_stage.properties("AWS::EC2::Subnet")) == 3 * len(TIERS)


def test_a_zone_is_named_by_cloudformation_and_looked_up_by_nobody(aws_stage: Synthesised):
    for subnet in aws_stage.properties("AWS::EC2::Subnet").values():
        assert "Fn::GetAZs" in json.dumps(subnet["AvailabilityZone"])


def test_no_subnet_gives_out_public_addresses(aws_stage: Synthesised):
    given = [subnet["MapPublicIpOnLaunch"] for subnet in aws_stage.properties("AWS::EC2::Subnet").values()]
    assert set(given) == {False}


@pytest.mark.parametrize("tier", ["private", "isolated"])
def test_no_route_leads_out_of(aws_stage: Synthesised, tier: str):
    assert routes(aws_stage, tier) == []


def test_out_of_egress_it_goes_by_nat_and_out_of_public_by_the_gateway(aws_stage: Synthesised):
    assert {"NatGatewayId" in route for route in routes(aws_stage, "egress")} == {True}
    assert {"GatewayId" in route for route in routes(aws_stage, "public")} == {True}
    nat = aws_stage.properties("AWS::EC2::NatGateway").values()
    assert len(nat) == aws_stage.config.network.nat_gateways
    assert all(gateway["SubnetId"]["Ref"] in subnets(aws_stage, "public") for gateway in nat)


def test_nothing_but_nat_is_in_the_public_tier(aws_stage: Synthesised):
    public = subnets(aws_stage, "public")
    for template in aws_stage.templates.values():
        for resource in template["Resources"].values():
            if resource["Type"] not in ("AWS::EC2::NatGateway", "AWS::EC2::SubnetRouteTableAssociation"):
                assert not any(id in json.dumps(resource.get("Properties", {})) for id in public), resource["Type"]


def test_s3_and_dynamodb_are_reached_without_nat(aws_stage: Synthesised):
    endpoints = aws_stage.properties("AWS::EC2::VPCEndpoint").values()
    assert {endpoint["VpcEndpointType"] for endpoint in endpoints} == {"Gateway"}
    for endpoint in endpoints:
        tables = json.dumps(endpoint["RouteTableIds"])
        assert tables.count("egress") == tables.count("private") == 3
        assert "isolated" not in tables
        assert "public" not in tables


def test_an_endpoint_leads_to_this_account_and_to_little_of_aws_s_own(aws_stage: Synthesised):
    for name, endpoint in aws_stage.properties("AWS::EC2::VPCEndpoint").items():
        statements = endpoint["PolicyDocument"]["Statement"]
        own = [s for s in statements if s.get("Condition")]
        assert [s["Condition"] for s in own] == [{"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}}]
        others = {s["Action"]: s["Resource"] for s in statements if s not in own}
        of_aws = {
            "s3:PutObject": "arn:aws:s3:::cloudformation-custom-resource-response-*/*",
            "s3:GetObject": "arn:aws:s3:::aws-glue-*/*",
        }
        assert others == (of_aws if "S3" in name else {})


def test_nothing_comes_in_from_anywhere(aws_stage: Synthesised):
    for group in aws_stage.properties("AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group
    for rule in aws_stage.properties("AWS::EC2::SecurityGroupIngress").values():
        assert "SourceSecurityGroupId" in rule
        assert not ANYWHERE & {rule.get("CidrIp"), rule.get("CidrIpv6")}


def test_who_may_open_a_connection_to_whom(aws_stage: Synthesised):
    assert inward(aws_stage) == {
        ("Clients", "Proxy", 5432, 5432),
        ("Job", "Proxy", 5432, 5432),
        ("Proxy", "Database", 5433, 5433),
        ("Migrations", "Database", 5433, 5433),
        ("Job", "Job", 0, 65535),
    }


def test_the_database_s_callers_are_let_out_to_it_and_nobody_else_is(aws_stage: Synthesised):
    rules = aws_stage.properties("AWS::EC2::SecurityGroupEgress").values()
    outward = {
        (group_of(r["GroupId"]), group_of(r["DestinationSecurityGroupId"]), r["FromPort"], r["ToPort"]) for r in rules
    }
    assert outward == inward(aws_stage)


def test_outwards_https_alone_is_spoken_to_the_world(aws_stage: Synthesised):
    groups = aws_stage.properties("AWS::EC2::SecurityGroup")
    narrowed = {group_of(rule["GroupId"]) for rule in aws_stage.properties("AWS::EC2::SecurityGroupEgress").values()}
    open_to = {}
    for name, group in groups.items():
        # A group for which nothing is said lets everything out.
        assert "SecurityGroupEgress" in group or group_of(name) in narrowed
        world = [rule for rule in group.get("SecurityGroupEgress", []) if rule["CidrIp"] in ANYWHERE]
        open_to[group_of(name)] = [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in world]
    https = [("tcp", 443, 443)]
    assert open_to == {
        "Services": https,
        "Clients": https,
        "Job": https,
        "Migrations": https,
        "Proxy": [],
        "Database": [],
    }


@pytest.mark.parametrize(("name", "place"), FUNCTIONS.items())
def test_a_function_is_in_its_tier_and_its_group(aws_stage: Synthesised, name: str, place: tuple[str, str]):
    tier, group = place
    function = aws_stage.named("AWS::Lambda::Function", aws_stage.config.names.function(name))
    config = function["VpcConfig"]
    assert [group_of(reference) for reference in config["SecurityGroupIds"]] == [group]
    assert len(config["SubnetIds"]) == 3
    assert all(f"NetworkVpc{tier}Subnet" in json.dumps(reference) for reference in config["SubnetIds"])


def test_every_function_has_a_place(aws_stage: Synthesised):
    prefix = aws_stage.config.names.function("")
    functions = aws_stage.properties("AWS::Lambda::Function").values()
    names = {function["FunctionName"].removeprefix(prefix) for function in functions}
    assert names == FUNCTIONS.keys()
    assert names <= PLACES.keys()


def test_the_job_reaches_out_from_any_zone(aws_stage: Synthesised):
    connections = aws_stage.properties("AWS::Glue::Connection").values()
    job = aws_stage.named("AWS::Glue::Job", aws_stage.config.names.glue_job)
    assert sorted(job["Connections"]["Connections"]) == sorted(c["ConnectionInput"]["Name"] for c in connections)
    used = set()
    for connection in connections:
        assert connection["ConnectionInput"]["ConnectionType"] == "NETWORK"
        physical = connection["ConnectionInput"]["PhysicalConnectionRequirements"]
        assert [group_of(reference) for reference in physical["SecurityGroupIdList"]] == ["Job"]
        assert "NetworkVpcegressSubnet" in json.dumps(physical["SubnetId"])
        used.add(json.dumps(physical["SubnetId"]))
    assert len(used) == 3


def test_nobody_is_in_the_default_security_group(aws_stage: Synthesised):
    """It lets in its own members: with none, nobody. What names no group would be put into it."""
    for kind, field in {
        "AWS::RDS::DBInstance": "VPCSecurityGroups",
        "AWS::RDS::DBProxy": "VpcSecurityGroupIds",
    }.items():
        assert all(resource[field] for resource in aws_stage.properties(kind).values())
    for function in aws_stage.properties("AWS::Lambda::Function").values():
        assert function["VpcConfig"]["SecurityGroupIds"]
    assert "DefaultSecurityGroup" not in json.dumps(aws_stage.templates)


def test_every_connection_is_in_the_flow_log(aws_stage: Synthesised):
    (flow,) = aws_stage.properties("AWS::EC2::FlowLog").values()
    assert flow["TrafficType"] == "ALL"
    assert flow["ResourceType"] == "VPC"
    (role,) = [r for id, r in aws_stage.properties("AWS::IAM::Role").items() if "FlowLogRole" in id]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_the_page_says_where_each_is():
    page = (REPOSITORY / "docs" / "network.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (\w+ \| \w+) \|$", page, re.MULTILINE))
    deployed = {**FUNCTIONS, "job": ("egress", "Job")}
    assert listed == {name: f"{tier} | {group.lower()}" for name, (tier, group) in deployed.items()}


def test_the_page_s_arithmetic_is_right():
    page = (REPOSITORY / "docs" / "network.md").read_text(encoding="utf-8")
    nat, endpoint = 0.048 * 730, 0.011 * 730 * 3
    for amount in (f"**{nat:.2f} USD a month**", f"**{endpoint:.2f} USD a month**", f"{2 * nat:.2f} USD a month more"):
        assert amount in page
    assert f"{endpoint / (0.048 - 0.01):.0f} GB a month" in page
