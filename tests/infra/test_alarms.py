"""Alarms: that each rings when it must, on what is really counted, and tells whom it should."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from infra.alarms import MOST_METRICS, alarms, platform
from infra.alarms.definition import OURS, Alarm
from infra.config import HotelSecrets, Polling, Watch
from shared.names import LIVE_ALIAS, Names
from tests.emitted import emitted
from tests.infra.alarm_tables import (
    COMPOSITES,
    FUNCTIONS,
    GAUGES,
    MISSING,
    NAT,
    PROD,
    TABLE,
    every_alarm,
    is_counted,
    made,
    rings,
    topic,
    value_of,
)
from tests.infra.templates import Resource, Synthesised

pytestmark = pytest.mark.infra

_NAME = "pousada-prod-eu-west-1"
_API = f"ApiName={_NAME}-webhooks Stage=v1"
_DATABASE = f"DBInstanceIdentifier={_NAME}-database"
_OURS = "pousada/prod-eu-west-1 {} service=pousada"
EVERY_FUNCTION = sorted(f"FunctionName={name}" for name in FUNCTIONS)

ASKED_FOR: dict[str, tuple[str, str, float, str, list[str]]] = {
    "webhook-slow": ("warn", ">", 1000, "3 x 5", [f"AWS/ApiGateway Latency p99 {_API}"]),
    "webhook-errors": ("page", ">", 0.05, "2 x 5", [f"AWS/ApiGateway 5XXError Average {_API}"]),
    "webhooks-refused": ("warn", ">", 0.05, "3 x 5", [f"AWS/ApiGateway 4XXError Average {_API}"]),
    "signatures-refused": ("page", ">", 10, "1 x 15", [_OURS.format("SignatureRefused Sum")]),
    "integration-down": ("page", ">", 0, "1 x 5", [_OURS.format("IntegrationsDown Maximum")]),
    "polling-failing": ("page", ">", 1, "2 x 5", [_OURS.format("PollsFailingInARow Maximum")]),
    "sync-failures": ("page", ">", 10, "3 x 5", [_OURS.format("SyncFailurePercent Maximum")]),
    "sync-lag": ("page", ">", 120, "1 x 5", [_OURS.format("SyncLagMinutes Maximum")]),
    "sync-lag-warning": ("warn", ">", 30, "1 x 5", [_OURS.format("SyncLagMinutes Maximum")]),
    "apply-behind": (
        "page",
        ">",
        1,
        "3 x 5",
        [
            f"AWS/SQS ApproximateAgeOfOldestMessage Maximum QueueName={_NAME}-live",
            _OURS.format("ApplyFailed Sum"),
            f"AWS/Lambda Errors Sum FunctionName={_NAME}-apply",
        ],
    ),
    "etl-slow": ("warn", ">", 15 * 60_000, "1 x 5", [_OURS.format("EtlDurationMs Maximum")]),
    "manifests-pending": ("page", ">", 120, "1 x 5", [_OURS.format("OldestPendingManifestMinutes Maximum")]),
    "dead-letters": ("page", ">", 0, "1 x 5", [_OURS.format("DeadLetters Maximum")]),
    "validation-errors": (
        "warn",
        ">",
        1,
        "1 x 60",
        [_OURS.format("EtlRecords Sum"), _OURS.format("EtlRecordsRefused Sum")],
    ),
    "quarantine-growing": ("warn", ">", 10, "1 x 60", [_OURS.format("EtlRecordsRefused Sum")]),
    "raw-unbatched": ("page", ">", 0, "1 of 24 x 5", [_OURS.format("RawObjectsUnbatched Maximum")]),
    "audit-findings": ("page", ">", 0, "1 of 25 x 60", [_OURS.format("AuditFindings Sum") + " vendor=hostpms"]),
    "audit-missing": (
        "page",
        "<",
        1,
        "25 x 60",
        [_OURS.format("WatchedHotels Maximum"), _OURS.format("AuditedHotels Sum") + " vendor=hostpms"],
    ),
    "function-errors": ("page", ">", 10, "1 x 5", [f"AWS/Lambda Errors Sum {one}" for one in EVERY_FUNCTION]),
    "functions-throttled": ("warn", ">", 10, "3 x 5", [f"AWS/Lambda Throttles Sum {one}" for one in EVERY_FUNCTION]),
    "concurrency-near-limit": ("warn", ">", 800, "2 x 5", ["AWS/Lambda ConcurrentExecutions Maximum "]),
    "database-cpu": ("warn", ">", 80, "3 x 5", [f"AWS/RDS CPUUtilization Average {_DATABASE}"]),
    "database-storage": (
        "warn",
        "<",
        20,
        "1 x 15",
        [f"AWS/RDS FreeStorageSpace Minimum {_DATABASE}", _OURS.format("DatabaseStorageBytes Maximum")],
    ),
    "webhook-secrets-old": (
        "warn",
        ">",
        97,
        "2 x 1440",
        [_OURS.format("SecretAgeDays Maximum") + " kind=webhook-secret"],
    ),
    "credentials-old": (
        "warn",
        ">",
        90,
        "2 x 1440",
        [_OURS.format("SecretAgeDays Maximum") + " kind=oauth-credentials"],
    ),
    "watch-silent": ("page", "<", 1, "3 x 5", [_OURS.format("RawObjectsUnbatched SampleCount")]),
}
"""Severity, side, threshold, over how many periods of how many minutes, and the metrics as expressions number them."""


def test_every_alarm_was_asked_for():
    assert TABLE.keys() == ASKED_FOR.keys()


@pytest.mark.parametrize("name", ASKED_FOR)
def test_an_alarm_rings_from_where_it_was_asked_to(prod: Synthesised, name: str):
    made_so = made(prod)[name]
    side = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}[made_so["ComparisonOperator"]]
    watched = watched_by(made_so)
    (period,) = {period for _, period in watched}
    enough = f"{made_so['DatapointsToAlarm']} of " if "DatapointsToAlarm" in made_so else ""
    over = f"{enough}{made_so['EvaluationPeriods']} x {period // 60}"
    asked = (TABLE[name].severity, side, made_so["Threshold"], over, [metric for metric, _ in watched])
    assert asked == ASKED_FOR[name]


def watched_by(alarm: Resource) -> list[tuple[str, int]]:
    """Each metric as namespace, name, statistic and dimensions, with its period in seconds."""
    parts = [part["MetricStat"] for part in alarm.get("Metrics", []) if "MetricStat" in part]
    if parts:
        return [_watched(part["Metric"], part["Stat"], part["Period"]) for part in parts]
    return [_watched(alarm, alarm.get("Statistic") or alarm["ExtendedStatistic"], alarm["Period"])]


def _watched(metric: Mapping[str, Any], statistic: str, period: int) -> tuple[str, int]:
    dimensions = " ".join(f"{one['Name']}={one['Value']}" for one in metric.get("Dimensions", []))
    return f"{metric['Namespace']} {metric['MetricName']} {statistic} {dimensions}", period


def test_every_alarm_of_the_table_is_made_and_no_other(stage: Synthesised):
    composites = COMPOSITES.keys() if stage.config.target == "aws" else set()
    assert made(stage).keys() == TABLE.keys() | composites


@pytest.mark.parametrize("alarm", TABLE.values(), ids=TABLE)
def test_every_alarm_is_on_what_is_really_counted(alarm: Alarm):
    assert [m for m in alarm.metrics if not is_counted(m.namespace, m.name, m.dimensions)] == []


def test_a_metric_with_other_dimensions_is_not_taken_for_counted():
    assert is_counted(OURS, "DeadLetters", {"service": "pousada"})
    assert not is_counted(OURS, "DeadLetters", {})
    assert not is_counted(OURS, "AuditFindings", {"service": "pousada"})
    assert not is_counted("AWS/Lambda", "Errors", {})


def test_what_a_stage_counts_and_what_rings_in_it_are_its_own(stage: Synthesised):
    own = stage.config.names.metrics_namespace
    functions = stage.properties("AWS::Lambda::Function").values()
    told = {f["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"] for f in functions if "FunctionName" in f}
    (job,) = stage.properties("AWS::Glue::Job").values()
    assert told | {job["DefaultArguments"]["--METRICS_NAMESPACE"]} == {own}
    looked_at = set(re.findall(r'"Namespace": "(.*?)"', json.dumps(list(every_alarm(stage).values()))))
    assert {namespace for namespace in looked_at if not namespace.startswith("AWS/")} == {own}


def test_an_alarm_says_what_it_means_and_where_its_page_is(stage: Synthesised):
    for name, properties in made(stage).items():
        sentence, _, page = properties["AlarmDescription"].rpartition(" ")
        assert sentence.endswith(".")
        assert sentence.count(". ") == 0
        alone = COMPOSITES[name].name if name in COMPOSITES else name
        assert page == f"{stage.config.observability.runbook_url}/{alone}.md"


def test_an_alarm_tells_its_own_topic_of_the_way_in_and_of_the_way_out(stage: Synthesised):
    for name, properties in made(stage).items():
        alarm = TABLE.get(name)
        through_another = alarm and alarm.follows and stage.config.target == "aws"
        own = topic(stage, "mail" if alarm and alarm.severity == "warn" else "page")
        told = [properties.get("AlarmActions"), properties.get("OKActions")]
        assert told == ([None, None] if through_another else [[own], [own]]), name


# -- Missing data --------------------------------------------------------------------------------------


@pytest.mark.parametrize("alarm", TABLE.values(), ids=TABLE)
def test_silence_is_treated_deliberately(alarm: Alarm, prod: Synthesised):
    assert made(prod)[alarm.name]["TreatMissingData"] == alarm.missing
    assert len(alarm.why.split()) >= 6, "no reason"


def test_only_what_is_there_to_notice_silence_rings_at_it():
    of_silence = {"watch-silent", "audit-missing", "webhook-secrets-old", "credentials-old"}
    assert {alarm.name for alarm in TABLE.values() if alarm.missing == "breaching"} == of_silence


def test_an_alarm_on_a_gauge_stays_as_it_was_while_the_watch_is_silent():
    of_watch = {one.name for one in emitted() if one.name in GAUGES}
    assert of_watch == GAUGES
    for alarm in TABLE.values():
        if not alarm.expression and alarm.metrics[0].name in GAUGES and alarm.name != "watch-silent":
            assert alarm.missing == "ignore"


def test_the_functions_alarms_are_over_all_of_them(prod: Synthesised):
    deployed = {function["FunctionName"] for function in prod.properties("AWS::Lambda::Function").values()}
    for name in ("function-errors", "functions-throttled"):
        parts = made(prod)[name]["Metrics"][1:]
        assert {part["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for part in parts} == deployed


def test_an_alarm_with_too_many_metrics_is_refused_here_and_not_by_cloudwatch():
    with pytest.raises(ValueError, match="function-errors would have more than 10 metrics: divide it"):
        alarms(PROD, [f"function-{number}" for number in range(MOST_METRICS + 1)])


def test_the_dead_letters_are_those_of_every_queue(stage: Synthesised):
    queues = {queue["QueueName"] for queue in stage.properties("AWS::SQS::Queue").values()}
    watch = stage.named("AWS::Lambda::Function", stage.config.names.function("watch"))
    watched = watch["Environment"]["Variables"]["DEAD_LETTER_QUEUES"].split(",")
    assert set(watched) == {queue for queue in queues if queue.endswith(Names.dead_letters_of(""))}
    assert len(watched) == 7


# -- One cause, one page -----------------------------------------------------------------------------------


def test_what_follows_from_another_alarm_pages_by_itself_and_not_beside_it(aws_stage: Synthesised):
    named, found = aws_stage.config.names.named, made(aws_stage)
    for name, alarm in COMPOSITES.items():
        properties = found[name]
        assert properties["AlarmRule"] == f'ALARM("{named(alarm.name)}")'
        assert properties["ActionsSuppressor"] == named(alarm.follows)
        waits = (properties["ActionsSuppressorWaitPeriod"], properties["ActionsSuppressorExtensionPeriod"])
        assert waits == (120, 600)
        assert properties["AlarmActions"] == [topic(aws_stage, "page")]
        assert found[alarm.follows]["AlarmActions"] == [topic(aws_stage, "page")]


def test_what_is_silent_beside_its_cause_is_still_there_after_it():
    """A count of what failed just now is not: it would be over before anybody heard of it."""
    assert {alarm.name: alarm.follows for alarm in COMPOSITES.values()} == {
        "dead-letters": "apply-behind",
        "manifests-pending": "apply-behind",
    }
    assert {alarm.metrics[0].name for alarm in COMPOSITES.values()} < GAUGES


def test_a_message_that_always_fails_is_no_outage_however_often_it_is_tried(prod: Synthesised):
    (queue,) = (q for q in prod.properties("AWS::SQS::Queue").values() if q["QueueName"] == PROD.names.live_queue)
    alarm = TABLE["apply-behind"]
    tries = -(-alarm.minutes * 60 // queue["VisibilityTimeout"])
    assert not rings(alarm, value_of(alarm, 0, tries, 0))
    assert rings(alarm, value_of(alarm, 0, tries + 1, 0))
    assert alarm.periods >= 3, "a failover of a minute, and the tries after it, are over within two"


# -- NAT instances ------------------------------------------------------------------------------------------


def test_an_alarm_is_on_the_checks_of_every_nat_instance_and_is_told_by_mail(every_option: Synthesised):
    alarm, instances = every_alarm(every_option)[NAT.name], every_option.resources("AWS::EC2::Instance")
    watched, *parts = alarm["Metrics"]
    assert watched == {"Id": "watched", "Expression": NAT.expression}
    metrics = [part["MetricStat"]["Metric"] for part in parts]
    assert [(metric["Namespace"], metric["MetricName"]) for metric in metrics] == [("AWS/EC2", "StatusCheckFailed")] * 2
    assert {f"network/{metric['Dimensions'][0]['Value']['Ref']}" for metric in metrics} == instances.keys()
    assert alarm["AlarmActions"] == alarm["OKActions"]
    (told,) = alarm["AlarmActions"]
    assert told["Fn::Join"][1][-1] == f":{every_option.config.names.mail_topic}"
    assert (alarm["Threshold"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (0, 5, "breaching")
    assert all(is_counted(metric.namespace, metric.name, metric.dimensions) for metric in NAT.metrics)


@pytest.mark.parametrize(("values", "expected"), [((0, 0), False), ((0, 1), True), ((0, MISSING), True)])
def test_one_nat_instance_that_fails_or_is_gone_is_enough(values: tuple[float | None, ...], expected: bool):
    assert rings(NAT, value_of(NAT, *values)) == expected


def test_a_nat_instance_that_fails_is_rebooted_and_the_reboot_tells_nobody(every_option: Synthesised):
    reboots = {name: a for name, a in every_alarm(every_option).items() if name.startswith(platform.REBOOTS)}
    rebooted = {f"network/{alarm['Dimensions'][0]['Value']['Ref']}" for alarm in reboots.values()}
    assert rebooted == every_option.resources("AWS::EC2::Instance").keys()
    for alarm in reboots.values():
        # What fails of the host is EC2's to exchange: a reboot in between would end that.
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/EC2", "StatusCheckFailed_Instance")
        assert alarm["AlarmActions"] == ["arn:aws:automate:eu-west-1:ec2:reboot"]
        assert "OKActions" not in alarm
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmDescription"].endswith(f"/{NAT.name}.md")


def test_only_nat_instances_have_alarms_of_their_own(aws_stage: Synthesised):
    has = NAT.name in every_alarm(aws_stage)
    assert has == (aws_stage.config.network.nat == "instance")


# -- The watch's rhythm ----------------------------------------------------------------------------------------


def test_lag_counts_from_the_schedule_as_it_is_by_default():
    assert (Polling().schedule, Polling().every_minutes) == ("cron(0 * * * ? *)", 60)


def test_the_watch_runs_at_the_minutes_by_which_turns_are_counted(aws_stage: Synthesised):
    schedule = aws_stage.named("AWS::Scheduler::Schedule", aws_stage.config.names.named("watch"))
    assert schedule["ScheduleExpression"] == "cron(0/5 * * * ? *)"


@pytest.mark.parametrize("minutes", [5, 10, 15, 30])
def test_another_rhythm_of_the_watch_is_that_of_its_schedule_and_of_its_alarms(minutes: int):
    config = PROD.model_copy(update={"watch": Watch(every_minutes=minutes)})
    assert config.watch.schedule == f"cron(0/{minutes} * * * ? *)"
    table = {alarm.name: alarm for alarm in alarms(config, FUNCTIONS)}
    silent = table["watch-silent"]
    assert (silent.minutes, silent.periods) == (minutes, 3)
    assert f" for {3 * minutes} minutes" in silent.means
    assert table["raw-unbatched"].minutes * table["raw-unbatched"].periods == config.watch.raw_cycle_minutes
    assert table["database-storage"].minutes >= minutes


def test_the_watch_is_not_tried_again_for_another_pass_comes(stage: Synthesised):
    configured = stage.properties("AWS::Lambda::EventInvokeConfig").items()
    (once,) = (properties for name, properties in configured if "Watch" in name)
    assert once["MaximumRetryAttempts"] == 0
    # Of the alias, by which it is called.
    assert f"WatchFunctionAlias{LIVE_ALIAS}" in json.dumps(once["Qualifier"])


@pytest.mark.parametrize("days", [30, 90, 180])
def test_secrets_are_old_by_what_the_stage_says_of_their_rotation(days: int):
    config = PROD.model_copy(update={"hotel_secrets": HotelSecrets(rotate_days=days)})
    table = {alarm.name: alarm for alarm in alarms(config, FUNCTIONS)}
    assert (table["webhook-secrets-old"].threshold, table["credentials-old"].threshold) == (days + 7, days)


def test_there_may_be_more_vendors_than_an_alarm_has_metrics_for_each():
    vendors = tuple(f"vendor{letter}" for letter in "abcdefghi")
    table = {alarm.name: alarm for alarm in alarms(PROD.model_copy(update={"vendors": vendors}), FUNCTIONS)}
    assert len(table["credentials-old"].metrics) == 1


def test_a_raw_object_is_looked_at_again_before_its_alarm_is_over():
    alarm = TABLE["raw-unbatched"]
    assert (alarm.minutes * alarm.periods, alarm.enough) == (PROD.watch.raw_cycle_minutes, 1)
