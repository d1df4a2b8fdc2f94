"""The alarms of a production stage, those that a template has, and what may be counted at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.alarms import alarms, platform
from infra.alarms.definition import OURS, Alarm
from tests.emitted import NAMESPACE, emitted
from tests.infra.templates import CONFIGURED, REPOSITORY, Resource, Synthesised

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


GAUGES = {
    *("WatchedHotels", "IntegrationsDown", "PollsFailingInARow", "SyncFailurePercent", "SyncLagMinutes"),
    *("DeadLetters", "OldestPendingManifestMinutes", "DatabaseStorageBytes", "RawObjectsUnbatched"),
}


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
