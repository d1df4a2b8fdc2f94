"""The webhook API and the polling."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.pipeline import rotation_orders
from tests.infra.templates import Synthesised, synthesise

pytestmark = pytest.mark.infra


def test_the_api_hands_bodies_on_as_they_came(stage: Synthesised):
    (api,) = stage.properties("AWS::ApiGateway::RestApi").values()
    assert api["BinaryMediaTypes"] == ["*/*"]
    assert api["EndpointConfiguration"]["Types"] == ["REGIONAL"]


def test_the_api_has_one_method_below_each_vendors_property_and_event(stage: Synthesised):
    (method,) = stage.properties("AWS::ApiGateway::Method").values()
    assert (method["HttpMethod"], method["Integration"]["Type"]) == ("POST", "AWS_PROXY")
    paths = [resource["PathPart"] for resource in stage.properties("AWS::ApiGateway::Resource").values()]
    assert paths == ["webhooks", "hostpms", "{propertyId}", "{event}"]


def test_requests_are_throttled_and_traced_and_no_body_is_logged(stage: Synthesised):
    (deployed,) = stage.properties("AWS::ApiGateway::Stage").values()
    assert len(deployed["MethodSettings"]) == 1 + len(stage.config.vendors)
    for settings in deployed["MethodSettings"]:
        assert settings["ThrottlingRateLimit"] == stage.config.webhooks.requests_per_second
        assert settings["ThrottlingBurstLimit"] == stage.config.webhooks.burst
        assert settings["DataTraceEnabled"] is False
    assert deployed["TracingEnabled"] is True


def test_the_access_log_holds_no_personal_datum(stage: Synthesised):
    (deployed,) = stage.properties("AWS::ApiGateway::Stage").values()
    logged = json.loads(deployed["AccessLogSetting"]["Format"]).values()
    # Any other may hold something of the sender, of the property or of what was sent, a signature too.
    assert sorted(variable.removeprefix("$context.") for variable in logged) == [
        *("httpMethod", "integrationLatency", "integrationStatus", "requestId", "requestTime", "resourcePath"),
        *("responseLatency", "responseLength", "status", "xrayTraceId"),
    ]


def test_the_address_for_vendors_is_an_output(prod: Synthesised, local: Synthesised):
    def address(stage: Synthesised) -> str:
        return json.dumps(stage.templates["ingest"]["Outputs"]["WebhookUrl"]["Value"])

    assert ".execute-api.eu-west-1.amazonaws.com/v1/webhooks" in address(prod)
    assert "/_aws/execute-api/" in address(local)


def test_polling_is_hourly(prod: Synthesised):
    schedule = prod.named("AWS::Scheduler::Schedule", prod.config.names.named("poll"))
    assert (schedule["ScheduleExpression"], schedule["State"]) == ("cron(0 * * * ? *)", "ENABLED")
    assert "Dispatcher" in json.dumps(schedule["Target"]["Arn"])


def test_a_poller_takes_one_order_at_a_time_with_bounded_company(stage: Synthesised):
    (source,) = (s for id, s in stage.properties("AWS::Lambda::EventSourceMapping").items() if "PollingPoller" in id)
    assert source["BatchSize"] == 1
    assert source["ScalingConfig"] == {"MaximumConcurrency": stage.config.polling.concurrency}


def test_the_secrets_are_looked_after_daily_by_way_of_the_queue(prod: Synthesised):
    schedule = prod.named("AWS::Scheduler::Schedule", prod.config.names.named("rotate"))
    assert (schedule["ScheduleExpression"], schedule["State"]) == ("cron(30 5 * * ? *)", "ENABLED")
    assert rotation_orders.decode(schedule["Target"]["Input"]) == rotation_orders.EveryHotel()
    assert "RotationWorkQueue" in json.dumps(schedule["Target"]["Arn"])


def test_what_rotation_tells_the_vendor_is_the_apis_address(stage: Synthesised):
    (output,) = (
        value["Value"] for id, value in stage.templates["ingest"]["Outputs"].items() if id.startswith("WebhookUrl")
    )
    function = stage.named("AWS::Lambda::Function", stage.config.names.function("rotate"))
    assert function["Environment"]["Variables"]["WEBHOOK_URL"] == output


def test_rotation_takes_its_times_from_the_configuration(tmp_path: Path):
    """Each in its own place: they differ, so that none can stand in for another."""
    chosen = {"rotate_days": 31, "overlap_hours": 5, "notice_seconds": 41}
    stage = synthesise(tmp_path, stages="dev-eu-west-1", hotel_secrets=chosen)["dev-eu-west-1"]
    names = stage.config.names
    environment = stage.named("AWS::Lambda::Function", names.function("rotate"))["Environment"]["Variables"]
    told = {name: environment[name] for name in ("ROTATE_DAYS", "OVERLAP_HOURS", "NOTICE_SECONDS")}
    assert told == {"ROTATE_DAYS": "31", "OVERLAP_HOURS": "5", "NOTICE_SECONDS": "41"}
    assert (environment["HOTEL_SECRETS_TABLE"], environment["INTEGRATIONS_TABLE"], environment["SYNC_STATE_TABLE"]) == (
        *(names.hotel_secrets_table, names.integrations_table, names.sync_state_table),
    )
    assert "RotationWorkQueue" in json.dumps(environment["ROTATE_QUEUE_URL"])


class TestQueues:
    def test_every_queue_is_encrypted(self, stage: Synthesised):
        assert all(queue["SqsManagedSseEnabled"] for queue in stage.properties("AWS::SQS::Queue").values())

    def test_every_queue_has_dead_letters_which_are_kept_for_a_fortnight(self, stage: Synthesised):
        names = stage.config.names
        for name in names.queues:
            queue = stage.named("AWS::SQS::Queue", name)
            dead = stage.named("AWS::SQS::Queue", names.dead_letters_of(name))
            assert "DeadLetters" in json.dumps(queue["RedrivePolicy"]["deadLetterTargetArn"])
            assert dead["MessageRetentionPeriod"] == 14 * 86_400 > queue["MessageRetentionPeriod"]

    def test_no_queue_is_forgotten(self, stage: Synthesised):
        names = stage.config.names
        sources = (*names.queues, names.function("dispatcher"), names.function("etl"))
        expected = {*names.queues, *map(names.dead_letters_of, sources)}
        assert {queue["QueueName"] for queue in stage.properties("AWS::SQS::Queue").values()} == expected

    @pytest.mark.parametrize(
        ("queue", "function"),
        [("poll", "poller"), ("live", "apply"), ("batch", "manifest"), ("audit", "audit"), ("rotate", "rotate")],
    )
    def test_a_message_stays_hidden_for_six_times_the_functions_time_and_the_batching_window(
        self, stage: Synthesised, queue: str, function: str
    ):
        names = stage.config.names
        timeout = stage.named("AWS::Lambda::Function", names.function(function))["Timeout"]
        (source,) = (
            s
            for id, s in stage.properties("AWS::Lambda::EventSourceMapping").items()
            if f"{function.capitalize()}Function" in id
        )
        window = source.get("MaximumBatchingWindowInSeconds", 0)
        hidden = stage.named("AWS::SQS::Queue", names.named(queue))["VisibilityTimeout"]
        assert hidden == 6 * timeout + window
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
