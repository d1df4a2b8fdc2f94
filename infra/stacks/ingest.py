"""Ingest: what vendors send and what is polled from them, into the raw bucket; and the secrets they sign with."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.capabilities.firewall import Firewall
from infra.capabilities.function import dependency_layer
from infra.capabilities.network import Network
from infra.capabilities.polling import Polling
from infra.capabilities.rotation import Rotation
from infra.capabilities.webhook_api import WebhookApi, WebhookFunction
from infra.capabilities.webhook_domain import WebhookDomain
from infra.config import StageConfig
from infra.stacks.storage import StorageStack
from infra.target import Target
from shared.names import API_STAGE


class IngestStack(Stack):
    """Output ``WebhookUrl``: vendors post to ``{WebhookUrl}/{vendor}/{propertyId}/{event}``.

    With a domain, output ``WebhookDomainTarget``: what its DNS record leads to.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: StageConfig,
        target: Target,
        storage: StorageStack,
        network: Network | None,
        **props: Any,
    ) -> None:
        super().__init__(scope, id, stack_name=config.names.stack("ingest"), **props)
        layer = dependency_layer(self) if target.packages else None
        placed: dict[str, Any] = {"config": config, "target": target, "network": network, "layer": layer}
        keys: dict[str, Any] = {"key": storage.key, "secrets_key": storage.secrets.key}
        webhook = WebhookFunction(self, "Webhook", **placed, **keys)
        api = WebhookApi(self, "WebhookApi", config=config, function=webhook.alias)
        if target.firewall:
            Firewall(self, "Firewall", config=config, stage=api.stage)
        Polling(self, "Polling", **placed, **keys)
        url = f"{self._address(api, config, target)}/webhooks"
        Rotation(self, "Rotation", webhook_url=url, **placed, **keys)
        CfnOutput(self, "WebhookUrl", value=url)

    def _address(self, api: WebhookApi, config: StageConfig, target: Target) -> str:
        domain = config.webhooks.domain
        if domain is None:
            return target.api_url(api.api.rest_api_id, config.region, API_STAGE)
        named = WebhookDomain(self, "WebhookDomain", domain=domain, stage=api.stage)
        CfnOutput(self, "WebhookDomainTarget", value=named.target)
        return f"https://{domain.name}"
