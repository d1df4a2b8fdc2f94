"""Each rule of least privilege finds the faults that are planted for it, and nothing in what is in order."""

from __future__ import annotations

import pytest

from tests.infra.planted_faults import (
    BACKUPS,
    CALLING,
    FAULTS,
    HOTEL_SECRETS,
    KEYS,
    RAW,
    SECRET,
    TABLE,
    allowing,
    bare,
    guarding,
    keyed,
    of,
    role,
    said,
    trusting,
)
from tests.infra.policies import ACCOUNT
from tests.infra.privilege import Rule
from tests.infra.privilege_rules import RULES

pytestmark = pytest.mark.infra


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str):
    rule, planted = FAULTS[fault]
    assert rule(planted) != []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_has_a_fault_planted_and_passes_what_is_in_order(rule: Rule):
    assert rule in {planted_for for planted_for, _ in FAULTS.values()}
    allowed = [
        allowing("s3:PutObject", f"{RAW}/hostpms/*/webhooks/*"),
        allowing("secretsmanager:GetSecretValue", f"{SECRET}hostpms/*/webhook-secret-??????"),
        allowing(["dynamodb:GetItem", "dynamodb:Query"], HOTEL_SECRETS, **keyed("hostpms/*/webhook-secret")),
        allowing("dynamodb:Scan", TABLE),
        allowing("dynamodb:CreateBackup", HOTEL_SECRETS),
        allowing("xray:PutTraceSegments", "*"),
        allowing("cloudwatch:PutMetricData", "*", **said("StringEquals", "cloudwatch:namespace", "pousada/bare")),
        allowing("kms:CreateGrant", KEYS, **said("ForAnyValue:StringEquals", "kms:ResourceAliases", BACKUPS)),
        allowing("ec2:CreateNetworkInterface", f"arn:aws:ec2:eu-west-1:{ACCOUNT}:*/*"),
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*"},
    ]
    scheduled = {"Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}}
    within = {"Condition": {"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}}}
    source = {"Fn::Join": ["", ["arn:aws:execute-api:eu-west-1:", {"Ref": "AWS::AccountId"}, ":api/*"]]}
    in_order = bare(
        *allowed,
        Schedule=role(trusting("scheduler.amazonaws.com", **scheduled)),
        Endpoint=guarding("AWS::EC2::VPCEndpoint", allowing("*", "*", Principal="*", **within)),
        Calls=of("AWS::Lambda::Permission", **CALLING, SourceArn=source),
    )
    assert rule(in_order) == []
