"""The two topics: who may publish, who is told, and that a stage which tells nobody says so."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Annotations, Match

from infra.capabilities.topics import Topics
from infra.config import StageConfig
from infra.target import AWS
from tests.infra.templates import Synthesised

pytestmark = pytest.mark.infra

TELLING = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com", "costalerts.amazonaws.com"]


def test_topics_are_encrypted_and_take_only_what_this_account_s_services_tell(stage: Synthesised):
    assert all("KmsMasterKeyId" in topic for topic in stage.properties("AWS::SNS::Topic").values())
    policies = [p["PolicyDocument"]["Statement"] for p in stage.properties("AWS::SNS::TopicPolicy").values()]
    assert len(policies) == 2
    for refusing, allowing in policies:
        assert (refusing["Effect"], refusing["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        assert sorted(allowing["Principal"]["Service"]) == TELLING
        assert allowing["Action"] == "sns:Publish"
        assert allowing["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_the_topics_key_can_be_used_by_those_that_publish(stage: Synthesised):
    (key,) = (k for k in stage.properties("AWS::KMS::Key").values() if "alarms" in k["Description"])
    publishing = key["KeyPolicy"]["Statement"][1]
    assert publishing["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert sorted(publishing["Principal"]["Service"]) == TELLING
    assert publishing["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_whoever_is_named_in_cdk_json_is_told():
    told = {"page": ["https://events.example.com/x"], "mail": ["operations@example.com"]}
    config = StageConfig(name="prod-eu-west-1", region="eu-west-1", vendors=("hostpms",), observability=told)
    app = cdk.App()
    stack = cdk.Stack(app, "topics")
    Topics(stack, "Topics", config=config, target=AWS)
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []
    resources = app.synth().get_stack_by_name("topics").template["Resources"].values()
    found = {
        (r["Properties"]["Protocol"], r["Properties"]["Endpoint"])
        for r in resources
        if "Endpoint" in r.get("Properties", {})
    }
    assert found == {("https", "https://events.example.com/x"), ("email", "operations@example.com")}


def test_a_stage_names_nobody_by_default_and_on_aws_its_synthesis_says_so(stage: Synthesised):
    assert stage.properties("AWS::SNS::Subscription") == {}
    told = Annotations.from_stack(stage.stage.observability).find_warning("*", Match.string_like_regexp("names nobody"))
    assert len(told) == (stage.config.target == "aws")
