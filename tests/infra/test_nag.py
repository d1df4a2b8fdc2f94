"""cdk-nag's packs find nothing but what is acknowledged, with its reason, on one construct; and so checkov."""

from __future__ import annotations

import json

import pytest
from aws_cdk import App, Stack, Stage, Validations
from aws_cdk import aws_sqs as sqs

from infra import findings
from infra.capabilities.permissions import acknowledge, skip_check
from infra.findings import Accepted, accepted, find
from tests.infra.templates import Synthesised

pytestmark = pytest.mark.infra


def test_a_stage_passes(aws_stage: Synthesised):
    assert find(aws_stage.stage) == []


def test_a_stage_with_every_option_passes(every_option: Synthesised):
    assert find(every_option.stage) == []


def test_a_stage_without_any_option_passes(no_option: Synthesised):
    assert find(no_option.stage) == []


def test_a_pack_does_look():
    stack = Stack(App(), "bare")
    sqs.Queue(stack, "Queue")
    found = {finding.rule.partition("-")[0] for finding in find(stack)}
    assert found == {"AwsSolutions", "Serverless"}


def test_a_finding_is_acknowledged_on_a_construct_and_never_on_a_stack(
    aws_stage: Synthesised, every_option: Synthesised
):
    key = Validations.ACKNOWLEDGED_RULES_METADATA_KEY
    for construct in [*aws_stage.stage.node.find_all(), *every_option.stage.node.find_all()]:
        if any(entry.type == key for entry in construct.node.metadata):
            assert not isinstance(construct, Stack | Stage), construct.node.path


def test_what_is_accepted_has_a_reason(aws_stage: Synthesised):
    known = list(accepted(aws_stage.stage))
    assert {one.rule.partition("_")[0] for one in known} > {"CKV"}
    for one in known:
        assert len(one.reason.split()) >= 6, f"{one.where}: {one.reason!r} is no reason"


def test_a_check_is_skipped_on_one_resource_in_its_own_metadata(stage: Synthesised):
    """Where checkov looks for it; of a stack it would be for all that is in it."""
    skipped = [r["Metadata"]["checkov"]["skip"] for r in _resources(stage) if "checkov" in r.get("Metadata", {})]
    assert skipped
    assert all(one.keys() == {"id", "comment"} and one["id"].startswith("CKV") for ones in skipped for one in ones)
    assert not any("checkov" in json.dumps(template.get("Metadata", {})) for template in stage.templates.values())


def test_both_ways_of_accepting_are_listed():
    stage = Stage(App(), "bare")
    queue = sqs.Queue(Stack(stage, "stack"), "Queue")
    acknowledge(queue, "AwsSolutions-SQS3", "It is a dead letter queue itself.")
    skip_check(queue, "CKV_AWS_27", "It is encrypted with the service's key.")
    skip_check(queue, "CKV_AWS_1", "A second one leaves the first.")
    assert list(accepted(stage)) == [
        Accepted("AwsSolutions-SQS3", "stack/Queue", "It is a dead letter queue itself."),
        Accepted("CKV_AWS_27", "stack/Queue/Resource", "It is encrypted with the service's key."),
        Accepted("CKV_AWS_1", "stack/Queue/Resource", "A second one leaves the first."),
    ]


def test_what_the_scan_asks_for_names_every_finding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    class Bare(Stage):
        config = type("Config", (), {"target": "aws"})

    stage = Bare(App(), "bare")
    sqs.Queue(Stack(stage, "stack"), "Queue")
    monkeypatch.setattr(findings, "configured_stages", lambda outdir: (stage,))
    findings.main()
    report = json.loads(capsys.readouterr().out)
    assert report["constructs"] == len(stage.node.find_all())
    assert {"rule": "AwsSolutions-SQS4", "where": "bare/stack/Queue/Resource"}.items() <= next(
        one for one in report["findings"] if one["rule"] == "AwsSolutions-SQS4"
    ).items()


def _resources(stage: Synthesised) -> list[dict[str, object]]:
    return [resource for template in stage.templates.values() for resource in template["Resources"].values()]
