"""A stage as the commands reach it: names, clients, database. Local or real, only the endpoint differs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import boto3
import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict

from scripts import deployed
from scripts.local import environment, state
from shared.decoding import UNREADABLE, fault
from shared.errors import Misconfigured, Superseded
from shared.names import LIVE_ALIAS, Names
from shared.storage import database_address
from shared.storage.database_address import DatabaseAddress
from shared.storage.integrations import Integrations
from shared.storage.raw_lake import RawLake
from shared.storage.secret_stores import Meant, SecretsManager, hotel_secret_store, reaching_secrets_manager
from shared.storage.secrets import DatabaseCredentials, Secrets

LOCAL = "local"
TUNNEL = "POUSADA_DATABASE_TUNNEL"
_CREDENTIALS = ("host", "port", "dbname", "user", "password")
_CONFIGURATION = environment.ROOT / "cdk.json"


# What is read here of cdk.json; ``infra.config`` has all of it.
class HotelSecrets(msgspec.Struct, frozen=True):
    store: Literal["table", "secretsmanager"] = "table"
    overlap_hours: int = 72
    rotate_days: int = 90

    @property
    def overlap(self) -> timedelta:
        return timedelta(hours=self.overlap_hours)


class _Configured(msgspec.Struct):
    region: str
    hotel_secrets: HotelSecrets = HotelSecrets()


class _Settings(msgspec.Struct):
    stages: dict[str, _Configured]
    prefix: str = "pousada"


class _Context(msgspec.Struct):
    pousada: _Settings


class _Cdk(msgspec.Struct):
    context: _Context


@dataclass(frozen=True, slots=True)
class Options:
    """The options before the command."""

    stage: str = LOCAL
    endpoint_url: str | None = None
    debug: bool = False

    def open(self) -> Stage:
        """Raises Misconfigured where the stage is unknown or no local target runs."""
        names, configured = _known(self.stage)
        region, how = configured.region, configured.hotel_secrets
        if self.stage != LOCAL:
            return Stage(names, boto3.Session(region_name=region), self.endpoint_url, how, on_rds=True)
        endpoint = self.endpoint_url or os.environ.get("AWS_ENDPOINT_URL") or state.read().endpoint
        return Stage(names, boto3.Session("test", "test", region_name=region), endpoint, how)


@dataclass
class Stage:
    names: Names
    session: boto3.Session
    endpoint: str | None = None
    of_hotels: HotelSecrets = field(default_factory=HotelSecrets)
    """What cdk.json says of the hotels' secrets."""
    on_rds: bool = False
    """Its database is the one that it deploys; else the database's secret says where it is."""
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._connected(self.session.client, service)
        return self._clients[service]

    def table(self, name: str) -> Any:
        return self._connected(self.session.resource, "dynamodb").Table(name)

    def _connected(self, connect: Callable[..., Any], service: str) -> Any:
        try:
            return connect(service, endpoint_url=self.endpoint)
        except ValueError:
            raise Misconfigured("the endpoint is no address", fix="--endpoint-url http://127.0.0.1:4566") from None

    @property
    def integrations(self) -> Integrations:
        return Integrations(self.table(self.names.integrations_table))

    @property
    def raw_lake(self) -> RawLake:
        return RawLake(self.names.raw_bucket, self.client("s3"))

    @property
    def secrets(self) -> Secrets:
        """The readers' and, where it is not the stage's own, the database's."""
        return Secrets(SecretsManager(lambda: self.client("secretsmanager")))

    @property
    def hotel_secrets(self) -> Secrets:
        table = self.names.hotel_secrets_table if self.of_hotels.store == "table" else ""
        clients = (lambda: self.client("dynamodb"), lambda: self.client("secretsmanager"))
        return Secrets(hotel_secret_store(table, *clients, key=self.names.secrets_key))

    def keep_rotating(self, name: str) -> None:
        """Has Secrets Manager lead the rotation of the webhook secret ``name``, where it is kept there.

        Raises Superseded (a rotation is at work, or was given up) or StoreUnavailable.
        """
        if self.of_hotels.store == "table":
            return
        function = self.names.function("rotate")
        alias = self.client("lambda").get_alias(FunctionName=function, Name=LIVE_ALIAS)
        try:
            with reaching_secrets_manager("rotate", name, "InvalidRequestException"):
                self.client("secretsmanager").rotate_secret(
                    SecretId=name,
                    RotationLambdaARN=alias["AliasArn"],
                    RotationRules={"AutomaticallyAfterDays": self.of_hotels.rotate_days},
                    # The vendor signs with the one it has just been told.
                    RotateImmediately=False,
                )
        except Meant:
            raise Superseded(
                f"the hotel is onboarded; its rotation could not be set up, since a version of {name} is pending",
                fix="onboard it again when that is over; what was given up is taken off as docs/secrets.md tells",
            ) from None

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
        """libpq's, for the database's owner."""
        return _through_tunnel(self._owner, os.environ.get(TUNNEL)).conninfo("pousada-cli", self.client)

    def credentials(self) -> DatabaseCredentials:
        """The owner's, in the form in which a login's own secret is written. Raises Misconfigured."""
        if not self.on_rds:
            return self.secrets.read(self.names.database_secret, DatabaseCredentials)
        found = conninfo_to_dict(self._owner.conninfo("pousada-cli", self.client))
        host, port, dbname, user, password = (str(found[name]) for name in _CREDENTIALS)
        return DatabaseCredentials(host, port, dbname, user, password)

    @property
    def _owner(self) -> DatabaseAddress:
        if not self.on_rds:
            return DatabaseAddress(secret=self.names.database_secret)
        told = deployed.output(self.client("cloudformation"), self.names.stack("database"), "Owner")
        return database_address.parse(told)


def _through_tunnel(address: DatabaseAddress, tunnel: str | None) -> DatabaseAddress:
    """``tunnel``: ``127.0.0.1:15432``, where one to the database begins; None where this machine reaches it itself."""
    if not tunnel:
        return address
    hostaddr, _, port = tunnel.rpartition(":")
    if not port.isdecimal() or not hostaddr:
        raise Misconfigured(f"{TUNNEL} is no address and port", fix=f"{TUNNEL}=127.0.0.1:15432")
    return msgspec.structs.replace(address, hostaddr=hostaddr, port=int(port))


def _known(stage: str) -> tuple[Names, _Configured]:
    """The names of ``stage``, and what cdk.json says of it. Raises Misconfigured."""
    try:
        configured = msgspec.json.decode(_CONFIGURATION.read_bytes(), type=_Cdk).context.pousada
    except (OSError, *UNREADABLE) as error:
        said = error.strerror if isinstance(error, OSError) else fault(error)
        raise Misconfigured(f"cdk.json cannot be read: {said}", fix="compare it with the repository's") from None
    if stage not in configured.stages:
        raise Misconfigured(f"unknown stage {stage}", fix=f"cdk.json has {', '.join(configured.stages)}")
    return Names(stage, configured.prefix), configured.stages[stage]
