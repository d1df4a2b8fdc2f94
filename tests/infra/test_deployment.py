"""How a new version of a function takes over: behind an alias, by and by, and back where an alarm rings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.config import InvalidConfiguration, parse
from shared.names import LIVE_ALIAS
from tests.infra.templates import CONTEXT, REPOSITORY, Synthesised, words

pytestmark = pytest.mark.infra

GRADUALLY = ("webhook", "apply")


def test_every_function_has_an_alias_that_names_its_newest_version(stage: Synthesised):
    aliases = stage.properties("AWS::Lambda::Alias").values()
    versions = {id.partition("/")[2]: v for id, v in stage.properties("AWS::Lambda::Version").items()}
    assert {alias["Name"] for alias in aliases} == {LIVE_ALIAS}
    for alias in aliases:
        version, attribute = alias["FunctionVersion"]["Fn::GetAtt"]
        assert (attribute, versions[version]["FunctionName"]) == ("Version", alias["FunctionName"])
    functions = {id.partition("/")[2] for id in stage.resources("AWS::Lambda::Function")}
    assert {alias["FunctionName"]["Ref"] for alias in aliases} == functions


class TestCallers:
    """Whoever calls a function calls its alias: what calls it by its bare name would run code that nobody released."""

    def test_a_queue(self, stage: Synthesised):
        called = [mapping["FunctionName"] for mapping in stage.properties("AWS::Lambda::EventSourceMapping").values()]
        assert called
        assert all(f":{LIVE_ALIAS}" in json.dumps(name) for name in called)

    def test_the_api(self, stage: Synthesised):
        (method,) = stage.properties("AWS::ApiGateway::Method").values()
        assert "WebhookFunctionAliaslive" in json.dumps(method["Integration"]["Uri"])

    def test_a_schedule(self, stage: Synthesised):
        targets = [json.dumps(s["Target"]["Arn"]) for s in stage.properties("AWS::Scheduler::Schedule").values()]
        called = [target for target in targets if "Function" in target]
        assert len(called) >= 3
        assert all("FunctionAliaslive" in target for target in called)

    def test_nobody_is_allowed_another_version(self, stage: Synthesised):
        invoking = [s for _, s in stage.statements() if "lambda:InvokeFunction" in words(s["Action"])]
        allowed = [resource for statement in invoking for resource in words(statement["Resource"])]
        allowed += [json.dumps(p["FunctionName"]) for p in stage.properties("AWS::Lambda::Permission").values()]
        assert len(allowed) >= 3
        assert all("FunctionAliaslive" in resource for resource in allowed)


def test_an_old_version_is_kept_and_one_of_a_failed_deployment_is_not(stage: Synthesised):
    for version in stage.resources("AWS::Lambda::Version").values():
        assert version["DeletionPolicy"] == "RetainExceptOnCreate"


def test_in_production_the_functions_that_are_called_all_the_time_take_over_by_a_tenth_for_five_minutes(
    prod: Synthesised,
):
    shifts = {g["DeploymentGroupName"]: g["DeploymentConfigName"] for g in _groups(prod)}
    assert shifts == {
        prod.config.names.function(name): "CodeDeployDefault.LambdaCanary10Percent5Minutes" for name in GRADUALLY
    }
    by_codedeploy = [alias for alias in prod.resources("AWS::Lambda::Alias").values() if "UpdatePolicy" in alias]
    assert len(by_codedeploy) == len(GRADUALLY)


def test_in_development_every_function_takes_over_at_once(every_stage: dict[str, Synthesised]):
    dev = every_stage["dev-eu-west-1"]
    assert _groups(dev) == []
    assert _alarms(dev) == {}
    assert not [alias for alias in dev.resources("AWS::Lambda::Alias").values() if "UpdatePolicy" in alias]


def test_nothing_that_a_deployment_group_waits_for_waits_for_the_alias(prod: Synthesised):
    """The alias itself waits for the group: CloudFormation would refuse the circle."""
    for id, group in prod.resources("AWS::CodeDeploy::DeploymentGroup").items():
        template = prod.templates[id.partition("/")[0]]["Resources"]
        waited_for = [json.dumps(group), *(json.dumps(template[name]) for name in group["DependsOn"])]
        assert "Policy" in " ".join(group["DependsOn"])
        assert not [text for text in waited_for if "Aliaslive" in text]


def test_a_deployment_is_rolled_back_where_it_fails_is_stopped_or_an_alarm_rings(prod: Synthesised):
    for group in _groups(prod):
        assert group["AutoRollbackConfiguration"] == {
            "Enabled": True,
            "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST", "DEPLOYMENT_STOP_ON_ALARM"],
        }
        assert group["AlarmConfiguration"]["Enabled"]


def test_a_group_heeds_all_alarms_of_its_function(prod: Synthesised):
    names = {
        id.partition("/")[2]: alarm["AlarmName"] for id, alarm in prod.properties("AWS::CloudWatch::Alarm").items()
    }
    for function in GRADUALLY:
        (group,) = (g for g in _groups(prod) if g["DeploymentGroupName"] == prod.config.names.function(function))
        heeded = {names[alarm["Name"]["Ref"]] for alarm in group["AlarmConfiguration"]["Alarms"]}
        assert heeded == {
            prod.config.names.named(f"rollback-{name}") for name in SYMPTOMS if name.startswith(f"{function}-")
        }


SYMPTOMS = {
    "webhook-errors": ("AWS/Lambda", "Errors", "Sum", 0, "1 of 3"),
    "webhook-5xx": ("AWS/ApiGateway", "5XXError", "Sum", 0, "2 of 3"),
    "webhook-slow": ("AWS/Lambda", "Duration", "p99", 1000, "2 of 3"),
    "apply-errors": ("AWS/Lambda", "Errors", "Sum", 0, "1 of 3"),
}
"""Metric, statistic, above how much, in how many of the last minutes."""


def test_a_symptom_rings_from_where_it_must(prod: Synthesised):
    for name, alarm in _alarms(prod).items():
        statistic = alarm.get("Statistic") or alarm["ExtendedStatistic"]
        over = f"{alarm['DatapointsToAlarm']} of {alarm['EvaluationPeriods']}"
        assert (alarm["ComparisonOperator"], alarm["Period"]) == ("GreaterThanThreshold", 60)
        assert (alarm["Namespace"], alarm["MetricName"], statistic, alarm["Threshold"], over) == SYMPTOMS[name], name


def test_the_alarms_are_of_the_alias_and_a_quiet_hour_rings_none(prod: Synthesised):
    alarms = _alarms(prod)
    assert alarms.keys() == SYMPTOMS.keys()
    for name, alarm in alarms.items():
        dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
        if alarm["Namespace"] == "AWS/Lambda":
            assert json.dumps(dimensions["Resource"]).endswith(f'":{LIVE_ALIAS}"]]}}'), name
        assert alarm["TreatMissingData"] == "notBreaching"
        # CodeDeploy looks at them; a page is for what people are to do something about.
        assert "AlarmActions" not in alarm


def test_the_webhooks_answers_are_those_of_its_own_api(prod: Synthesised):
    (api,) = prod.properties("AWS::ApiGateway::RestApi").values()
    (deployed,) = prod.properties("AWS::ApiGateway::Stage").values()
    dimensions = {one["Name"]: one["Value"] for one in _alarms(prod)["webhook-5xx"]["Dimensions"]}
    assert dimensions == {"ApiName": api["Name"], "Stage": deployed["StageName"]}


def test_every_alarm_has_its_page(prod: Synthesised):
    for name, alarm in _alarms(prod).items():
        page = f"docs/runbook/rollback-{name}.md"
        assert alarm["AlarmDescription"].endswith(page)
        assert (REPOSITORY / page).is_file()


@pytest.mark.parametrize("shift", ["canary", "Canary20Percent5Minutes", ""])
def test_a_way_to_shift_that_codedeploy_does_not_have_is_refused(shift: str):
    (name,) = (name for name in CONTEXT["pousada"]["stages"] if name == "prod-eu-west-1")
    stages = {name: {**CONTEXT["pousada"]["stages"][name], "deployment": {"webhook": shift}}}
    with pytest.raises(InvalidConfiguration, match=r"deployment\.webhook"):
        parse({**CONTEXT["pousada"], "stages": stages})


def _groups(stage: Synthesised) -> list[dict[str, Any]]:
    return list(stage.properties("AWS::CodeDeploy::DeploymentGroup").values())


def _alarms(stage: Synthesised) -> dict[str, dict[str, Any]]:
    """Those that roll back, by ``{function}-{symptom}``."""
    prefix = stage.config.names.named("rollback-")
    named = {alarm["AlarmName"]: alarm for alarm in stage.properties("AWS::CloudWatch::Alarm").values()}
    return {name.removeprefix(prefix): alarm for name, alarm in named.items() if name.startswith(prefix)}
