"""Secrets against the table and Secrets Manager (moto): what holds of the one holds of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from shared.errors import NotFound, StoreUnavailable, Superseded
from shared.hotel_secrets import OAuthCredentials, WebhookSecret
from shared.names import oauth_credentials_name, webhook_secret_name
from shared.storage.secret_stores import SecretsManager, SecretStore, SecretTable, hotel_secret_store
from shared.storage.secrets import Secrets
from tests.fakes.aws_faults import Fault
from tests.integration.moto_aws import HOTEL_SECRETS_TABLE, moto_aws

NAME = webhook_secret_name("hostpms", "PT-LIS-001")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

Stores = Callable[[], SecretStore]


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with moto_aws():
        yield


def in_table(at: datetime = NOW) -> SecretTable:
    return SecretTable(lambda: boto3.client("dynamodb"), HOTEL_SECRETS_TABLE, lambda: at)


def in_secrets_manager() -> SecretsManager:
    return SecretsManager(lambda: boto3.client("secretsmanager"))


@pytest.fixture(params=[in_table, in_secrets_manager], ids=["table", "secretsmanager"])
def store(request: pytest.FixtureRequest) -> Stores:
    made: Stores = request.param
    return made


def test_what_is_written_is_read_elsewhere(store: Stores) -> None:
    credentials = OAuthCredentials(client_id="c", client_secret="s")
    Secrets(store()).write(oauth_credentials_name("hostpms", "PT-LIS-001"), credentials)

    assert Secrets(store()).read(oauth_credentials_name("hostpms", "PT-LIS-001"), OAuthCredentials) == credentials


def test_a_rotation_replaces_the_value_for_the_writer_at_once(store: Stores) -> None:
    secrets = Secrets(store())
    secrets.write(NAME, WebhookSecret(current="old"))
    assert secrets.read(NAME, WebhookSecret).verifying(NOW) == ("old",)

    secrets.write(NAME, WebhookSecret(current="new", previous="old"))
    assert secrets.read(NAME, WebhookSecret).verifying(NOW) == ("new", "old")
    assert Secrets(store()).read(NAME, WebhookSecret).verifying(NOW) == ("new", "old")


def test_a_value_that_is_there_already_is_not_written_anew_and_seems_no_younger(store: Stores) -> None:
    Secrets(store()).write(NAME, WebhookSecret(current="a"))
    first = store().fetch(NAME)

    Secrets(store()).write(NAME, WebhookSecret(current="a"))
    assert store().fetch(NAME) == first

    Secrets(store()).write(NAME, WebhookSecret(current="b"))
    assert store().fetch(NAME).revision != first.revision


def test_a_name_without_a_secret_is_not_found_until_it_is_written(store: Stores) -> None:
    secrets = Secrets(store())
    with pytest.raises(NotFound):
        secrets.read(NAME, WebhookSecret)

    secrets.write(NAME, WebhookSecret(current="s"))
    assert secrets.read(NAME, WebhookSecret).current == "s"


def test_a_deleted_secret_is_gone_for_who_knew_it_too_and_may_be_written_anew(store: Stores) -> None:
    secrets = Secrets(store())
    secrets.write(NAME, WebhookSecret(current="s"))

    secrets.delete(NAME)
    secrets.delete(NAME)

    with pytest.raises(NotFound):
        secrets.read(NAME, WebhookSecret)
    Secrets(store()).write(NAME, WebhookSecret(current="t"))
    assert Secrets(store()).read(NAME, WebhookSecret).current == "t"


def test_a_failing_store_is_neither_read_from_nor_written_to(store: Stores) -> None:
    for what in ("GetSecretValue", "CreateSecret", "DeleteSecret"):
        Fault(f"secrets-manager.{what}").fail()
    for what in ("GetItem", "UpdateItem", "DeleteItem"):
        Fault(f"dynamodb.{what}").fail()
    acts: tuple[Callable[[Secrets], Any], ...] = (
        lambda secrets: secrets.read(NAME, WebhookSecret),
        lambda secrets: secrets.write(NAME, WebhookSecret(current="a-value")),
        lambda secrets: secrets.delete(NAME),
    )

    for act in acts:
        with pytest.raises(StoreUnavailable) as caught:
            act(Secrets(store()))
        assert NAME in str(caught.value)
        assert "a-value" not in str(caught.value)
        assert caught.value.facts["store"] == ("dynamodb" if store is in_table else "secretsmanager")


def test_a_secret_made_in_secrets_manager_is_encrypted_with_the_key_that_is_named() -> None:
    key = "alias/pousada-test-secrets"
    named = hotel_secret_store("", lambda: None, lambda: boto3.client("secretsmanager"), key=key)
    Secrets(named).write(NAME, WebhookSecret(current="a"))
    Secrets(named).write(NAME, WebhookSecret(current="b"))
    in_secrets_manager().write("a/reader", "of which nothing was said")

    client = boto3.client("secretsmanager")
    assert client.describe_secret(SecretId=NAME)["KmsKeyId"] == key
    assert not client.describe_secret(SecretId="a/reader").get("KmsKeyId")


def test_a_secret_scheduled_for_deletion_is_not_found() -> None:
    Secrets(in_secrets_manager()).write(NAME, WebhookSecret(current="s"))
    boto3.client("secretsmanager").delete_secret(SecretId=NAME)

    with pytest.raises(NotFound):
        Secrets(in_secrets_manager()).read(NAME, WebhookSecret)


def item() -> dict[str, Any]:
    return dict(boto3.resource("dynamodb").Table(HOTEL_SECRETS_TABLE).get_item(Key={"name": NAME})["Item"])


def test_the_table_counts_changes_and_knows_since_when_a_value_is_in_use() -> None:
    later = NOW + timedelta(days=1)
    Secrets(in_table()).write(NAME, WebhookSecret(current="a"))
    assert (item()["revision"], item()["changed_at"]) == (1, "2026-03-01T12:00:00.000000Z")

    Secrets(in_table(later)).write(NAME, WebhookSecret(current="a"))
    assert (item()["revision"], item()["changed_at"]) == (1, "2026-03-01T12:00:00.000000Z"), "nothing has changed"

    Secrets(in_table(later)).write(NAME, WebhookSecret(current="b"))
    assert (item()["revision"], item()["changed_at"]) == (2, "2026-03-02T12:00:00.000000Z")


def test_a_stage_without_a_table_keeps_its_hotels_secrets_in_secrets_manager() -> None:
    def never() -> Any:
        raise AssertionError("no client of the other store is made")

    hotel_secret_store("", never, lambda: boto3.client("secretsmanager")).write(NAME, "a")
    hotel_secret_store(HOTEL_SECRETS_TABLE, lambda: boto3.client("dynamodb"), never).write(NAME, "b")

    assert (in_secrets_manager().fetch(NAME).text, in_table().fetch(NAME).text) == ("a", "b")


def test_of_two_that_replace_what_they_both_read_one_is_told(store: Stores) -> None:
    Secrets(store()).write(NAME, WebhookSecret(current="a"))
    one, other = Secrets(store()), Secrets(store())
    read_by_one, read_by_other = one.held(NAME, WebhookSecret), other.held(NAME, WebhookSecret)

    one.replace(NAME, read_by_one, WebhookSecret(current="b"))
    with pytest.raises(Superseded) as caught:
        other.replace(NAME, read_by_other, WebhookSecret(current="a-value"))

    assert "a-value" not in str(caught.value)
    assert Secrets(store()).read(NAME, WebhookSecret).current == "b"
    again = other.held(NAME, WebhookSecret)
    other.replace(NAME, again, WebhookSecret(current="c"))
    assert Secrets(store()).read(NAME, WebhookSecret).current == "c"


@pytest.fixture
def calls_are_atomic(monkeypatch: pytest.MonkeyPatch) -> None:
    """As AWS's are. moto's are not: two threads may both find a condition true before either has written."""
    at_work, call = Lock(), BaseClient._make_api_call

    def alone(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        with at_work:
            return call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", alone)


@pytest.mark.usefixtures("calls_are_atomic")
def test_of_many_that_replace_at_the_same_time_one_does(store: Stores) -> None:
    Secrets(store()).write(NAME, WebhookSecret(current="a"))
    kept = [(Secrets(store()), Secrets(store()).held(NAME, WebhookSecret)) for _ in range(8)]

    def replaces(number: int) -> bool:
        secrets, held = kept[number]
        try:
            secrets.replace(NAME, held, WebhookSecret(current=f"of-{number}"))
        except Superseded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(replaces, range(8)))

    assert done.count(True) == 1
    assert Secrets(store()).read(NAME, WebhookSecret).current == f"of-{done.index(True)}"


def test_what_is_gone_is_not_replaced(store: Stores) -> None:
    secrets = Secrets(store())
    secrets.write(NAME, WebhookSecret(current="a"))
    held = secrets.held(NAME, WebhookSecret)
    secrets.delete(NAME)

    with pytest.raises(Superseded):
        secrets.replace(NAME, held, WebhookSecret(current="b"))


def test_the_table_is_asked_for_what_was_written_last() -> None:
    """Who is refused by an older value looks there for the newest."""
    Secrets(in_table()).write(NAME, WebhookSecret(current="a"))
    client, asked = boto3.client("dynamodb"), list[dict[str, Any]]()
    client.meta.events.register("provide-client-params.dynamodb.GetItem", lambda params, **_: asked.append(params))

    SecretTable(lambda: client, HOTEL_SECRETS_TABLE).fetch(NAME)

    assert [params["ConsistentRead"] for params in asked] == [True]


def test_of_an_item_written_by_hand_nobody_knows_since_when() -> None:
    boto3.resource("dynamodb").Table(HOTEL_SECRETS_TABLE).put_item(Item={"name": NAME, "value": '{"current": "a"}'})

    held = Secrets(in_table()).held(NAME, WebhookSecret)

    assert (held.secret.current, held.changed_at.year) == ("a", 1970)
