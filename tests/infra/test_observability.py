"""Alarms, topics and dashboards: that each rings when it must, on what is really counted, and has its page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Annotations, Match

from infra.alarms import MOST_METRICS, alarms, platform
from infra.alarms.definition import OURS, Alarm
from infra.capabilities.dashboards import ENTITIES, WIDTH
from infra.capabilities.topics import Topics
from infra.config import HotelSecrets, Polling, StageConfig, Watch
from infra.target import AWS
from shared.names import LIVE_ALIAS, Names
from tests.emitted import NAMESPACE, emitted
from tests.infra.templates import CONFIGURED, REPOSITORY, Resource, Synthesised

pytestmark = pytest.mark.infra

PAGES = REPOSITORY / "docs" / "runbook"
(PROD,) = (config for config in CONFIGURED if config.name == "prod-eu-west-1")
FUNCTIONS = [PROD.names.function(path.parent.name) for path in (REPOSITORY / "lambdas").glob("*/__init__.py")]
TABLE = {alarm.name: alarm for alarm in alarms(PROD, FUNCTIONS)}
NAT = platform.nat(["i-1", "i-2"])
"""Where the way out is by instances; beside them in the network's stack, and not in the table."""
PAGED = {**TABLE, NAT.name: NAT}
COMPOSITES = {alarm.pages_by: alarm for alarm in TABLE.values() if alarm.follows}

