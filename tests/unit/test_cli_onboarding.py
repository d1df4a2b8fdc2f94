"""Taking a hotel in: each step once, in an order in which nothing breaks half-way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.cli.onboarding import Hotel, Onboarded, Reception
from scripts.cli.stage import HotelSecrets, Stage
from shared.errors import CredentialsRefused, Malformed, NotFound, PousadaError, Superseded
from shared.hotel_secrets import Held, OAuthCredentials, Secret, WebhookSecret
from shared.names import Names, oauth_credentials_name, webhook_secret_name
from shared.storage.integrations import Integration
from shared.vendors.hostpms import api

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OVERLAP = timedelta(hours=72)
LISBON = Hotel(
    vendor="hostpms",
    property_id="PT-LIS-001",
    base_url="https://api.hostpms.example/v3",
    time_zone="Europe/Lisbon",
    client_id="pousada",
    client_secret="s3cret",
)
WEBHOOK_SECRET = webhook_secret_name("hostpms", "PT-LIS-001")


class Vault:
    def __init__(self) -> None:
        self.kept: dict[str, Secret] = {}

    def held(self, name: str, kind: type[Secret]) -> Held[Any]:
        if name not in self.kept:
            raise NotFound("no such secret")
        return Held(self.kept[name], 1, NOW)

    def replace(self, name: str, held: Held[Any], secret: Secret) -> None:
        self.kept[name] = secret

    def write(self, name: str, secret: Secret) -> None:
        self.kept[name] = secret


class Register:
    def __init__(self) -> None:
        self.held: dict[tuple[str, str], Integration] = {}

    def get(self, property_id: str, vendor: str) -> Integration:
        if (property_id, vendor) not in self.held:
            raise NotFound("no such integration")
        return self.held[property_id, vendor]

    def put(self, integration: Integration) -> None:
        self.held[integration.property_id, integration.vendor] = integration


class Vendor:
    """Remembers what it was asked; ``one_per_address`` as some vendors do."""

    def __init__(self, one_per_address: bool = False) -> None:
        self.subscribed: list[tuple[str, tuple[str, ...], str]] = []
        self.ended: list[str] = []
        self.forgotten: set[str] = set()
        self.refuses: PousadaError | None = None
        self._one_per_address = one_per_address

    def connect(self, property_id: str, base_url: str, credentials: OAuthCredentials) -> Vendor:
        return self

    def subscribe(self, url: str, events: Sequence[str], secret: str) -> str:
        if self.refuses:
            raise self.refuses
        self.subscribed.append((url, tuple(events), secret))
        return "SUB-1" if self._one_per_address else f"SUB-{len(self.subscribed)}"

    def unsubscribe(self, subscription_id: str) -> None:
        if subscription_id in self.forgotten:
            raise NotFound("no such subscription")
        self.ended.append(subscription_id)


class House:
    def __init__(self, vendor: Vendor | None = None) -> None:
        self.vault, self.register, self.vendor = Vault(), Register(), vendor or Vendor()
        self.rotating: list[str] = []
        stores: Any = {"secrets": self.vault, "integrations": self.register}
        self._reception = Reception(
            **stores,
            webhook_url="https://hooks.example/webhooks",
            connect=self.vendor.connect,
            clock=lambda: NOW,
            overlap=OVERLAP,
            keep_rotating=self.rotating.append,
        )

    def take_in(self, hotel: Hotel = LISBON, **how: bool) -> Onboarded:
        return self._reception.take_in(hotel, **how)

    @property
    def integration(self) -> Integration:
        return self.register.get("PT-LIS-001", "hostpms")


def test_a_new_hotel_has_secrets_an_integration_and_a_subscription() -> None:
    house = House()

    done = house.take_in()

    secret = house.vault.kept[WEBHOOK_SECRET]
    assert isinstance(secret, WebhookSecret)
    assert house.vault.kept[oauth_credentials_name("hostpms", "PT-LIS-001")] == OAuthCredentials("pousada", "s3cret")
    ((url, events, signed_with),) = house.vendor.subscribed
    assert (url, signed_with) == ("https://hooks.example/webhooks/hostpms/PT-LIS-001", secret.current)
    assert "reservation.created" in events
    assert done == Onboarded(house.integration, subscribed=True, rotated=False)
    assert house.integration.subscription_id == "SUB-1"
    assert (house.integration.status, house.integration.onboarded_at) == ("active", NOW)
    assert house.integration.entities == ("booking", "guest", "room", "payment")


def test_a_subscription_that_the_vendor_has_forgotten_is_replaced() -> None:
    house = House()
    house.take_in()
    house.vendor.forgotten.add("SUB-1")

    done = house.take_in(resubscribe=True)

    assert (done.subscribed, house.integration.subscription_id) == (True, "SUB-2")


def test_a_generated_webhook_secret_cannot_be_guessed() -> None:
    first, second = House(), House()
    first.take_in()
    second.take_in()

    ours, theirs = (house.vault.kept[WEBHOOK_SECRET] for house in (first, second))
    assert isinstance(ours, WebhookSecret)
    assert len(ours.current) >= 32
    assert ours != theirs


def test_onboarding_again_changes_nothing() -> None:
    house = House()
    first = house.take_in()
    secret = house.vault.kept[WEBHOOK_SECRET]

    again = house.take_in()

    assert again == Onboarded(first.integration, subscribed=False, rotated=False)
    assert house.vault.kept[WEBHOOK_SECRET] == secret
    assert len(house.vendor.subscribed) == 1


def test_another_webhook_secret_rotates_and_the_one_before_still_verifies() -> None:
    house = House()
    house.take_in(replace(LISBON, webhook_secret="first"))

    done = house.take_in(replace(LISBON, webhook_secret="second"))

    assert house.vault.kept[WEBHOOK_SECRET] == WebhookSecret("second", previous="first", previous_until=NOW + OVERLAP)
    assert (done.rotated, done.subscribed) == (True, True)
    assert [secret for _, _, secret in house.vendor.subscribed] == ["first", "second"]
    assert house.vendor.ended == ["SUB-1"]
    assert house.integration.subscription_id == "SUB-2"


def test_a_rotation_at_work_goes_on_whatever_is_onboarded_meanwhile() -> None:
    house = House()
    house.take_in(replace(LISBON, webhook_secret="first"))
    house.vault.kept[WEBHOOK_SECRET] = WebhookSecret("first", next="told", next_since=NOW)

    house.take_in(resubscribe=True)
    assert house.vendor.subscribed[-1][-1] == "told", "else it would sign with what will be the secret before"

    house.take_in(replace(LISBON, webhook_secret="second"))
    kept = house.vault.kept[WEBHOOK_SECRET]
    assert isinstance(kept, WebhookSecret)
    assert kept.verifying(NOW) == ("second", "first", "told")


def test_a_vendor_that_answers_with_the_same_subscription_keeps_it() -> None:
    house = House(Vendor(one_per_address=True))
    house.take_in()

    house.take_in(resubscribe=True)

    assert len(house.vendor.subscribed) == 2
    assert house.vendor.ended == []


def test_a_hotel_that_moved_to_another_address_of_the_vendor_is_subscribed_there() -> None:
    house = House()
    house.take_in()

    house.take_in(replace(LISBON, base_url="https://api.hostpms.example/v4"))

    assert len(house.vendor.subscribed) == 2
    # The old address may be gone, and its subscription's id means nothing at the new one.
    assert house.vendor.ended == []


def test_refused_credentials_leave_an_onboarding_that_can_be_done_again() -> None:
    house = House()
    house.vendor.refuses = CredentialsRefused("no")
    with pytest.raises(CredentialsRefused):
        house.take_in()

    house.vendor.refuses = None
    done = house.take_in()

    assert done.subscribed
    assert house.integration.subscription_id == "SUB-1"


@pytest.mark.parametrize(
    ("hotel", "kind"),
    [
        (replace(LISBON, time_zone="Europe/Atlantis"), NotFound),
        (replace(LISBON, vendor="nobody"), NotFound),
        (replace(LISBON, entities=("booking", "minibar")), NotFound),
        (replace(LISBON, property_id="../other"), Malformed),
    ],
)
def test_what_is_told_wrongly_is_refused_before_anything_is_written(hotel: Hotel, kind: type[Exception]) -> None:
    house = House()

    with pytest.raises(kind):
        house.take_in(hotel)

    assert house.vault.kept == {}
    assert house.register.held == {}


def test_a_hotels_secrets_are_in_no_representation() -> None:
    assert "s3cret" not in repr(replace(LISBON, webhook_secret="hook"))
    assert "hook'" not in repr(replace(LISBON, webhook_secret="hook"))


def test_a_hotels_webhook_secret_is_kept_rotating_once_the_hotel_is_in() -> None:
    house = House()
    house.take_in()
    house.take_in()
    assert house.rotating == [WEBHOOK_SECRET, WEBHOOK_SECRET]


def test_a_hotel_that_could_not_be_taken_in_is_not_rotated() -> None:
    house = House(Vendor())
    house.vendor.refuses = CredentialsRefused("no")
    with pytest.raises(CredentialsRefused):
        house.take_in()
    assert house.rotating == []


def test_a_vendor_that_cannot_be_told_of_secrets_is_not_rotated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "TAKES_NEW_SECRETS", False)
    house = House()
    house.take_in()
    assert house.rotating == []


@pytest.mark.parametrize("store", ["table", "secretsmanager"])
def test_secrets_manager_is_asked_to_rotate_only_what_it_has(store: Any) -> None:
    asked: list[tuple[str, Any]] = []

    def client(service: str, **_: Any) -> Any:
        return SimpleNamespace(
            get_alias=lambda **how: asked.append((service, how)) or {"AliasArn": "arn:of:rotate:live"},
            rotate_secret=lambda **how: asked.append((service, how)),
        )

    session: Any = SimpleNamespace(client=client)
    stage = Stage(Names("dev"), session, None, HotelSecrets(store=store, rotate_days=30))

    stage.keep_rotating(WEBHOOK_SECRET)

    rotating = {"RotationLambdaARN": "arn:of:rotate:live", "RotationRules": {"AutomaticallyAfterDays": 30}}
    expected = [
        ("lambda", {"FunctionName": "pousada-dev-rotate", "Name": "live"}),
        ("secretsmanager", {"SecretId": WEBHOOK_SECRET, "RotateImmediately": False, **rotating}),
    ]
    assert asked == (expected if store == "secretsmanager" else [])


def test_a_rotation_that_is_left_pending_is_told_in_words() -> None:
    def refuse(**_: Any) -> Any:
        error = {"Code": "InvalidRequestException", "Message": "A previous rotation isn't complete."}
        raise ClientError({"Error": error}, "RotateSecret")

    client = SimpleNamespace(get_alias=lambda **_: {"AliasArn": "arn:of:rotate:live"}, rotate_secret=refuse)
    session: Any = SimpleNamespace(client=lambda service, **_: client)
    stage = Stage(Names("dev"), session, None, HotelSecrets(store="secretsmanager"))

    with pytest.raises(Superseded) as caught:
        stage.keep_rotating(WEBHOOK_SECRET)
    assert WEBHOOK_SECRET in caught.value.message
    assert "docs/secrets.md" in str(caught.value.fix)


def test_a_hotels_secrets_are_made_under_the_key_of_secrets() -> None:
    made = list[dict[str, Any]]()
    session: Any = SimpleNamespace(
        client=lambda *_, **__: SimpleNamespace(create_secret=lambda **how: made.append(how))
    )
    stage = Stage(Names("dev"), session, None, HotelSecrets(store="secretsmanager"))

    stage.hotel_secrets.write(WEBHOOK_SECRET, WebhookSecret("a"))
    assert [how["KmsKeyId"] for how in made] == [stage.names.secrets_key] == ["alias/pousada-dev-secrets"]
