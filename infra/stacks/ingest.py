"""Ingest: what vendors send and what is polled from them, into the raw bucket; and the secrets they sign with."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.capabilities.firewall import Firewall
from infra.capabilities.polling import Polling
from infra.capabilities.rotation import Rotation
from infra.capabilities.tracing import TracedDeliveries
from infra.capabilities.webhook_api import WebhookApi, WebhookFunction
from infra.capabilities.webhook_domain import WebhookDomain
from infra.foundation import Foundation
from shared.names import API_STAGE


class IngestStack(Stack):
    """Output ``WebhookUrl``: vendors post to ``{WebhookUrl}/{vendor}/{propertyId}/{event}``.

    With a domain, output ``WebhookDomainTarget``: what its DNS record leads to.
    """

    def __init__(self, scope: Construct, id: str, *, foundation: Foundation, **props: Any) -> None:
        super().__init__(scope, id, stack_name=foundation.names.stack("ingest"), **props)
        webhook = WebhookFunction(self, "Webhook", foundation=foundation)
        api = WebhookApi(self, "WebhookApi", config=foundation.config, function=webhook.alias)
        if foundation.target.firewall:
            Firewall(self, "Firewall", config=foundation.config, stage=api.stage)
        if foundation.target.trace_sampling and foundation.config.observability.traces:
            TracedDeliveries(self, "TracedDeliveries", config=foundation.config)
        Polling(self, "Polling", foundation=foundation)
        url = f"{self._address(api, foundation)}/webhooks"
        Rotation(self, "Rotation", foundation=foundation, webhook_url=url)
        CfnOutput(self, "WebhookUrl", value=url)

    def _address(self, api: WebhookApi, foundation: Foundation) -> str:
        domain = foundation.config.webhooks.domain
        if domain is None:
            return foundation.target.api_url(api.api.rest_api_id, foundation.config.region, API_STAGE)
        named = WebhookDomain(self, "WebhookDomain", domain=domain, stage=api.stage)
        CfnOutput(self, "WebhookDomainTarget", value=named.target)
        return f"https://{domain.name}"