# AWS's own, as its services' guides list them: namespace, names, dimensions.
FUNCTION, QUEUE, API = {"FunctionName"}, {"QueueName"}, {"ApiName", "Stage"}
OF_AWS: list[tuple[str, set[str], set[str]]] = [
    ("AWS/ApiGateway", {"Latency", "Count", "4XXError", "5XXError"}, API),
    ("AWS/Lambda", {"Duration", "Errors", "Throttles", "Invocations", "ConcurrentExecutions"}, FUNCTION),
    ("AWS/Lambda", {"ConcurrentExecutions"}, set()),
    ("AWS/SQS", {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "NumberOfMessagesSent"}, QUEUE),
    ("AWS/RDS", {"CPUUtilization", "DatabaseConnections", "FreeStorageSpace"}, {"DBInstanceIdentifier"}),
    ("AWS/DynamoDB", {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"}, {"TableName"}),
    ("AWS/S3", {"BucketSizeBytes"}, {"BucketName", "StorageType"}),
    ("AWS/Logs", {"IncomingBytes"}, {"LogGroupName"}),
    ("AWS/EC2", {"StatusCheckFailed", "StatusCheckFailed_Instance"}, {"InstanceId"}),
    ("AWS/Billing", {"EstimatedCharges"}, {"Currency"}),
]


def is_counted(namespace: str, name: str, dimensions: Mapping[str, str]) -> bool:
    """Whether such a metric is ever given."""
    names = frozenset(dimensions)
    if namespace == OURS:
        return (NAMESPACE, name, names) in {(one.namespace, one.name, one.dimensions) for one in emitted()}
    return any(space == namespace and name in known and names == of for space, known, of in OF_AWS)


ROLLBACKS = "rollback-"
"""Alarms that only a deployment heeds begin so: they tell nobody, and are no part of the table."""


def made(stage: Synthesised) -> dict[str, Resource]:
    """Those of the stack observability."""
    beside = (ROLLBACKS, NAT.name, platform.REBOOTS)
    return {name: alarm for name, alarm in every_alarm(stage).items() if not name.startswith(beside)}


def every_alarm(stage: Synthesised) -> dict[str, Resource]:
    prefix = stage.config.names.named("")
    found = {**stage.properties("AWS::CloudWatch::Alarm"), **stage.properties("AWS::CloudWatch::CompositeAlarm")}
    return {properties["AlarmName"].removeprefix(prefix): properties for properties in found.values()}


def topic(stage: Synthesised, name: str) -> dict[str, str]:
    topics = stage.properties("AWS::SNS::Topic")
    (id,) = (id for id, properties in topics.items() if properties["TopicName"] == stage.config.names.named(name))
    return {"Ref": id.partition("/")[2]}


# -- What is asked for -------------------------------------------------------------------------------

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


GAUGES = {
    *("WatchedHotels", "IntegrationsDown", "PollsFailingInARow", "SyncFailurePercent", "SyncLagMinutes"),
    *("DeadLetters", "OldestPendingManifestMinutes", "DatabaseStorageBytes", "RawObjectsUnbatched"),
}

# -- Metric maths ----------------------------------------------------------------------------------------

MISSING = None
GIB = 1024**3
FUNCTIONS_OF_MATHS: dict[str, Callable[..., Any]] = {
    "FILL": lambda value, otherwise: otherwise if value is MISSING else value,
    "SUM": sum,
    "MAX": max,
    "IF": lambda condition, then, otherwise: then if condition else otherwise,
}


def value_of(alarm: Alarm, *values: float | None) -> float:
    """An expression's value at one moment: for one moment CloudWatch's maths and Python's are alike."""
    # CloudWatch has no value where a division by zero is, and takes the other branch's.
    names = {f"m{number}": value for number, value in enumerate(values)}
    try:
        return float(eval(alarm.expression, {"__builtins__": {}}, {**FUNCTIONS_OF_MATHS, **names}))  # noqa: S307
    except ZeroDivisionError:
        return 0.0


def rings(alarm: Alarm, value: float) -> bool:
    return value < alarm.threshold if alarm.below else value > alarm.threshold


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("validation-errors", (1000, 11), True),
        ("validation-errors", (1000, 10), False),
        ("validation-errors", (0, 0), False),
        ("function-errors", (11, *[MISSING] * (len(FUNCTIONS) - 1)), True),
        ("function-errors", (4, 4, 3, *[0] * (len(FUNCTIONS) - 3)), True),
        ("function-errors", [1] * len(FUNCTIONS), False),
        ("functions-throttled", [2] * len(FUNCTIONS), True),
        ("functions-throttled", [MISSING] * len(FUNCTIONS), False),
        ("audit-findings", (1,), True),
        ("audit-findings", (0,), False),
        ("audit-missing", (12, 0), True),
        ("audit-missing", (12, MISSING), True),
        ("audit-missing", (12, 12), False),
        ("audit-missing", (0, MISSING), False),
        # The age of what waits; failed tries, more than a single message can come to; calls that were out of time.
        ("apply-behind", (901, 0, 0), True),
        ("apply-behind", (900, 2, MISSING), False),
        ("apply-behind", (10, 3, 0), True),
        ("apply-behind", (MISSING, 1, 1), False),
        ("apply-behind", (MISSING, MISSING, 3), True),
        ("apply-behind", (901, MISSING, MISSING), True),
        # Of what the storage is by then: a fifth of 20 GiB, and of 200.
        ("database-storage", (4 * GIB, 20 * GIB), False),
        ("database-storage", (4 * GIB - 1, 20 * GIB), True),
        ("database-storage", (39 * GIB, 200 * GIB), True),
    ],
)
def test_an_expression_rings_where_it_must(name: str, values: tuple[float | None, ...], expected: bool):
    alarm = TABLE[name]
    assert len(values) == len(alarm.metrics)
    assert rings(alarm, value_of(alarm, *values)) == expected


def test_every_expression_is_tried_above():
    tried = {
        "validation-errors",
        "function-errors",
        "functions-throttled",
        "audit-findings",
        "audit-missing",
        "apply-behind",
        "database-storage",
    }
    assert {alarm.name for alarm in TABLE.values() if alarm.expression} == tried
    assert all(len(alarm.metrics) == 1 for alarm in TABLE.values() if not alarm.expression)


def test_on_aws_an_expression_has_its_metrics_and_where_there_is_no_maths_a_metric_of_its_own_name(
    prod: Synthesised, local: Synthesised
):
    for alarm in (alarm for alarm in TABLE.values() if alarm.expression):
        watched, *parts = made(prod)[alarm.name]["Metrics"]
        assert watched == {"Id": "watched", "Expression": alarm.expression}
        assert [part["Id"] for part in parts] == [f"m{number}" for number in range(len(alarm.metrics))]
        assert {part["ReturnData"] for part in parts} == {False}
        assert {part["MetricStat"]["Period"] for part in parts} == {alarm.minutes * 60}
        alone = made(local)[alarm.name]
        assert (alone["Namespace"], alone["MetricName"], alone["Threshold"]) == (NAMESPACE, alarm.name, alarm.threshold)


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


