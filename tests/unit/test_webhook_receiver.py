"""Whose a delivery is and whether it is trusted: secrets, their rotation, and what is asked of their store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lambdas.webhook.receiver import Receiver
from shared.errors import Malformed, Misconfigured, NotFound, StoreUnavailable, Unauthenticated
from shared.pipeline import delivery
from shared.storage.secret_stores import SecretsManager
from shared.storage.secrets import Secrets
from tests.deliveries import BODY, NOW, PROPERTY, SECRET, lambda_context, proxy_event
from tests.fakes.webhook import FakeClock, FakeLanding, FakeSecretsManager


class World:
    """A receiver with one property, and everything around it in memory."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.landing = FakeLanding()
        self.store = FakeSecretsManager()
        self.store.hold(PROPERTY, current=SECRET)
        self.receiver = Receiver(
            Secrets(SecretsManager(lambda: self.store), self.clock), self.landing, clock=lambda: NOW
        )

    def receive(self, body: bytes = BODY, **how: Any) -> Any:
        request = delivery.read(proxy_event(body, **how))
        return self.receiver.receive(delivery.delivery_of(request, delivery.address_of(request)), lambda_context())


@pytest.fixture
def world() -> World:
    return World()


def test_a_signed_delivery_lands(world: World) -> None:
    receipt = world.receive()

    assert (receipt.result, receipt.signed_with) == ("accepted", "current")
    assert [landed.key for landed in world.landing.landed] == [receipt.raw_key]


def test_a_repeated_delivery_is_told_apart(world: World) -> None:
    assert [world.receive().result, world.receive().result] == ["accepted", "duplicate"]


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"secret": "guessed"}, Unauthenticated),
        ({"at": NOW - timedelta(minutes=6)}, Unauthenticated),
        ({"property_id": "PT-LIS-999"}, NotFound),
        ({"body": b"<xml/>"}, Malformed),
    ],
)
def test_a_refused_delivery_does_not_land(world: World, how: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        world.receive(**how)
    assert world.landing.landed == []


def test_a_body_is_read_only_once_its_signature_holds(world: World) -> None:
    with pytest.raises(Unauthenticated):
        world.receive(body=b"<xml/>", secret="guessed")


def test_a_secret_is_asked_for_once_in_a_minute(world: World) -> None:
    world.receive()
    world.clock.advance(60)
    world.receive()
    assert len(world.store.reads) == 1

    world.clock.advance(1)
    world.receive()
    assert len(world.store.reads) == 2


def test_a_rotated_secret_is_learnt_from_the_first_delivery_signed_with_it(world: World) -> None:
    world.receive()
    world.store.hold(PROPERTY, current="the-new-secret", previous=SECRET)
    world.clock.advance(11)

    assert world.receive(secret="the-new-secret").signed_with == "current"
    assert world.receive(secret=SECRET).signed_with == "previous"


def test_once_the_rotation_has_ended_the_old_secret_is_refused(world: World) -> None:
    world.store.hold(PROPERTY, current="the-new-secret")

    with pytest.raises(Unauthenticated):
        world.receive(secret=SECRET)


def test_a_stolen_secret_that_was_forgotten_verifies_for_a_minute_more_at_a_worker_that_nobody_else_calls(
    world: World,
) -> None:
    """Only a signature that does not hold would have it look: forged ones hold."""
    world.receive()
    world.store.hold(PROPERTY, current="the-new-secret")
    world.clock.advance(60)
    assert world.receive(secret=SECRET).signed_with == "current"

    world.clock.advance(1)
    with pytest.raises(Unauthenticated):
        world.receive(secret=SECRET)


def test_forgeries_ask_for_the_secret_at_most_every_ten_seconds(world: World) -> None:
    for _ in range(30):
        with pytest.raises(Unauthenticated):
            world.receive(secret="guessed")
        world.clock.advance(1)

    assert len(world.store.reads) == 3


def test_a_replay_asks_for_no_newer_secret(world: World) -> None:
    world.receive()
    world.clock.advance(11)
    with pytest.raises(Unauthenticated):
        world.receive(at=NOW - timedelta(minutes=6))

    assert len(world.store.reads) == 1


def test_a_property_without_a_secret_is_unknown(world: World) -> None:
    with pytest.raises(NotFound) as caught:
        world.receive(property_id="PT-LIS-999")
    assert caught.value.reason == "unknown_property"


def test_an_unknown_property_is_not_looked_up_again_at_once(world: World) -> None:
    for _ in range(5):
        with pytest.raises(NotFound):
            world.receive(property_id="PT-LIS-999")
    assert len(world.store.reads) == 1


def test_a_property_onboarded_meanwhile_is_known_within_half_a_minute(world: World) -> None:
    with pytest.raises(NotFound):
        world.receive(property_id="ES-MAD-002")
    world.store.hold("ES-MAD-002", current=SECRET)
    world.clock.advance(31)

    assert world.receive(property_id="ES-MAD-002").result == "accepted"


@pytest.mark.parametrize("values", [{}, {"current": ""}, {"current": None}, {"current": 5}, {"previous": SECRET}])
def test_without_a_proper_secret_nobody_is_let_in(world: World, values: dict[str, Any]) -> None:
    world.store.hold(PROPERTY, **values)

    for secret in (SECRET, "", "None"):
        with pytest.raises(Misconfigured) as caught:
            world.receive(secret=secret)
        assert SECRET not in str(caught.value)


def test_an_empty_previous_secret_is_none(world: World) -> None:
    world.store.hold(PROPERTY, current=SECRET, previous="")

    with pytest.raises(Unauthenticated):
        world.receive(secret="")


@pytest.mark.parametrize("failure", ["network", "InternalServiceError", "ThrottlingException", "AccessDeniedException"])
def test_a_failing_secrets_manager_is_our_fault_and_not_remembered(world: World, failure: str) -> None:
    world.store.failing = failure
    with pytest.raises(StoreUnavailable):
        world.receive()

    world.store.failing = None
    assert world.receive().result == "accepted"


def test_a_secret_scheduled_for_deletion_is_no_secret(world: World) -> None:
    world.store.failing = "InvalidRequestException"

    with pytest.raises(NotFound):
        world.receive()
