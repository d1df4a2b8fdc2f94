"""``POST /webhooks/<vendor>/{propertyId}/{event}``, a path for each vendor: the API and the function behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.capabilities.deployment import MINUTE, GradualShift, Symptom
from infra.capabilities.function import PousadaFunction
from infra.capabilities.gateway_answers import add_gateway_answers
from infra.capabilities.log import EXECUTION_LOGS, Log
from infra.capabilities.permissions import (
    acknowledge,
    allow,
    may_put_raw,
    may_read_hotel_secrets,
    may_use_key,
    skip_check,
    table,
)
from infra.capabilities.tracing import accept_untraced
from infra.capabilities.webhook_domain import require_tls_1_2
from infra.config import StageConfig
from infra.foundation import Foundation
from infra.webhook_config import VendorWebhooks
from shared.names import API_STAGE, Names

# Of the five seconds that vendors wait, what is ours.
_SLOW_MS = 1_000
_LOGGING_POLICY = "arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
# Neither address nor agent, nor the path with its property: what remains is no personal datum.
_ACCESS_LOG_FIELDS = {
    "requestId": "$context.requestId",
    "requestTime": "$context.requestTime",
    "method": "$context.httpMethod",
    "resource": "$context.resourcePath",
    "status": "$context.status",
    "responseBytes": "$context.responseLength",
    "latencyMs": "$context.responseLatency",
    "integrationLatencyMs": "$context.integrationLatency",
    "integrationStatus": "$context.integrationStatus",
    "traceId": "$context.xrayTraceId",
}


_OBSERVED: dict[str, Any] = {
    "logging_level": apigateway.MethodLoggingLevel.ERROR,
    # Would write bodies into the log.
    "data_trace_enabled": False,
    # Those of the stage come for nothing; by method each would be billed, and nothing asks for them.
    "metrics_enabled": False,
}


class WebhookFunction(PousadaFunction):
    """Verifies, tells duplicates apart, puts the raw object. Vendors wait five seconds at the least (Mews)."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        foundation: Foundation,
    ) -> None:
        config, names = foundation.config, foundation.names
        super().__init__(
            scope,
            id,
            folder="webhook",
            foundation=foundation,
            timeout=Duration.seconds(10),
            # Memory buys processor: a cold start is mostly imports.
            memory_mib=1024,
            environment={
                "RAW_BUCKET": names.raw_bucket,
                "IDEMPOTENCY_TABLE": names.idempotency_table,
                "HOTEL_SECRETS_TABLE": foundation.hotel_secrets_table,
            },
        )
        may_use_key(self.role, foundation.key, config)
        may_read_hotel_secrets(self.role, foundation.secrets_key, config, "webhook-secret")
        may_put_raw(self.role, config, "webhooks")
        items = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
        allow(self.role, *items, on=[table(self, names.idempotency_table)])
        GradualShift(
            self,
            "Shift",
            foundation=foundation,
            function=self,
            shift=config.deployment.webhook,
            symptoms=self._symptoms(names),
        )

    def _symptoms(self, names: Names) -> tuple[Symptom, ...]:
        # A store that fails is answered, not raised. The API tells no versions apart: an outage counts as well.
        answers = cloudwatch.Metric(
            namespace="AWS/ApiGateway",
            metric_name="5XXError",
            dimensions_map={"ApiName": names.webhook_api, "Stage": API_STAGE},
            statistic="Sum",
            period=MINUTE,
        )
        durations = self.alias.metric_duration(statistic="p99", period=MINUTE)
        return (
            Symptom("5xx", "Deliveries are answered with a server error.", answers),
            Symptom("slow", "The webhook takes more than a second (p99).", durations, most=_SLOW_MS),
        )


