"""Secrets against Secrets Manager (moto)."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from shared.errors import NotFound, StoreUnavailable
from shared.names import oauth_credentials_name, webhook_secret_name
from shared.storage.secrets import OAuthCredentials, Secrets, WebhookSecret
from tests.fakes.aws_faults import Fault
from tests.integration.moto_aws import moto_aws

NAME = webhook_secret_name("hostpms", "PT-LIS-001")


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with moto_aws():
        yield


def secrets() -> Secrets:
    return Secrets(lambda: boto3.client("secretsmanager"))


def test_what_is_written_is_read_elsewhere() -> None:
    credentials = OAuthCredentials(client_id="c", client_secret="s")
    secrets().write(oauth_credentials_name("hostpms", "PT-LIS-001"), credentials)

    assert secrets().read(oauth_credentials_name("hostpms", "PT-LIS-001"), OAuthCredentials) == credentials


def test_a_rotation_replaces_the_value_for_the_writer_at_once() -> None:
    store = secrets()
    store.write(NAME, WebhookSecret(current="old"))
    assert store.read(NAME, WebhookSecret).values == ("old",)

    store.write(NAME, WebhookSecret(current="new", previous="old"))
    assert store.read(NAME, WebhookSecret).values == ("new", "old")
    assert secrets().read(NAME, WebhookSecret).values == ("new", "old")


def test_a_name_without_a_secret_is_not_found_until_it_is_written() -> None:
    store = secrets()
    with pytest.raises(NotFound):
        store.read(NAME, WebhookSecret)

    store.write(NAME, WebhookSecret(current="s"))
    assert store.read(NAME, WebhookSecret).current == "s"


def test_a_secret_scheduled_for_deletion_is_not_found() -> None:
    secrets().write(NAME, WebhookSecret(current="s"))
    boto3.client("secretsmanager").delete_secret(SecretId=NAME)

    with pytest.raises(NotFound):
        secrets().read(NAME, WebhookSecret)


def test_a_deleted_secret_is_gone_for_who_knew_it_too_and_may_be_written_anew() -> None:
    store = secrets()
    store.write(NAME, WebhookSecret(current="s"))

    store.delete(NAME)
    store.delete(NAME)

    with pytest.raises(NotFound):
        store.read(NAME, WebhookSecret)
    secrets().write(NAME, WebhookSecret(current="t"))
    assert secrets().read(NAME, WebhookSecret).current == "t"


def test_a_failing_store_is_neither_read_from_nor_written_to() -> None:
    for what in ("GetSecretValue", "CreateSecret", "DeleteSecret"):
        Fault(f"secrets-manager.{what}").fail()

    with pytest.raises(StoreUnavailable):
        secrets().read(NAME, WebhookSecret)
    with pytest.raises(StoreUnavailable):
        secrets().write(NAME, WebhookSecret(current="s"))
    with pytest.raises(StoreUnavailable):
        secrets().delete(NAME)
