"""The function ``watch``: every five minutes, the gauges that most alarms are on."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import ArnFormat, Duration, Stack
from constructs import Construct

from infra.capabilities.function import PousadaFunction
from infra.capabilities.permissions import acknowledge, allow, bucket, may_read_with_key, objects, of_rds, table
from infra.capabilities.schedule import add_schedule
from infra.foundation import Foundation

# Lambda's longest is fifteen.
_LONGEST_MINUTES = 14
_NOT_LATER = "A pass that failed is not to be done later: another comes, and without it an alarm rings."
# What a sync run's record has, and its key. The table holds the vendors' tokens as well, under ``value``.
RUN_ATTRIBUTES = (
    *("pk", "sk", "vendor", "property_id", "entity", "run_id", "started_at", "finished_at", "status", "error"),
    *("fetched", "unchanged", "pages", "failed", "waited_ms"),
)


class Watch(Construct):
    """It reads what stands where, and no raw record, no row, no secret and no message."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        foundation: Foundation,
        dead_letter_queues: Sequence[str],
    ) -> None:
        super().__init__(scope, id)
        self.watch = self._function(foundation, dead_letter_queues)
        self._grant(foundation, dead_letter_queues)
        # Tried again, it would ask all stores anew in between.
        self.watch.alias.configure_async_invoke(retry_attempts=0)
        acknowledge(self.watch.alias, "Serverless-LambdaAsyncFailureDestination", _NOT_LATER)
        add_schedule(
            self,
            "Often",
            foundation=foundation,
            name="watch",
            group="watch",
            expression=foundation.config.watch.schedule,
            description="Gauges for the alarms",
            action="lambda:InvokeFunction",
            arn=self.watch.alias.function_arn,
        )

    def _function(self, foundation: Foundation, dead_letter_queues: Sequence[str]) -> PousadaFunction:
        config, names = foundation.config, foundation.names
        return PousadaFunction(
            self,
            "Function",
            folder="watch",
            foundation=foundation,
            # Less than a period: two passes would count the same, and cost twice.
            timeout=Duration.minutes(min(config.watch.every_minutes - 1, _LONGEST_MINUTES)),
            memory_mib=1024,
            environment={
                "RAW_BUCKET": names.raw_bucket,
                "WORK_BUCKET": names.work_bucket,
                "INTEGRATIONS_TABLE": names.integrations_table,
                "SYNC_STATE_TABLE": names.sync_state_table,
                "DEAD_LETTER_QUEUES": ",".join(dead_letter_queues),
                "POLL_EVERY_MINUTES": str(config.polling.every_minutes),
                "WATCH_EVERY_MINUTES": str(config.watch.every_minutes),
                "RAW_CYCLE_MINUTES": str(config.watch.raw_cycle_minutes),
                # Where there is no network of ours, there is no RDS in it.
                "DATABASE_INSTANCE": names.database_instance if foundation.network else "",
            },
            no_dead_letters=_NOT_LATER,
        )

    def _grant(self, foundation: Foundation, dead_letter_queues: Sequence[str]) -> None:
        role, names = self.watch.role, foundation.names
        may_read_with_key(role, foundation.key, foundation.config)
        # Keys alone: what is in an object is no business of its.
        allow(role, "s3:ListBucket", on=[bucket(self, names.raw_bucket)])
        manifests = {"StringLike": {"s3:prefix": "manifests/*"}}
        allow(role, "s3:ListBucket", on=[bucket(self, names.work_bucket)], conditions=manifests)
        why = "Every batch has a manifest of its own."
        allow(role, "s3:GetObject", on=[objects(self, names.work_bucket, "manifests/*")], why=why)
        allow(role, "dynamodb:Scan", on=[table(self, names.integrations_table)])
        runs_alone = {
            "ForAllValues:StringEquals": {"dynamodb:Attributes": list(RUN_ATTRIBUTES)},
            "StringEquals": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
        }
        allow(role, "dynamodb:Query", on=[table(self, names.sync_state_table)], conditions=runs_alone)
        queues = [_queue(self, name) for name in dead_letter_queues]
        allow(role, "sqs:GetQueueUrl", "sqs:GetQueueAttributes", on=queues)
        if foundation.network:
            allow(role, "rds:DescribeDBInstances", on=[of_rds(self, "db", names.database_instance)])


def _queue(scope: Construct, name: str) -> str:
    return Stack.of(scope).format_arn(service="sqs", resource=name, arn_format=ArnFormat.NO_RESOURCE_NAME)
