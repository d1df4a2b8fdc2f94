"""Three dashboards: how the integrations do, how fast it all is, and what drives its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.alarms.definition import Metric, ours
from infra.config import StageConfig
from shared.names import API_STAGE

WIDTH = 24
"""Columns that CloudWatch's grid has."""
_HEIGHT = 6
ENTITIES = ("booking", "guest", "payment", "room")
_MINUTES, _HOUR, _DAY = 300, 3600, 86_400


@dataclass(frozen=True, slots=True)
class Graph:
    title: str
    metrics: tuple[Metric, ...]
    period: int = _MINUTES
    region: str = ""
    """Where it is another than the stage's own."""


Row = tuple[Graph, ...]


class Dashboards(Construct):
    """``{prefix}-{stage}-integrations``, ``…-performance`` and ``…-cost``."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, functions: Sequence[str]) -> None:
        super().__init__(scope, id)
        for name, rows in (
            ("integrations", _integrations(config)),
            ("performance", _performance(config, functions)),
            ("cost", _cost(config, functions)),
        ):
            cloudwatch.Dashboard(
                self,
                name,
                dashboard_name=config.names.named(name),
                widgets=[_row(row, config) for row in rows],
            )


def _row(row: Row, config: StageConfig) -> list[cloudwatch.IWidget]:
    return [_widget(graph, WIDTH // len(row), config) for graph in row]


def _widget(graph: Graph, width: int, config: StageConfig) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=graph.title,
        width=width,
        height=_HEIGHT,
        left=[_metric(metric, graph, config) for metric in graph.metrics],
        region=graph.region or None,
    )


def _metric(metric: Metric, graph: Graph, config: StageConfig) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=metric.namespace_in(config),
        metric_name=metric.name,
        dimensions_map=dict(metric.dimensions),
        statistic=metric.statistic,
        period=Duration.seconds(graph.period),
    )


def _integrations(config: StageConfig) -> tuple[Row, ...]:
    vendors, names = config.vendors, config.names

    def of_each(name: str, statistic: str = "Maximum", **more: str) -> tuple[Metric, ...]:
        return tuple(ours(name, statistic, vendor=vendor, **more) for vendor in vendors)

    fetched = tuple(
        ours("PollFetched", "Sum", vendor=vendor, entity=entity) for vendor in vendors for entity in ENTITIES
    )
    failed = tuple(ours("PollFailed", "Sum", vendor=vendor, entity=entity) for vendor in vendors for entity in ENTITIES)
    waiting = tuple(Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": q}) for q in names.queues)
    return (
        (
            Graph("Hotels down", of_each("IntegrationsDown")),
            Graph("Behind the schedule, minutes", of_each("SyncLagMinutes")),
            Graph("Failed polls in a row", of_each("PollsFailingInARow")),
        ),
        (
            Graph("Deliveries accepted", of_each("DeliveryAccepted", "Sum")),
            Graph("Deliveries repeated", of_each("DeliveryDuplicate", "Sum")),
            Graph("Signatures refused", (ours("SignatureRefused", "Sum"),)),
        ),
        (Graph("Records polled and landed", fetched, _HOUR), Graph("Polls failed", failed, _HOUR)),
        (
            Graph(
                "Records in batches, and refused", (ours("EtlRecords", "Sum"), ours("EtlRecordsRefused", "Sum")), _HOUR
            ),
            Graph("Dead letters", (ours("DeadLetters"),)),
            Graph("Waiting in the queues", waiting),
        ),
        (
            Graph("Raw objects in no manifest", (ours("RawObjectsUnbatched"),)),
            Graph("Findings of the audit", of_each("AuditFindings", "Sum"), _DAY),
            Graph("Hotels audited", of_each("AuditedHotels", "Sum"), _DAY),
        ),
    )


def _performance(config: StageConfig, functions: Sequence[str]) -> tuple[Row, ...]:
    names = config.names
    api = {"ApiName": names.webhook_api, "Stage": API_STAGE}
    percentiles = ("p50", "p95", "p99")
    database = {"DBInstanceIdentifier": names.database_instance}

    def of_each_function(name: str, statistic: str) -> tuple[Metric, ...]:
        return tuple(Metric("AWS/Lambda", name, {"FunctionName": function}, statistic) for function in functions)

    def of_database(name: str, statistic: str = "Average") -> tuple[Metric, ...]:
        return (Metric("AWS/RDS", name, database, statistic),)

    return (
        (
            Graph("Webhook, ms to the answer", tuple(Metric("AWS/ApiGateway", "Latency", api, p) for p in percentiles)),
            Graph("Webhook to row, ms", tuple(ours("WebhookToRowMs", p) for p in percentiles)),
            Graph("API: requests, and errors", tuple(Metric("AWS/ApiGateway", n, api, "Sum") for n in _API_COUNTS)),
        ),
        (
            Graph("Functions, ms (p95)", of_each_function("Duration", "p95")),
            Graph("Functions: errors", of_each_function("Errors", "Sum")),
            Graph("Functions: at once", of_each_function("ConcurrentExecutions", "Maximum")),
        ),
        (
            Graph("Batches, ms", (ours("EtlDurationMs"),)),
            Graph("Oldest pending manifest, minutes", (ours("OldestPendingManifestMinutes"),)),
            Graph("Oldest message, seconds", tuple(Metric("AWS/SQS", _AGE, {"QueueName": q}) for q in names.queues)),
        ),
        (
            Graph("Database: processors, %", of_database("CPUUtilization")),
            Graph("Database: connections", of_database("DatabaseConnections", "Maximum")),
            Graph("Database: free storage, bytes", of_database("FreeStorageSpace", "Minimum")),
        ),
    )


def _cost(config: StageConfig, functions: Sequence[str]) -> tuple[Row, ...]:
    names = config.names
    tables = (names.idempotency_table, names.integrations_table, names.sync_state_table)
    logs = (f"/aws/lambda/{name}" for name in functions)

    def of_tables(name: str) -> tuple[Metric, ...]:
        return tuple(Metric("AWS/DynamoDB", name, {"TableName": table}, "Sum") for table in tables)

    def of_functions(name: str) -> tuple[Metric, ...]:
        return tuple(Metric("AWS/Lambda", name, {"FunctionName": function}, "Sum") for function in functions)

    return (
        (
            Graph("Functions: ms billed, nearly", of_functions("Duration"), _DAY),
            Graph("Functions: calls", of_functions("Invocations"), _DAY),
            Graph("Batches: by the function, by the Glue job", tuple(ours(n, "Sum") for n in _BATCHES), _DAY),
        ),
        (
            Graph("DynamoDB: units read", of_tables("ConsumedReadCapacityUnits"), _DAY),
            Graph("DynamoDB: units written", of_tables("ConsumedWriteCapacityUnits"), _DAY),
            Graph(
                "SQS: messages sent",
                tuple(Metric("AWS/SQS", "NumberOfMessagesSent", {"QueueName": queue}, "Sum") for queue in names.queues),
                _DAY,
            ),
        ),
        (
            Graph(
                "Logs: bytes",
                tuple(Metric("AWS/Logs", "IncomingBytes", {"LogGroupName": log}, "Sum") for log in logs),
                _DAY,
            ),
            Graph("Stored in the lake, bytes", tuple(_stored(bucket) for bucket in _buckets(config)), _DAY),
            # Of the whole account, and nowhere else but there; only where billing alerts are enabled.
            Graph("Account: month to date, USD", (Metric("AWS/Billing", "EstimatedCharges", _USD),), _DAY, "us-east-1"),
        ),
    )


_API_COUNTS = ("Count", "4XXError", "5XXError")
_AGE = "ApproximateAgeOfOldestMessage"
_BATCHES = ("BatchesStored", "JobRunsStarted")
_USD = {"Currency": "USD"}


def _buckets(config: StageConfig) -> tuple[str, ...]:
    return config.names.raw_bucket, config.names.processed_bucket


def _stored(bucket: str) -> Metric:
    return Metric("AWS/S3", "BucketSizeBytes", {"BucketName": bucket, "StorageType": "StandardStorage"}, "Average")
