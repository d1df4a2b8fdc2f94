"""In-memory stand-ins for what the webhook function talks to."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from shared.errors import StoreUnavailable
from shared.names import webhook_secret_name
from shared.pipeline.delivery import RawDelivery


class FakeClock:
    """Seconds that rise when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class FakeSecretsManager:
    """``reads`` holds each name asked for; ``failing`` makes every read fail."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.reads: list[str] = []
        self.failing: str | None = None
        """An error code, or ``network``."""

    def hold(self, property_id: str, **values: object) -> None:
        self.texts[webhook_secret_name("hostpms", property_id)] = json.dumps(values)

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:
        self.reads.append(SecretId)
        if self.failing == "network":
            raise EndpointConnectionError(endpoint_url="https://secretsmanager.example")
        if self.failing:
            raise _client_error(self.failing)
        if SecretId not in self.texts:
            raise _client_error("ResourceNotFoundException")
        return {"SecretString": self.texts[SecretId]}


def _client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "as told"}}, "GetSecretValue")


class FakeLanding:
    """Keeps what lands; with ``failing`` it takes nothing."""

    def __init__(self) -> None:
        self.landed: list[RawDelivery] = []
        self.failing = False

    def land(self, delivery: RawDelivery, context: Any) -> Any:
        if self.failing:
            raise StoreUnavailable("the raw bucket refused (SlowDown)", store="s3")
        repeated = any(earlier.identity == delivery.identity for earlier in self.landed)
        self.landed.append(delivery)
        return "duplicate" if repeated else "accepted"
