"""The local stage is the AWS stage but for what infra/local_target.py lists."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.infra.templates import Synthesised, words

pytestmark = pytest.mark.infra

LEFT_OUT = {
    "AWS::Athena::NamedQuery",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Glue::SecurityConfiguration",
    "AWS::Lambda::LayerVersion",
    "AWS::WAFv2::WebACL",
    "AWS::WAFv2::WebACLAssociation",
}


def test_only_the_listed_types_are_left_out(local: Synthesised, prod: Synthesised):
    assert _types(prod).keys() - _types(local).keys() == LEFT_OUT
    assert _types(local).keys() - _types(prod).keys() == set()


def test_what_is_deployed_is_deployed_whole(local: Synthesised, prod: Synthesised):
    fewer = {kind: prod_count - _types(local)[kind] for kind, prod_count in _types(prod).items()}
    differing = {kind: count for kind, count in fewer.items() if count and kind not in LEFT_OUT}
    # The four views, the logs that only a security configuration moves to names of their own, CodeDeploy's two roles.
    assert differing == {"AWS::Glue::Table": 4, "AWS::Logs::LogGroup": 2, "AWS::IAM::Role": 2, "AWS::IAM::Policy": 2}


def test_roles_are_allowed_the_same(local: Synthesised, prod: Synthesised):
    # But to read the wheels, and to write the log that a security configuration encrypts.
    encrypted_log = {"logs:CreateLogGroup", "logs:AssociateKmsKey", "logs:CreateLogStream", "logs:PutLogEvents"}
    assert _actions(prod, "EtlRole") - _actions(local, "EtlRole") == encrypted_log
    for role in (
        "Webhook",
        "Dispatcher",
        "Poller",
        "Apply",
        "Manifest",
        "EtlFunction",
        "Audit",
        "WatchFunction",
        "PollingScheduler",
        "EtlFunctionScheduler",
        "AuditScheduler",
        "WatchScheduler",
    ):
        assert _actions(local, f"{role}Role") == _actions(prod, f"{role}Role") != set()


def test_the_job_finds_the_checkout_and_the_embedded_aws(local: Synthesised):
    arguments = local.named("AWS::Glue::Job", local.config.names.glue_job)["DefaultArguments"]
    assert arguments["--AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert arguments["--PYTHONPATH"]


def test_nothing_happens_by_itself(local: Synthesised):
    states = [schedule["State"] for schedule in local.properties("AWS::Scheduler::Schedule").values()]
    assert states == ["DISABLED"] * 4


def _types(stage: Synthesised) -> Counter[str]:
    return Counter(r["Type"] for template in stage.templates.values() for r in template["Resources"].values())


def _actions(stage: Synthesised, role: str) -> set[str]:
    return {action for statement in stage.allowed(role) for action in words(statement["Action"])}
