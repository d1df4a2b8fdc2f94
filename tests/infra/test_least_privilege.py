"""Least privilege, proved: every policy of every stage is walked, whatever resource it belongs to.

The rules and their tables are in privilege.py, privilege_of_data.py and privilege_of_resources.py. That each looks
where it should is seen in test_planted_faults.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra import privilege, privilege_of_data
from tests.infra.planted_faults import SECRET, SECRETS_MANAGER
from tests.infra.policies import Policies, read
from tests.infra.privilege import Rule
from tests.infra.privilege_rules import RULES
from tests.infra.simulator import covers, may
from tests.infra.templates import STAGES, Synthesised, synthesise, words

pytestmark = pytest.mark.infra

EVERY_OPTION = "every option"
REACHING = {"interface_endpoints": ["secretsmanager"]}
by_name = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


@pytest.fixture(scope="module")
def policies(every_stage: dict[str, Synthesised], every_option: Synthesised) -> dict[str, Policies]:
    return {name: read(stage) for name, stage in (*every_stage.items(), (EVERY_OPTION, every_option))}


@by_name
@pytest.mark.parametrize("stage_name", [*STAGES, EVERY_OPTION])
def test_a_stage_keeps_the_rule(rule: Rule, policies: dict[str, Policies], stage_name: str):
    assert rule(policies[stage_name]) == []


def test_the_walk_reaches_every_role_function_and_resource_policy(stage: Synthesised, policies: dict[str, Policies]):
    walked = policies[stage.config.name]
    policed = {s.where for s in walked.statements}
    assert stage.resources("AWS::IAM::Role").keys() <= {s.where for s in walked.of("trust")}
    for kind in ("AWS::IAM::Policy", "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::KMS::Key"):
        assert stage.resources(kind).keys() <= policed
    functions = {p["FunctionName"] for p in stage.properties("AWS::Lambda::Function").values()}
    assert {f"function {name.removeprefix(walked.prefix)}" for name in functions} <= walked.holders()
    assert len(walked.permissions) == len(stage.resources("AWS::Lambda::Permission"))


def test_a_stage_that_keeps_its_hotels_secrets_in_secrets_manager_keeps_the_rules_too(tmp_path: Path):
    chosen = {"store": "secretsmanager"}
    (stage,) = synthesise(tmp_path, stages="dev-eu-west-1", hotel_secrets=chosen, network=REACHING).values()
    walked = read(stage)
    assert [broken for rule in RULES for broken in rule(walked)] == []
    read_by_webhook = privilege_of_data.kinds_of_secrets_read(walked)["function webhook"]
    assert read_by_webhook == privilege_of_data.SERVES["function webhook"]
    told = [f["Environment"]["Variables"] for f in stage.properties("AWS::Lambda::Function").values()]
    assert {said["HOTEL_SECRETS_TABLE"] for said in told if "HOTEL_SECRETS_TABLE" in said} == {""}
    _is_rotated_by_secrets_manager(stage, walked)
    _is_decrypted_by_way_of_secrets_manager(stage)


def test_a_stage_that_goes_out_by_instances_of_its_own_keeps_the_rules_too(tmp_path: Path):
    (stage,) = synthesise(tmp_path, stages="dev-eu-west-1", network={"nat": "instance"}).values()
    assert "AWS::EC2::Instance" in {r["Type"] for r in stage.templates["network"]["Resources"].values()}
    walked = read(stage)
    assert [broken for rule in RULES for broken in rule(walked)] == []


def _is_rotated_by_secrets_manager(stage: Synthesised, walked: Policies):
    """By this account's alone; and what it can have rotated is what the role reaches: webhook secrets."""
    (invoked,) = (p for p in stage.properties("AWS::Lambda::Permission").values() if p["Principal"] == SECRETS_MANAGER)
    assert invoked["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert invoked["Action"] == "lambda:InvokeFunction"
    assert "RotationRotateFunctionAlias" in str(invoked["FunctionName"])
    rotating = ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
    assert _allowed_of(walked, "hostpms/PT-LIS-001/webhook-secret-AbCdEf") == {f"secretsmanager:{a}" for a in rotating}
    assert _allowed_of(walked, "hostpms/PT-LIS-001/oauth-credentials-AbCdEf") == {"secretsmanager:GetSecretValue"}


def _is_decrypted_by_way_of_secrets_manager(stage: Synthesised):
    """With the key that the secrets' store is told to make them under; by who reads them, and whoever changes one."""
    (alias,) = (
        a for a in stage.properties("AWS::KMS::Alias").values() if a["AliasName"] == stage.config.names.secrets_key
    )
    key = alias["TargetKeyId"]["Fn::GetAtt"][0]
    through = f"secretsmanager.{stage.config.region}.amazonaws.com"
    used = dict[str, set[str]]()
    for policy, statement in stage.statements():
        # What backups may do with keys: tests/infra/test_recovery.py.
        if f"{key}Arn" in str(statement["Resource"]) and "BackupsRole" not in policy:
            assert statement["Condition"] == {"StringEquals": {"kms:ViaService": [through]}}
            used.setdefault(policy, set()).update(words(statement["Action"]))
    changing = {"kms:Decrypt", "kms:GenerateDataKey"}
    expected = {"WebhookRole": {"kms:Decrypt"}, "PollerRole": {"kms:Decrypt"}, "RotateRole": changing}
    assert {role: actions for policy, actions in used.items() for role in expected if role in policy} == expected
    assert len(used) == len(expected)


def _allowed_of(walked: Policies, secret: str) -> set[str]:
    """To the function ``rotate``."""
    return {
        action
        for s in walked.of("identity")
        if s.holder == "function rotate" and any(covers(resource, f"{SECRET}{secret}") for resource in s.resources)
        for action in s.actions
        if action.startswith("secretsmanager:")
    }


def test_a_stage_with_the_table_is_not_invoked_by_secrets_manager(stage: Synthesised):
    assert SECRETS_MANAGER not in {p["Principal"] for p in stage.properties("AWS::Lambda::Permission").values()}


def test_what_the_tables_say_is_so(policies: dict[str, Policies]):
    """Else a rule could hold because nobody may do anything, or because names have changed."""
    for walked in policies.values():
        raw = privilege_of_data.raw_bucket(walked)
        for lander, folders in privilege_of_data.LANDS.items():
            assert may(walked, lander, "s3:PutObject", f"{raw}/{folders}")
            assert not may(walked, lander, "s3:GetObject", f"{raw}/*")
        for reader, actions in privilege_of_data.READS_RAW.items():
            if reader in walked.holders():
                assert may(walked, reader, "s3:GetObject", f"{raw}/any/key") is ("s3:GetObject" in actions)
        assert {arn for _, arn in walked.managed} == privilege.AWS_POLICIES.keys()


def test_who_serves_a_secret_can_read_it_on_some_target(policies: dict[str, Policies]):
    read_somewhere: dict[str, frozenset[str]] = {}
    for walked in policies.values():
        for holder, kinds in privilege_of_data.kinds_of_secrets_read(walked).items():
            read_somewhere[holder] = read_somewhere.get(holder, frozenset()) | kinds
    there = {holder for walked in policies.values() for holder in walked.holders()}
    assert read_somewhere == {holder: kinds for holder, kinds in privilege_of_data.SERVES.items() if holder in there}
