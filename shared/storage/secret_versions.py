"""One version of a secret in Secrets Manager, which rotation there begins with and is to make the current one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from shared.decoding import UNREADABLE
from shared.errors import Misconfigured, Superseded
from shared.hotel_secrets import Revision, WebhookSecret
from shared.storage.secret_stores import Meant, reaching_secrets_manager, superseded

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """Of a webhook secret. ``labels``: as they were when it was looked up."""

    client: Any
    name: str
    id: str
    labels: frozenset[str]

    @property
    def is_current(self) -> bool:
        return CURRENT in self.labels

    def secret(self) -> WebhookSecret | None:
        """None: nothing has been put there. Raises Misconfigured or StoreUnavailable."""
        try:
            # InvalidRequestException: the version is there, without a value.
            with reaching_secrets_manager("give", self.name, "ResourceNotFoundException", "InvalidRequestException"):
                found = self.client.get_secret_value(SecretId=self.name, VersionId=self.id)
        except Meant:
            return None
        try:
            return msgspec.json.decode(found.get("SecretString", ""), type=WebhookSecret)
        except UNREADABLE:
            # Not the decoder's message: it may quote the secret.
            raise Misconfigured(
                f"what is pending of {self.name} is none of ours", fix="docs/secrets.md", reason="bad_secret"
            ) from None

    def put(self, secret: WebhookSecret) -> None:
        """Once: it cannot be changed afterwards. Raises Superseded or StoreUnavailable."""
        self._change(
            "put_secret_value",
            "ResourceExistsException",
            ClientRequestToken=self.id,
            SecretString=msgspec.json.encode(secret).decode(),
            VersionStages=[PENDING],
        )

    def promote(self, revision: Revision) -> None:
        """As ``SecretsManager.replace``, which has what makes it a compare-and-set."""
        self._change(
            "update_secret_version_stage",
            "InvalidParameterException",
            VersionStage=CURRENT,
            MoveToVersionId=self.id,
            RemoveFromVersionId=str(revision),
        )

    def withdraw(self) -> None:
        if PENDING not in self.labels:
            return
        # It has been taken off meanwhile.
        with suppress(Superseded):
            self._change(
                "update_secret_version_stage",
                "InvalidParameterException",
                VersionStage=PENDING,
                RemoveFromVersionId=self.id,
            )

    def _change(self, call: str, *meaning: str, **how: Any) -> None:
        try:
            with reaching_secrets_manager("take", self.name, *meaning):
                getattr(self.client, call)(SecretId=self.name, **how)
        except Meant:
            raise superseded(self.name) from None


def secret_version(client: Any, secret: str, id: str) -> SecretVersion:
    """``secret``: its name or ARN. Raises Misconfigured (no rotation wants this version of it) or StoreUnavailable."""
    try:
        with reaching_secrets_manager("describe", secret, "ResourceNotFoundException"):
            found = client.describe_secret(SecretId=secret)
    except Meant:
        raise _unknown(secret) from None
    labels = frozenset[str](found.get("VersionIdsToStages", {}).get(id, ()))
    # With neither, it is of a rotation that was given up.
    if not labels & {CURRENT, PENDING}:
        raise _unknown(str(found["Name"]))
    return SecretVersion(client, str(found["Name"]), id, labels)


def _unknown(secret: str) -> Misconfigured:
    return Misconfigured(f"no rotation of {secret} wants this version", fix="rotate it again")
