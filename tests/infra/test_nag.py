"""cdk-nag's packs find nothing but what is acknowledged, with its reason, on one construct."""

from __future__ import annotations

import pytest
from aws_cdk import App, Stack, Stage, Validations
from aws_cdk import aws_sqs as sqs
from cdk_nag import AwsSolutionsChecks, NagPack, ServerlessChecks

from tests.infra.templates import Synthesised

pytestmark = pytest.mark.infra


@pytest.mark.parametrize("pack", [AwsSolutionsChecks, ServerlessChecks])
def test_a_stage_passes(pack: type[NagPack], aws_stage: Synthesised):
    report = pack().validate_scope(aws_stage.stage)
    findings = [f"{v.rule_name}: {r.construct_path}" for v in report.violations for r in v.violating_resources]
    assert findings == []


def test_a_pack_does_look():
    stack = Stack(App(), "bare")
    sqs.Queue(stack, "Queue")
    assert not AwsSolutionsChecks().validate_scope(stack).success


def test_a_finding_is_acknowledged_on_a_construct_and_never_on_a_stack(aws_stage: Synthesised):
    key = Validations.ACKNOWLEDGED_RULES_METADATA_KEY
    for construct in aws_stage.stage.node.find_all():
        acknowledged = [entry.data for entry in construct.node.metadata if entry.type == key]
        if acknowledged:
            assert not isinstance(construct, Stack | Stage), construct.node.path
        for reason in (reason for rules in acknowledged for reason in rules.values()):
            assert len(reason.split()) >= 6, f"{construct.node.path}: {reason!r} is no reason"
