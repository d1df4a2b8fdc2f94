"""The network: who is where, who may open a connection to whom, and which ways lead out."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.capabilities.network import PLACES
from scripts.cost import prices
from scripts.cost.standing import standing
from scripts.cost.templates import Resources
from tests.infra.templates import REPOSITORY, Synthesised, synthesise

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
# What EC2 takes as the description of a group and of a rule (API reference, CreateSecurityGroup and IpRange).
DESCRIPTION = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")


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


GROUPS = ("Services", "Clients", "Job", "Migrations", "Proxy", "Database", "Nat", "Endpoints")


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


@pytest.fixture(scope="module")
def with_gateways(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    (stage,) = synthesise(tmp_path_factory.mktemp("cdk.out"), stages="prod-eu-west-1", network=GATEWAYS).values()
    return stage


GATEWAYS = {"nat": "gateway", "nats": 2}


@pytest.fixture
def with_instances(every_option: Synthesised) -> Synthesised:
    assert (every_option.config.network.nat, every_option.config.network.nats) == ("instance", 2)
    return every_option


def test_out_of_egress_it_goes_by_nat_and_out_of_public_by_the_gateway(aws_stage: Synthesised):
    by = {"gateway": "NatGatewayId", "instance": "InstanceId"}[aws_stage.config.network.nat]
    assert {by in route for route in routes(aws_stage, "egress")} == {True}
    assert {"GatewayId" in route for route in routes(aws_stage, "public")} == {True}


NAT = {"gateway": "AWS::EC2::NatGateway", "instance": "AWS::EC2::Instance"}


def test_there_are_as_many_of_one_kind_of_nat_as_are_asked_for_and_none_of_the_other(
    with_gateways: Synthesised, with_instances: Synthesised
):
    assert {kind: len(with_gateways.resources(type)) for kind, type in NAT.items()} == {"gateway": 2, "instance": 0}
    assert {kind: len(with_instances.resources(type)) for kind, type in NAT.items()} == {"gateway": 0, "instance": 2}


@pytest.mark.parametrize(("kind", "field"), [("gateways", "NatGatewayId"), ("instances", "InstanceId")])
def test_each_zone_goes_out_by_its_own_nat_and_one_without_by_another(
    request: pytest.FixtureRequest, kind: str, field: str
):
    stage: Synthesised = request.getfixturevalue(f"with_{kind}")
    out = {route["RouteTableId"]["Ref"]: route[field]["Ref"] for route in routes(stage, "egress")}
    first, second, third = (out[table] for table in sorted(out))
    assert first != second
    assert third in (first, second)


def test_between_gateway_and_instance_a_route_is_changed_and_not_made_anew(
    with_gateways: Synthesised, with_instances: Synthesised
):
    """Two routes to everywhere cannot be in one table, and CloudFormation would make the new one first."""
    assert with_gateways.resources("AWS::EC2::Route").keys() == with_instances.resources("AWS::EC2::Route").keys()


def test_nothing_but_nat_is_in_the_public_tier(aws_stage: Synthesised, with_instances: Synthesised):
    for stage in (aws_stage, with_instances):
        public = subnets(stage, "public")
        for template in stage.templates.values():
            for resource in template["Resources"].values():
                if resource["Type"] not in (*NAT.values(), "AWS::EC2::SubnetRouteTableAssociation"):
                    text = json.dumps(resource.get("Properties", {}))
                    assert not any(id in text for id in public), resource["Type"]


# -- NAT instances ---------------------------------------------------------------------------------


def instances(stage: Synthesised) -> dict[str, Any]:
    """By their logical ids."""
    return {id.partition("/")[2]: found for id, found in stage.properties("AWS::EC2::Instance").items()}


def test_each_nat_instance_is_in_a_public_subnet_of_its_own_and_forwards(with_instances: Synthesised):
    found = instances(with_instances).values()
    (interfaces,) = zip(*(instance["NetworkInterfaces"] for instance in found), strict=True)
    assert len({one["SubnetId"]["Ref"] for one in interfaces} & subnets(with_instances, "public")) == 2
    assert all([group_of(group) for group in one["GroupSet"]] == ["Nat"] for one in interfaces)
    assert {instance["SourceDestCheck"] for instance in found} == {False}


def test_a_nat_instance_lets_nobody_log_in_and_keeps_its_disk_encrypted(with_instances: Synthesised):
    for instance in instances(with_instances).values():
        assert "KeyName" not in instance
        assert instance["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
        (disk,) = instance["BlockDeviceMappings"]
        assert disk["Ebs"] == {"Encrypted": True, "VolumeSize": 8, "VolumeType": "gp3"}


def test_the_role_of_nat_instances_may_nothing(with_instances: Synthesised):
    roles = {id.partition("/")[2]: role for id, role in with_instances.properties("AWS::IAM::Role").items()}
    (profiles,) = {json.dumps(p["Roles"]) for p in with_instances.properties("AWS::IAM::InstanceProfile").values()}
    ((reference,),) = (one.values() for one in json.loads(profiles))
    assert roles[reference].keys() == {"AssumeRolePolicyDocument", "Tags"}
    policies = with_instances.properties("AWS::IAM::Policy").values()
    assert not any({"Ref": reference} in policy["Roles"] for policy in policies)


def test_who_goes_out_may_call_the_nat_instances_and_by_https_alone(with_instances: Synthesised):
    to_nat = {rule for rule in inward(with_instances) if rule[1] == "Nat"}
    assert to_nat == {(caller, "Nat", 443, 443) for caller in ("Services", "Clients", "Job", "Migrations")}
    (group,) = (
        g for g in with_instances.properties("AWS::EC2::SecurityGroup").values() if g["GroupName"].endswith("-nat")
    )
    (out,) = group["SecurityGroupEgress"]
    assert (out["CidrIp"], out["IpProtocol"], out["FromPort"], out["ToPort"]) == ("0.0.0.0/0", "tcp", 443, 443)


def test_the_image_is_the_region_s_newest_for_arm64_at_each_deployment_and_not_looked_up_before(
    with_instances: Synthesised,
):
    (asked,) = {instance["ImageId"]["Ref"] for instance in instances(with_instances).values()}
    assert with_instances.templates["network"]["Parameters"][asked] == {
        "Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
        "Default": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    }
    assert {instance["InstanceType"] for instance in instances(with_instances).values()} == {"t4g.micro"}


def test_a_nat_instance_keeps_its_address_when_it_is_another(with_instances: Synthesised):
    led = with_instances.properties("AWS::EC2::EIPAssociation").values()
    assert {association["InstanceId"]["Ref"] for association in led} == instances(with_instances).keys()
    addresses = {id.partition("/")[2] for id in with_instances.resources("AWS::EC2::EIP")}
    assert {association["AllocationId"]["Fn::GetAtt"][0] for association in led} == addresses


def user_data(stage: Synthesised) -> dict[str, str]:
    return {id: instance["UserData"]["Fn::Base64"] for id, instance in instances(stage).items()}


def test_a_deployment_waits_until_a_new_nat_instance_says_that_it_forwards(with_instances: Synthesised):
    """Only then are address and routes led to it: they refer to it."""
    for id, script in user_data(with_instances).items():
        resource = with_instances.resources("AWS::EC2::Instance")[f"network/{id}"]
        assert resource["CreationPolicy"] == {"ResourceSignal": {"Timeout": "PT10M"}}
        assert f"cfn-signal --stack {with_instances.config.names.stack('network')} --resource {id} " in script


def run_boot(script: str, tmp_path: Path, **statuses: int) -> tuple[list[str], int]:
    """What the commands of a first boot call, each of them a stand-in, and what is signalled as their outcome.

    ``statuses``: of a stand-in's first call, where it is not 0.
    """
    root, commands = tmp_path / "root", tmp_path / "bin"
    for folder in (commands, root / "etc/sysctl.d", root / "etc/sysconfig", root / "opt/aws/bin"):
        folder.mkdir(parents=True)
    log = tmp_path / "calls"
    for name in ("dnf", "sysctl", "systemctl", "nft", "sleep", "cfn-signal"):
        said = "echo masquerade" if name == "nft" else ":"
        status = statuses.get(name, 0)
        once = f'[ -e "{tmp_path}/{name}" ] || {{ touch "{tmp_path}/{name}"; exit {status}; }}' if status else said
        stand_in = (root / "opt/aws/bin" if name == "cfn-signal" else commands) / name
        stand_in.write_text(f'#!/bin/bash\necho "{name} $*" >> "{log}"\n{once}\n{said}\n')
        stand_in.chmod(0o755)
    moved = script.replace("/etc/", f"{root}/etc/").replace("/opt/", f"{root}/opt/")
    boot = tmp_path / "boot"
    boot.write_text(moved)
    path = f"{commands}:{os.environ['PATH']}"
    subprocess.run([*moved.splitlines()[0].removeprefix("#!").split(), str(boot)], env={"PATH": path}, check=False)
    *called, signalled = log.read_text().splitlines()
    return called, int(signalled.rpartition("-e ")[2])


def test_at_its_first_boot_a_nat_instance_forwards_and_says_so(with_instances: Synthesised, tmp_path: Path):
    script, *_ = user_data(with_instances).values()
    called, status = run_boot(script, tmp_path)
    assert status == 0
    assert [call.split()[0] for call in called] == ["dnf", "sysctl", "systemctl", "nft"]
    assert "net.ipv4.ip_forward = 1" in (tmp_path / "root/etc/sysctl.d/90-nat.conf").read_text()
    assert "masquerade" in (tmp_path / "root/etc/sysconfig/nftables.conf").read_text()
    assert "systemctl enable --now nftables" in called, "nothing would forward after a reboot"


def test_a_first_installation_that_fails_is_tried_again(with_instances: Synthesised, tmp_path: Path):
    script, *_ = user_data(with_instances).values()
    called, status = run_boot(script, tmp_path, dnf=1)
    assert [call.split()[0] for call in called] == ["dnf", "sleep", "dnf", "sysctl", "systemctl", "nft"]
    assert status == 0


@pytest.mark.parametrize("failing", ["sysctl", "systemctl", "nft"])
def test_a_nat_instance_that_does_not_forward_fails_its_deployment(
    with_instances: Synthesised, tmp_path: Path, failing: str
):
    script, *_ = user_data(with_instances).values()
    _, status = run_boot(script, tmp_path, **{failing: 1})
    assert status != 0


def test_other_commands_are_another_instance(
    tmp_path: Path, with_instances: Synthesised, monkeypatch: pytest.MonkeyPatch
):
    """User data is run at the first boot alone: changed in place it would do nothing."""
    monkeypatch.setattr("infra.capabilities.nat._COMMANDS", ("echo otherwise",))
    (other,) = synthesise(tmp_path, stages="prod-eu-west-1", network={"nat": "instance", "nats": 2}).values()
    assert not instances(other).keys() & instances(with_instances).keys()


# -- Endpoints and groups --------------------------------------------------------------------------


def test_s3_and_dynamodb_are_reached_without_nat(aws_stage: Synthesised):
    endpoints = aws_stage.properties("AWS::EC2::VPCEndpoint").values()
    assert {endpoint["VpcEndpointType"] for endpoint in endpoints} == {"Gateway"}
    for endpoint in endpoints:
        tables = json.dumps(endpoint["RouteTableIds"])
        assert tables.count("egress") == tables.count("private") == 3
        assert "isolated" not in tables
        assert "public" not in tables


def endpoints(stage: Synthesised, kind: str) -> dict[str, dict[str, Any]]:
    every = stage.properties("AWS::EC2::VPCEndpoint")
    return {id: endpoint for id, endpoint in every.items() if endpoint["VpcEndpointType"] == kind}


def test_an_endpoint_leads_to_this_account_and_to_little_of_aws_s_own(aws_stage: Synthesised):
    answers = f"cloudformation-custom-resource-response-{aws_stage.config.region.replace('-', '')}"
    for name, endpoint in endpoints(aws_stage, "Gateway").items():
        statements = endpoint["PolicyDocument"]["Statement"]
        own = [s for s in statements if s.get("Condition")]
        assert [s["Condition"] for s in own] == [{"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}}]
        others = {s["Action"]: s["Resource"] for s in statements if s not in own}
        of_aws = {
            "s3:PutObject": f"arn:aws:s3:::{answers}/*",
            "s3:GetObject": "arn:aws:s3:::aws-glue-*/*",
        }
        assert others == (of_aws if "S3" in name else {})


def test_an_interface_endpoint_is_reached_from_the_private_tier_by_our_groups_alone(every_option: Synthesised):
    interfaces = endpoints(every_option, "Interface")
    named = {endpoint["ServiceName"] for endpoint in interfaces.values()}
    assert named == {f"com.amazonaws.eu-west-1.{service}" for service in ("secretsmanager", "sqs")}
    for endpoint in interfaces.values():
        assert endpoint["PrivateDnsEnabled"] is True
        assert {reference["Ref"] for reference in endpoint["SubnetIds"]} == subnets(every_option, "private")
        assert [group_of(group) for group in endpoint["SecurityGroupIds"]] == ["Endpoints"]
    callers = {(caller, port) for caller, called, port, _ in inward(every_option) if called == "Endpoints"}
    assert callers == {(group, 443) for group in ("Services", "Clients", "Job", "Migrations")}


def test_an_interface_endpoint_leads_to_this_account(every_option: Synthesised):
    for endpoint in endpoints(every_option, "Interface").values():
        (statement,) = endpoint["PolicyDocument"]["Statement"]
        assert statement["Condition"] == {"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}}


def test_nothing_comes_in_from_anywhere(aws_stage: Synthesised, every_option: Synthesised):
    for stage in (aws_stage, every_option):
        for group in stage.properties("AWS::EC2::SecurityGroup").values():
            assert "SecurityGroupIngress" not in group
        for rule in stage.properties("AWS::EC2::SecurityGroupIngress").values():
            assert "SourceSecurityGroupId" in rule
            assert not ANYWHERE & {rule.get("CidrIp"), rule.get("CidrIpv6")}


def descriptions(stage: Synthesised) -> list[str]:
    groups = stage.properties("AWS::EC2::SecurityGroup").values()
    rules = [
        rule
        for group in groups
        for rule in (*group.get("SecurityGroupEgress", ()), *group.get("SecurityGroupIngress", ()))
    ]
    for direction in ("Ingress", "Egress"):
        rules += stage.properties(f"AWS::EC2::SecurityGroup{direction}").values()
    return [group["GroupDescription"] for group in groups] + [rule.get("Description", "none") for rule in rules]


def test_ec2_takes_every_description(aws_stage: Synthesised, every_option: Synthesised):
    plain, with_endpoints = descriptions(aws_stage), descriptions(every_option)
    assert len(with_endpoints) > len(plain)
    assert [text for text in plain + with_endpoints if not DESCRIPTION.fullmatch(text)] == []


def test_who_may_open_a_connection_to_whom(aws_stage: Synthesised):
    assert {rule for rule in inward(aws_stage) if rule[1] != "Nat"} == {
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
    # Who calls a NAT instance calls somebody behind it: any address, by the group's own rule.
    assert outward == {rule for rule in inward(aws_stage) if rule[1] != "Nat"}


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
        **({"Nat": https} if aws_stage.config.network.nat == "instance" else {}),
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
    page = " ".join((REPOSITORY / "docs" / "network.md").read_text(encoding="utf-8").split())
    # With its public address.
    nat, endpoint = (0.048 + 0.005) * 730, 0.011 * 730 * 3
    for amount in (f"**{nat:.2f} USD a month**", f"**{endpoint:.2f} USD a month**", f"{2 * nat:.2f} USD a month more"):
        assert amount in page
    assert f"{endpoint / (0.048 - 0.01):.0f} GB a month" in page


def test_the_page_s_prices_of_gateway_and_instance_are_those_of_the_model(
    with_gateways: Synthesised, with_instances: Synthesised
):
    page = (REPOSITORY / "docs" / "network.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith("| USD a month, with its address |"))
    gateway, instance = (_monthly(stage) for stage in (with_gateways, with_instances))
    assert f"| {sum(gateway.values()):.2f} | {sum(instance.values()):.2f}: " in row
    assert sorted(re.findall(r"([\d.]+) for ", row)) == sorted(f"{usd:.2f}" for usd in instance.values())


def _monthly(stage: Synthesised) -> dict[str, float]:
    """What one NAT of the stage, which has two, and what belongs to it, is billed; two alarms for an instance."""
    kinds = ("AWS::EC2::NatGateway", "AWS::EC2::Instance", "AWS::EC2::EIP")
    resources = Resources.of_templates(stage.templates.values())
    usd: dict[str, float] = {}
    for charge in standing(Resources(resources.of(*kinds)), months=1):
        if charge.usd:
            usd[charge.what] = usd.get(charge.what, 0) + charge.usd / 2
    return usd | ({"alarms": 2 * prices.ALARM_METRIC.usd} if resources.of("AWS::EC2::Instance") else {})
