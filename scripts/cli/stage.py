"""A stage as the commands reach it: names, clients, database. Local or real, only the endpoint differs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import psycopg

from scripts import deployed
from scripts.local import environment, state
from shared.errors import Misconfigured
from shared.names import Names
from shared.storage import postgres
from shared.storage.integrations import Integrations
from shared.storage.raw_lake import RawLake
from shared.storage.secrets import Secrets

LOCAL = "local"
_CONFIGURATION = environment.ROOT / "cdk.json"


@dataclass(frozen=True, slots=True)
class Options:
    """The options before the command."""

    stage: str = LOCAL
    endpoint_url: str | None = None
    debug: bool = False

    def open(self) -> Stage:
        """Raises Misconfigured where the stage is unknown or no local target runs."""
        names, region = _known(self.stage)
        if self.stage != LOCAL:
            return Stage(names, boto3.Session(region_name=region), self.endpoint_url)
        endpoint = self.endpoint_url or os.environ.get("AWS_ENDPOINT_URL") or state.read().endpoint
        return Stage(names, boto3.Session("test", "test", region_name=region), endpoint)


@dataclass
class Stage:
    names: Names
    session: boto3.Session
    endpoint: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.session.client(service, endpoint_url=self.endpoint)
        return self._clients[service]

    def table(self, name: str) -> Any:
        return self.session.resource("dynamodb", endpoint_url=self.endpoint).Table(name)

    @property
    def integrations(self) -> Integrations:
        return Integrations(self.table(self.names.integrations_table))

    @property
    def raw_lake(self) -> RawLake:
        return RawLake(self.names.raw_bucket, self.client("s3"))

    @property
    def secrets(self) -> Secrets:
        return Secrets(lambda: self.client("secretsmanager"))

    @property
    def webhook_url(self) -> str:
        """``…/webhooks``; the vendor's, property's and event's segments follow."""
        return deployed.output(self.client("cloudformation"), self.names.stack("ingest"), "WebhookUrl")

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """Raises psycopg.OperationalError where it cannot be reached."""
        with psycopg.connect(self.conninfo()) as connection:
            yield connection

    def conninfo(self) -> str:
        """libpq's, from the database's secret."""
        return postgres.conninfo_from_secret(self.client("secretsmanager"), self.names.database_secret, "pousada-cli")


def _known(stage: str) -> tuple[Names, str]:
    """The names and the region that cdk.json gives ``stage``. Raises Misconfigured."""
    configuration = json.loads(_CONFIGURATION.read_text())["context"]["pousada"]
    stages = configuration["stages"]
    if stage not in stages:
        raise Misconfigured(f"unknown stage {stage}", fix=f"cdk.json has {', '.join(stages)}")
    return Names(stage, configuration.get("prefix", "pousada")), stages[stage]["region"]
