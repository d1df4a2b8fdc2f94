"""What is remembered of secrets, how much of it, and that their values stay unseen."""

from __future__ import annotations

import pytest

from shared.errors import Misconfigured, NotFound
from shared.hotel_secrets import OAuthCredentials, WebhookSecret
from shared.storage.secret_stores import SecretsManager
from shared.storage.secrets import DatabaseCredentials, Secrets
from tests.fakes.webhook import FakeClock, FakeSecretsManager


@pytest.fixture
def store() -> FakeSecretsManager:
    return FakeSecretsManager()


@pytest.fixture
def secrets(store: FakeSecretsManager) -> Secrets:
    return Secrets(SecretsManager(lambda: store), FakeClock())


def test_the_client_is_made_when_it_is_first_needed(store: FakeSecretsManager) -> None:
    made: list[FakeSecretsManager] = []

    def connect() -> FakeSecretsManager:
        made.append(store)
        return store

    secrets = Secrets(SecretsManager(connect))
    assert made == []

    store.texts["a"] = store.texts["b"] = '{"current": "x"}'
    secrets.read("a", WebhookSecret)
    secrets.read("b", WebhookSecret)
    assert made == [store]


def test_guessed_names_do_not_fill_the_memory(store: FakeSecretsManager, secrets: Secrets) -> None:
    store.texts["known"] = '{"current": "x"}'
    secrets.read("known", WebhookSecret)
    for number in range(3000):
        with pytest.raises(NotFound):
            secrets.read(f"guess-{number}", WebhookSecret)

    assert len(secrets._missing._entries) == 1024
    secrets.read("known", WebhookSecret)
    assert store.reads.count("known") == 1


def test_a_secret_deleted_meanwhile_is_forgotten(store: FakeSecretsManager) -> None:
    clock = FakeClock()
    secrets = Secrets(SecretsManager(lambda: store), clock)
    store.texts["a"] = '{"current": "x"}'
    secrets.read("a", WebhookSecret)
    del store.texts["a"]
    clock.advance(301)

    with pytest.raises(NotFound):
        secrets.read("a", WebhookSecret)
    with pytest.raises(NotFound):
        secrets.read("a", WebhookSecret, max_age=1e9)


@pytest.mark.parametrize("text", ["", "hunter2", '"hunter2"', '{"current": ["hunter2"]}', '{"hunter2": 1}'])
def test_a_secret_of_another_shape_is_named_and_not_quoted(
    store: FakeSecretsManager, secrets: Secrets, text: str
) -> None:
    store.texts["hostpms/PT-LIS-001/webhook-secret"] = text

    with pytest.raises(Misconfigured) as caught:
        secrets.read("hostpms/PT-LIS-001/webhook-secret", WebhookSecret)

    assert "hostpms/PT-LIS-001/webhook-secret is not JSON with current, previous" in str(caught.value)
    assert "hunter2" not in str(caught.value) + repr(caught.value.__context__)


@pytest.mark.parametrize(
    "secret",
    [
        WebhookSecret(current="hunter2", previous="hunter2"),
        OAuthCredentials(client_id="hunter2", client_secret="hunter2"),
        DatabaseCredentials(host="h", port=5432, dbname="d", username="u", password="hunter2"),
    ],
)
def test_no_representation_shows_a_value(secret: object) -> None:
    from rich.pretty import pretty_repr

    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {pretty_repr(secret)}"