# -- Topics -------------------------------------------------------------------------------------------------


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


# -- Dashboards ------------------------------------------------------------------------------------------------


def dashboards(stage: Synthesised) -> dict[str, list[dict[str, Any]]]:
    prefix = stage.config.names.named("")
    found = stage.properties("AWS::CloudWatch::Dashboard").values()
    return {one["DashboardName"].removeprefix(prefix): _body(one, stage.config.region)["widgets"] for one in found}


def _body(dashboard: Resource, region: str) -> dict[str, Any]:
    body = dashboard["DashboardBody"]
    # What CloudFormation would join: texts, and the stack's own region between them.
    text = body if isinstance(body, str) else "".join(p if isinstance(p, str) else region for p in body["Fn::Join"][1])
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def graphed(widget: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    for namespace, name, *rest in widget["properties"]["metrics"]:
        words = [word for word in rest if isinstance(word, str)]
        yield namespace, name, dict(zip(words[::2], words[1::2], strict=True))


def test_there_are_three_dashboards(stage: Synthesised):
    assert dashboards(stage).keys() == {"integrations", "performance", "cost"}


@pytest.mark.parametrize("name", ["integrations", "performance", "cost"])
def test_a_dashboard_fills_its_rows_and_no_two_graphs_lie_on_one_another(prod: Synthesised, name: str):
    taken: set[tuple[int, int]] = set()
    for widget in dashboards(prod)[name]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken, widget["properties"]["title"]
        taken |= cells
    assert {x for x, _ in taken} == set(range(WIDTH))
    assert len(taken) == WIDTH * len({y for _, y in taken})


@pytest.mark.parametrize("name", ["integrations", "performance", "cost"])
def test_a_dashboard_shows_what_is_really_counted(aws_stage: Synthesised, name: str):
    shown = [metric for widget in dashboards(aws_stage)[name] for metric in graphed(widget)]
    assert shown
    own = aws_stage.config.names.metrics_namespace
    assert [m for m in shown if not is_counted(OURS if m[0] == own else m[0], *m[1:])] == []


def test_every_gauge_is_on_a_dashboard_and_every_percentile_that_was_asked_for(prod: Synthesised):
    shown = {name for widgets in dashboards(prod).values() for widget in widgets for _, name, _ in graphed(widget)}
    assert {"WatchedHotels", "SyncFailurePercent", "DatabaseStorageBytes"} == GAUGES - shown
    (latency,) = (w for w in dashboards(prod)["performance"] if w["properties"]["title"].startswith("Webhook, ms"))
    assert [metric[-1]["stat"] for metric in latency["properties"]["metrics"]] == ["p50", "p95", "p99"]


def test_the_account_s_charges_are_looked_up_where_alone_they_are(prod: Synthesised):
    regions = {w["properties"]["title"]: w["properties"]["region"] for w in dashboards(prod)["cost"]}
    elsewhere = {title for title, region in regions.items() if region != prod.config.region}
    assert elsewhere == {"Account: month to date, USD"}
    assert regions["Account: month to date, USD"] == "us-east-1"


def test_the_graphs_of_polls_have_every_entity_that_a_vendor_lists():
    from shared.vendors.hostpms import api

    assert set(ENTITIES) == set(api.ENTITIES)


# -- The runbook -----------------------------------------------------------------------------------------------


def test_every_alarm_has_its_page_and_every_page_its_alarm(prod: Synthesised, every_option: Synthesised):
    every = every_alarm(prod).keys() | every_alarm(every_option).keys()
    # A reboot's page is that of the alarm on the instance, a composite's that of what pages by it.
    alone = {name for name in every if name not in COMPOSITES and not name.startswith(platform.REBOOTS)}
    assert {page.stem for page in PAGES.glob("*.md")} == {*alone, "README"}
    assert PAGED.keys() < alone


def test_an_alarm_that_rolls_back_tells_nobody_and_the_index_says_so(prod: Synthesised):
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    found = {name: alarm for name, alarm in every_alarm(prod).items() if name.startswith(ROLLBACKS)}
    assert found
    for name, alarm in found.items():
        assert "AlarmActions" not in alarm
        assert alarm["AlarmDescription"].endswith(f" {prod.config.observability.runbook_url}/{name}.md")
        assert f"[{name}]({name}.md)" in index


@pytest.mark.parametrize("name", PAGED)
def test_a_page_says_what_to_think_where_to_look_what_to_do_and_when_it_is_over(name: str):
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n\n{PAGED[name].means}\n")
    assert re.findall(r"^\*\*(\w+)\*\*:", text, re.MULTILINE) == ["Means", "Look", "Do", "Verify"]


SILENCE = {"breaching": "rings", "notBreaching": "is well", "ignore": "stays"}


def test_the_index_has_every_alarm_as_it_is():
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (PAGES / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| [")
    ]
    assert [row[0] for row in rows] == [f"[{name}]({name}.md)" for name in PAGED]
    told = {row[0].partition("]")[0].strip("["): row[1:] for row in rows}
    for alarm in PAGED.values():
        beside = f"[{alarm.follows}]({alarm.follows}.md)" if alarm.follows else ""
        over = f"{f'{alarm.enough} of ' if alarm.enough else ''}{alarm.periods} × {alarm.minutes} min"
        assert told[alarm.name] == [alarm.severity, alarm.shown, over, SILENCE[alarm.missing], beside]


def test_the_commands_of_the_pages_are_about_what_the_stage_has(prod: Synthesised):
    """What ``$POUSADA_STAGE`` stands in is the name of something that there is."""
    named = {text.replace("$POUSADA_STAGE", prod.config.name) for text in _named_on_pages()}
    assert named - _names_that_a_stage_has(prod) == set()
    assert len(named) > 20


def test_a_schedule_is_asked_for_in_its_own_group(prod: Synthesised):
    schedules = prod.properties("AWS::Scheduler::Schedule").values()
    there = {(_group(prod, one["GroupName"]["Ref"]), one["Name"]) for one in schedules}
    asked = set(re.findall(r'get-schedule --group-name "([^"]+)" --name "([^"]+)"', _commands()))
    named = {tuple(name.replace("$POUSADA_STAGE", prod.config.name) for name in pair) for pair in asked}
    assert named <= there
    assert len(named) == 5


def test_the_functions_that_a_page_goes_through_are_all_of_them():
    (listed,) = re.findall(r"for function in (.*); do", _commands())
    assert sorted(PROD.names.function(name) for name in listed.split()) == sorted(FUNCTIONS)


def test_a_search_in_a_log_says_from_when():
    searches = re.findall(r"aws logs filter-log-events (.*)", _commands())
    assert len(searches) > 20
    assert [search for search in searches if "--start-time" not in search] == []


def _commands() -> str:
    """The runbook's pages, and how to deploy, with each command on one line."""
    docs = REPOSITORY / "docs"
    pages = [docs / "deploy.md", docs / "runbook.md", *sorted(PAGES.glob("*.md"))]
    return "\n".join(re.sub(r" *\\\n *", " ", page.read_text(encoding="utf-8")) for page in pages)


def _named_on_pages() -> Iterator[str]:
    for block in re.findall(r"^```sh\n(.*?)^```", _commands(), re.MULTILINE | re.DOTALL):
        for option, name in re.findall(r"--([a-z-]+) \"([^\"]*\$POUSADA_STAGE[^\"]*)\"", block):
            if option in NAMING and "$" not in name.replace("$POUSADA_STAGE", ""):
                yield name


NAMING = {
    *("log-group-name", "queue-name", "function-name", "job-name", "name", "table-name", "group-name", "bucket"),
    *("db-instance-identifier", "source-identifier", "db-proxy-name", "application-name", "deployment-group-name"),
    *("stack-name",),
}
"""Options of the AWS command line that take a resource's name."""


def _names_that_a_stage_has(stage: Synthesised) -> set[str]:
    found = {stage.config.names.stack(stack) for stack in stage.templates}
    for template in stage.templates.values():
        for resource in template["Resources"].values():
            properties = resource.get("Properties", {})
            found |= {v for k, v in properties.items() if isinstance(v, str) and k.endswith(("Name", "Identifier"))}
    return found


def _group(stage: Synthesised, id: str) -> str:
    groups = stage.properties("AWS::Scheduler::ScheduleGroup").items()
    (name,) = (properties["Name"] for logical_id, properties in groups if logical_id.endswith(f"/{id}"))
    return str(name)
