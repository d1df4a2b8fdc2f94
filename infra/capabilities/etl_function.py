"""The function ``etl``: does a quiet hour's batches itself, and starts the Glue job for the others."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_glue as glue
from constructs import Construct

from infra.capabilities.database import Door
from infra.capabilities.etl_job import may_store_batches
from infra.capabilities.function import PousadaFunction
from infra.capabilities.permissions import allow
from infra.capabilities.queues import DeadLetterQueue
from infra.capabilities.schedule import add_schedule
from infra.foundation import Foundation
from infra.packages import ARROW
from shared.names import WRITER_LOGIN

# The longest that Lambda has: what takes longer is the Glue job's.
_TIMEOUT = Duration.minutes(15)
# One whole processor. Of the memory a batch at the limit takes less than a third (docs/cost.md).
_MEMORY_MIB = 1769


class EtlFunction(Construct):
    """The function, its dead letters and the schedule before it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        foundation: Foundation,
        door: Door,
        job: glue.CfnJob,
    ) -> None:
        super().__init__(scope, id)
        self.etl = self._function(foundation, door, job)
        may_store_batches(self.etl.role, foundation, door)
        arn = Stack.of(self).format_arn(service="glue", resource="job", resource_name=foundation.names.glue_job)
        allow(self.etl.role, "glue:GetJobRuns", "glue:StartJobRun", on=[arn])
        add_schedule(
            self,
            "Hourly",
            foundation=foundation,
            name="etl",
            group="etl",
            expression=foundation.config.etl.schedule,
            description="Pending manifests to PostgreSQL and Parquet",
            action="lambda:InvokeFunction",
            arn=self.etl.alias.function_arn,
        )

    def _function(self, foundation: Foundation, door: Door, job: glue.CfnJob) -> PousadaFunction:
        names = foundation.names
        return PousadaFunction(
            self,
            "Function",
            folder="etl",
            foundation=foundation,
            more_packages=[ARROW],
            more_code=["glue_jobs"],
            timeout=_TIMEOUT,
            memory_mib=_MEMORY_MIB,
            # Two would merge the same manifests into different batches.
            at_once=1,
            environment={
                "RAW_BUCKET": names.raw_bucket,
                "PROCESSED_BUCKET": names.processed_bucket,
                "WORK_BUCKET": names.work_bucket,
                "INTEGRATIONS_TABLE": names.integrations_table,
                "DATABASE": door.address(WRITER_LOGIN),
                "SMALL_BATCH_BYTES": str(foundation.config.etl.small_batch_bytes),
                "GLUE_JOB": job.ref,
            },
            # The scheduler does not wait for the answer; what fails three times would be gone.
            dead_letter_queue=DeadLetterQueue(self, "DeadLetters", source=names.function("etl")),
        )