class WebhookApi(Construct):
    """A REST API that hands bodies on as they came, for the signature is over their bytes; it never reads one.

    Each configured vendor has a path of its own, and with it a limit of its own: one that floods takes nothing from the
    others, and what is of no vendor is answered here, without a call of the function.
    """

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, function: lambda_.IFunction) -> None:
        super().__init__(scope, id)
        name = config.names.webhook_api
        log = Log(self, "AccessLog", name=f"/aws/apigateway/{name}", config=config)
        self.api = apigateway.RestApi(
            self,
            "Api",
            rest_api_name=name,
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # Whoever came by the API's own name would pass the domain's security policy by.
            disable_execute_api_endpoint=config.webhooks.domain is not None,
            # Without it API Gateway would decode and re-encode what is not UTF-8.
            binary_media_types=["*/*"],
            cloud_watch_role=True,
            deploy_options=_stage_options(config, log),
        )
        require_tls_1_2(cast(apigateway.CfnRestApi, self.api.node.default_child))
        self._keep_execution_log(config)
        add_gateway_answers(self.api)
        self._validator = self.api.add_request_validator(
            "Validator", request_validator_name=f"{name}-parameters", validate_request_parameters=True
        )
        integration = apigateway.LambdaIntegration(function, allow_test_invoke=False)
        webhooks = self.api.root.add_resource("webhooks")
        for vendor in config.vendors:
            self._receive(webhooks.add_resource(vendor), integration, config.webhooks.of(vendor).required_headers)
        self._acknowledge_findings()
        if not config.observability.traces:
            accept_untraced(self.stage, "Serverless-APIGWXrayEnabled", "CKV_AWS_73")

    @property
    def stage(self) -> apigateway.Stage:
        return self.api.deployment_stage

    def _keep_execution_log(self, config: StageConfig) -> None:
        # API Gateway would make it with the first call, without an end and without a key.
        name = f"{EXECUTION_LOGS}{self.api.rest_api_id}/{API_STAGE}"
        self.stage.node.add_dependency(Log(self, "ExecutionLog", name=name, config=config))

    def _receive(
        self, vendor: apigateway.Resource, integration: apigateway.LambdaIntegration, headers: Sequence[str]
    ) -> None:
        required = ["path.propertyId", "path.event", *(f"header.{name}" for name in headers)]
        method = (
            vendor.add_resource("{propertyId}")
            .add_resource("{event}")
            .add_method(
                "POST",
                integration,
                request_parameters={f"method.request.{parameter}": True for parameter in required},
                request_validator=self._validator,
            )
        )
        signed = "The vendor signs each delivery; the function verifies it over the raw bytes."
        acknowledge(method, "AwsSolutions-APIG4", signed)
        acknowledge(method, "AwsSolutions-COG4", signed)
        skip_check(method, "CKV_AWS_59", signed)

    def _acknowledge_findings(self) -> None:
        skip_check(self.stage, "CKV_AWS_120", "Deliveries are posted; no answer to one may come from a cache.")
        acknowledge(
            self.api,
            "AwsSolutions-APIG2",
            "The path is validated, and the headers that cdk.json names. The rule asks for bodies too: one would be "
            "parsed before its signature is checked, and strangers be told its shape.",
        )
        acknowledge(
            self.api.node.find_child("CloudWatchRole"),
            f"AwsSolutions-IAM4[Policy::{_LOGGING_POLICY}]",
            "API Gateway takes one role per account and region for all its logs; this is the policy AWS has for it.",
        )


def _stage_options(config: StageConfig, log: Log) -> apigateway.StageOptions:
    return apigateway.StageOptions(
        stage_name=API_STAGE,
        throttling_rate_limit=config.webhooks.requests_per_second,
        throttling_burst_limit=config.webhooks.burst,
        method_options={
            f"/webhooks/{vendor}/{{propertyId}}/{{event}}/POST": _limits(config.webhooks.of(vendor))
            for vendor in config.vendors
        },
        access_log_destination=apigateway.LogGroupLogDestination(log),
        access_log_format=apigateway.AccessLogFormat.custom(json.dumps(_ACCESS_LOG_FIELDS)),
        tracing_enabled=config.observability.traces,
        **_OBSERVED,
    )


def _limits(vendor: VendorWebhooks) -> apigateway.MethodDeploymentOptions:
    # A method with settings of its own has none of the stage's: they are said again.
    return apigateway.MethodDeploymentOptions(
        throttling_rate_limit=vendor.requests_per_second, throttling_burst_limit=vendor.burst, **_OBSERVED
    )
