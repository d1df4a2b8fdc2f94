"""The live and the batch path, and the Glue job."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from glue_jobs.etl import JobSettings
from shared.pipeline import audit_orders
from tests.infra.templates import Synthesised

pytestmark = pytest.mark.infra


def rule(stage: Synthesised, name: str) -> dict[str, Any]:
    return stage.named("AWS::Events::Rule", stage.config.names.named(name))


@pytest.mark.parametrize("path", ["live", "batch"])
def test_a_path_takes_new_and_replayed_objects_of_the_raw_bucket(stage: Synthesised, path: str):
    pattern = rule(stage, path)["EventPattern"]
    assert pattern["source"] == ["aws.s3", "pousada.replay"]
    assert pattern["detail-type"] == ["Object Created"]
    assert pattern["detail"]["bucket"] == {"name": [stage.config.names.raw_bucket]}


def test_the_live_path_takes_every_delivery_and_small_pages(stage: Synthesised):
    assert rule(stage, "live")["EventPattern"]["detail"]["$or"] == [
        {"object": {"key": [{"wildcard": "*/webhooks/*"}]}},
        {"object": {"size": [{"numeric": ["<=", 262_144]}]}},
    ]


def test_the_batch_path_takes_every_object(stage: Synthesised):
    assert rule(stage, "batch")["EventPattern"]["detail"].keys() == {"bucket"}


@pytest.mark.parametrize("path", ["live", "batch"])
def test_an_event_that_cannot_be_delivered_becomes_a_dead_letter(stage: Synthesised, path: str):
    (target,) = rule(stage, path)["Targets"]
    assert "WorkQueue" in json.dumps(target["Arn"])
    assert "WorkDeadLetters" in json.dumps(target["DeadLetterConfig"]["Arn"])


def test_a_manifest_is_made_of_many_objects(prod: Synthesised):
    (source,) = (s for id, s in prod.properties("AWS::Lambda::EventSourceMapping").items() if "Manifest" in id)
    assert (source["BatchSize"], source["MaximumBatchingWindowInSeconds"]) == (10_000, 300)


class TestAudit:
    def test_is_daily_and_of_every_hotel(self, prod: Synthesised):
        schedule = prod.named("AWS::Scheduler::Schedule", prod.config.names.named("audit"))
        assert (schedule["ScheduleExpression"], schedule["State"]) == ("cron(0 4 * * ? *)", "ENABLED")
        assert "DailyAuditWorkQueue" in json.dumps(schedule["Target"]["Arn"])
        assert audit_orders.decode(schedule["Target"]["Input"]) == audit_orders.EveryHotel()

    def test_looks_back_as_far_as_configured(self, stage: Synthesised):
        function = stage.named("AWS::Lambda::Function", stage.config.names.function("audit"))
        variables = function["Environment"]["Variables"]
        assert (variables["AUDIT_DAYS"], variables["AUDIT_GRACE_HOURS"]) == ("2", "2")

    def test_takes_one_hotel_at_a_time_with_bounded_company(self, stage: Synthesised):
        (source,) = (s for id, s in stage.properties("AWS::Lambda::EventSourceMapping").items() if "DailyAudit" in id)
        assert source["BatchSize"] == 1
        assert source["ScalingConfig"] == {"MaximumConcurrency": stage.config.audit.concurrency}


class TestJob:
    def test_is_spark_on_glue_five(self, prod: Synthesised):
        job = prod.named("AWS::Glue::Job", prod.config.names.glue_job)
        assert (job["Command"]["Name"], job["GlueVersion"]) == ("glueetl", "5.1")
        assert (job["WorkerType"], job["NumberOfWorkers"]) == ("G.1X", 2)
        assert job["ExecutionProperty"] == {"MaxConcurrentRuns": 1}
        assert job["DefaultArguments"]["--enable-metrics"] == "true"

    def test_is_given_every_setting_that_it_reads(self, stage: Synthesised):
        given = stage.named("AWS::Glue::Job", stage.config.names.glue_job)["DefaultArguments"]
        required = {f"--{field.encode_name}" for field in msgspec.structs.fields(JobSettings)}
        assert required <= given.keys()

    def test_takes_its_packages_from_no_index(self, aws_stage: Synthesised):
        given = aws_stage.named("AWS::Glue::Job", aws_stage.config.names.glue_job)["DefaultArguments"]
        assert json.dumps(given["--additional-python-modules"]).rstrip('"}').endswith(".gluewheels.zip")
        assert given["--python-modules-installer-option"] == "--no-index"

    def test_writes_its_log_where_a_retention_is_set(self, aws_stage: Synthesised):
        job = aws_stage.named("AWS::Glue::Job", aws_stage.config.names.glue_job)
        prefix, name = job["DefaultArguments"]["--custom-logGroup-prefix"], aws_stage.config.names.glue_job
        assert {f"{prefix}/{name}-role/{name}/{stream}" for stream in ("output", "error")} <= set(
            aws_stage.log_groups()
        )

    def test_encrypts_logs_and_results_with_the_stages_key(self, aws_stage: Synthesised):
        (security,) = aws_stage.properties("AWS::Glue::SecurityConfiguration").values()
        encryption = security["EncryptionConfiguration"]
        assert encryption["CloudWatchEncryption"]["CloudWatchEncryptionMode"] == "SSE-KMS"
        assert encryption["JobBookmarksEncryption"]["JobBookmarksEncryptionMode"] == "CSE-KMS"

    def test_really_runs_locally(self, local: Synthesised):
        job = local.named("AWS::Glue::Job", local.config.names.glue_job)
        assert job["Command"]["Name"] == "pythonshell"
        # The embedded AWS counts seconds, and no more than these.
        assert job["Timeout"] == 600


class TestFunction:
    def test_is_called_every_hour_on_aws_and_when_asked_locally(self, aws_stage: Synthesised, local: Synthesised):
        for stage, state in ((aws_stage, "ENABLED"), (local, "DISABLED")):
            schedule = stage.named("AWS::Scheduler::Schedule", stage.config.names.named("etl"))
            assert (schedule["ScheduleExpression"], schedule["State"]) == ("cron(15 * * * ? *)", state)
            assert "EtlFunction" in json.dumps(schedule["Target"]["Arn"])

    def test_and_the_job_go_by_the_same_limit(self, stage: Synthesised):
        names = stage.config.names
        function = stage.named("AWS::Lambda::Function", names.function("etl"))["Environment"]["Variables"]
        job = stage.named("AWS::Glue::Job", names.glue_job)["DefaultArguments"]
        limit = str(stage.config.etl.small_batch_mib * 2**20)
        assert function["SMALL_BATCH_BYTES"] == job["--SMALL_BATCH_BYTES"] == limit

    def test_does_every_batch_by_spark_locally_where_spark_is_to_be_tried(self, local: Synthesised, prod: Synthesised):
        assert (local.config.etl.small_batch_mib, prod.config.etl.small_batch_mib) == (0, 8)

    def test_that_fails_leaves_a_dead_letter(self, stage: Synthesised):
        function = stage.named("AWS::Lambda::Function", stage.config.names.function("etl"))
        assert "DeadLetters" in json.dumps(function["DeadLetterConfig"]["TargetArn"])
        assert stage.named("AWS::SQS::Queue", stage.config.names.dead_letters_of(stage.config.names.function("etl")))
