"""A hotel of one test module: what its vendor sends, and what of it is in the deployed stacks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import httpx
import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from typer.testing import CliRunner, Result

from scripts.cli.app import app
from scripts.local.stack import LocalStack
from shared.hotel_secrets import WebhookSecret
from shared.model.columns import TABLES
from shared.names import webhook_secret_name
from shared.storage.integrations import Integration, Integrations
from shared.storage.raw_lake import RawLake
from shared.storage.secret_stores import SecretTable
from shared.storage.secrets import Secrets
from shared.vendors.hostpms.webhook import signed_headers

VENDOR = "hostpms"
WEBHOOK_SECRET = "the-webhook-secret-of-an-invented-hotel"


def pousada(local: LocalStack, *arguments: str, **environment: str) -> Result:
    """The operator's command line; its failure fails the test with its words."""
    result = CliRunner().invoke(app, ["--endpoint-url", local.endpoint, *arguments], env=environment)
    assert result.exit_code == 0, f"pousada {' '.join(arguments)}\n{result.stdout}{result.stderr}"
    return result


@dataclass
class Hotel:
    """``property_id`` is of this module alone, so that no other test sees or changes what belongs to it."""

    local: LocalStack
    property_id: str

    # -- How it is taken in --------------------------------------------------------------------
    def take_in(self) -> Hotel:
        self.give_secret()
        self.register()
        return self

    def give_secret(self) -> None:
        """From now on its deliveries are accepted."""
        self.secrets.write(webhook_secret_name(VENDOR, self.property_id), WebhookSecret(WEBHOOK_SECRET))

    @property
    def secrets(self) -> Secrets:
        return Secrets(SecretTable(lambda: self.local.client("dynamodb"), self.local.names.hotel_secrets_table))

    def register(self) -> None:
        """From now on its records are mapped."""
        table = self.local.session().resource("dynamodb", endpoint_url=self.local.endpoint)
        Integrations(table.Table(self.local.names.integrations_table)).put(
            Integration(
                property_id=self.property_id,
                vendor=VENDOR,
                time_zone="Europe/Lisbon",
                base_url="http://127.0.0.1:9/v3",
                # Nothing is polled: these hotels speak by webhook alone.
                entities=(),
            )
        )

    # -- What its vendor sends -----------------------------------------------------------------
    def sign(self, body: bytes, at: datetime | None = None, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
        return signed_headers(body, secret, at or datetime.now(UTC))

    def deliver(
        self,
        body: bytes,
        event: str = "reservation.created",
        *,
        headers: dict[str, str] | None = None,
        property_id: str | None = None,
        vendor: str = VENDOR,
    ) -> httpx.Response:
        """One call of the webhook, signed now where no ``headers`` are given."""
        url = f"{self._webhook_url}/{vendor}/{property_id or self.property_id}/{event}"
        headers = self.sign(body) if headers is None else headers
        sent = {"Content-Type": "application/json", **headers}
        return httpx.post(url, content=body, headers=sent, timeout=60, trust_env=False)

    def accepts(self, body: bytes, event: str = "reservation.created") -> None:
        answer = self.deliver(body, event)
        assert (answer.status_code, answer.json()) == (200, {"result": "accepted"})

    @cached_property
    def _webhook_url(self) -> str:
        return self.local.webhook_url

    # -- What is kept of it --------------------------------------------------------------------
    def raw_objects(self, vendor: str = VENDOR, property_id: str | None = None) -> dict[str, str]:
        """Key → version: what is in the raw bucket, and whether it was written again."""
        answer = self.local.client("s3").list_object_versions(
            Bucket=self.local.names.raw_bucket, Prefix=f"{vendor}/{property_id or self.property_id}/"
        )
        return {item["Key"]: item["VersionId"] for item in answer.get("Versions", ()) if item["IsLatest"]}

    def raw_object(self, key: str) -> bytes:
        return RawLake(self.local.names.raw_bucket, self.local.client("s3")).get(key)

    def row(self, entity: str, external_id: str) -> dict[str, Any] | None:
        """The whole row, or None."""
        query = sql.SQL("SELECT * FROM {} WHERE hotel_id = %s AND external_id = %s").format(
            sql.Identifier("hotel", TABLES[entity])
        )
        return next(iter(self._select(query, external_id)), None)

    def rows(self, entity: str) -> list[dict[str, Any]]:
        query = sql.SQL("SELECT * FROM {} WHERE hotel_id = %s ORDER BY id")
        return self._select(query.format(sql.Identifier("hotel", TABLES[entity])))

    def _select(self, query: sql.Composed, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.local.dsn, row_factory=dict_row) as connection:
            return connection.execute(query, (self.property_id, *values)).fetchall()
