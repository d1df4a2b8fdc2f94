"""The local stage is the AWS stage but for what infra/local_target.py lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import pytest

from tests.infra.templates import Synthesised, words

pytestmark = pytest.mark.infra

NETWORK = {
    "AWS::EC2::EIP",
    "AWS::EC2::FlowLog",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::Glue::Connection",
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBParameterGroup",
    "AWS::RDS::DBProxy",
    "AWS::RDS::DBProxyTargetGroup",
    "AWS::RDS::DBSubnetGroup",
}
"""With the network and the database in it."""
NAT = {
    "gateway": {"AWS::EC2::NatGateway"},
    "instance": {"AWS::EC2::EIPAssociation", "AWS::EC2::Instance", "AWS::IAM::InstanceProfile"},
}
LEFT_OUT = NETWORK | {
    "AWS::Athena::NamedQuery",
    "AWS::Backup::BackupPlan",
    "AWS::Backup::BackupSelection",
    "AWS::Backup::BackupVault",
    "AWS::Budgets::Budget",
    "AWS::CE::AnomalyMonitor",
    "AWS::CE::AnomalySubscription",
    "AWS::CloudTrail::Trail",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Glue::SecurityConfiguration",
    "AWS::Lambda::LayerVersion",
    "AWS::WAFv2::WebACL",
    "AWS::WAFv2::WebACLAssociation",
    "AWS::XRay::SamplingRule",
}
STACKS_LEFT_OUT = {"governance", "network"}


def test_only_the_listed_types_are_left_out(local: Synthesised, prod: Synthesised):
    assert _types(prod).keys() - _types(local).keys() == LEFT_OUT | NAT[prod.config.network.nat]
    assert _types(local).keys() - _types(prod).keys() == set()


def test_only_the_listed_stacks_are_left_out(local: Synthesised, prod: Synthesised):
    assert prod.templates.keys() - local.templates.keys() == STACKS_LEFT_OUT
    assert local.templates.keys() - prod.templates.keys() == set()


def test_what_is_deployed_is_deployed_whole(local: Synthesised, prod: Synthesised):
    deployed = _types(prod, without=STACKS_LEFT_OUT)
    fewer = {kind: prod_count - _types(local)[kind] for kind, prod_count in deployed.items()}
    differing = {kind: count for kind, count in fewer.items() if count and kind not in LEFT_OUT}
    assert differing == {
        # The views.
        "AWS::Glue::Table": 4,
        # Those that only a security configuration moves to names of their own; the database's two.
        "AWS::Logs::LogGroup": 2 + 2,
        # The database's.
        "AWS::KMS::Key": 1,
        "AWS::KMS::Alias": 1,
        # Of the proxy and the database's monitoring; CodeDeploy's two.
        "AWS::IAM::Role": 2 + 2,
        "AWS::IAM::Policy": 2 + 2,
    }


def test_roles_are_allowed_the_same(local: Synthesised, prod: Synthesised):
    # But to be in a network, to log in to the database, and to write the log that a security configuration encrypts.
    encrypted_log = {"logs:CreateLogGroup", "logs:AssociateKmsKey", "logs:CreateLogStream", "logs:PutLogEvents"}
    log_in, password = "rds-db:connect", "secretsmanager:GetSecretValue"
    more = {a for a in _actions(prod, "EtlRole") - _actions(local, "EtlRole") if not a.startswith("ec2:")}
    assert more == encrypted_log | {log_in, "glue:GetConnection"}
    # The owner's password is encrypted with the database's key; and there is a server to ask about.
    of_rds = {"Migrate": {"kms:Decrypt"}, "WatchFunction": {"rds:DescribeDBInstances"}}
    for role in (
        "Webhook",
        "Dispatcher",
        "Poller",
        "Apply",
        "Manifest",
        "EtlFunction",
        "Audit",
        "WatchFunction",
        "Migrate",
        "PollingScheduler",
        "EtlFunctionScheduler",
        "AuditScheduler",
        "WatchScheduler",
        "Rotate",
        "RotationScheduler",
    ):
        there, here = _actions(prod, f"{role}Role"), _actions(local, f"{role}Role")
        in_network = {action for action in there if action.startswith("ec2:")}
        assert bool(in_network) == (not role.endswith("Scheduler"))
        assert {password if a == log_in else a for a in there - in_network} == here | of_rds.get(role, set()) != set()


def test_the_job_finds_the_checkout_and_the_embedded_aws(local: Synthesised):
    arguments = local.named("AWS::Glue::Job", local.config.names.glue_job)["DefaultArguments"]
    assert arguments["--AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert arguments["--PYTHONPATH"]


def test_nothing_happens_by_itself(local: Synthesised):
    states = [schedule["State"] for schedule in local.properties("AWS::Scheduler::Schedule").values()]
    assert states == ["DISABLED"] * 5


def _types(stage: Synthesised, without: Collection[str] = ()) -> Counter[str]:
    templates = [template for stack, template in stage.templates.items() if stack not in without]
    return Counter(r["Type"] for template in templates for r in template["Resources"].values())


def _actions(stage: Synthesised, role: str) -> set[str]:
    return {action for statement in stage.allowed(role) for action in words(statement["Action"])}
