"""The function rotate against the table, the queue (moto) and HostPMS's simulator."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import msgspec
import pytest

from lambdas.rotate import handler, telemetry
from lambdas.rotate.workplace import Settings, Workplace
from scripts.simulators.hostpms import Faults, RunningSimulator, World, running
from shared.errors import LeaseHeld
from shared.hotel_secrets import OAuthCredentials, WebhookSecret
from shared.names import oauth_credentials_name, webhook_secret_name
from shared.pipeline.rotation_orders import EveryHotel, HotelRotation, Order
from shared.settings import read
from shared.storage.integrations import Integration, Integrations
from shared.storage.secret_stores import SecretsManager
from shared.storage.secrets import Secrets
from shared.vendors.hostpms import api
from tests.deliveries import lambda_context
from tests.integration.moto_aws import hotel_secrets
from tests.integration.polling_aws import INTEGRATIONS_TABLE, polling_aws, table

HOTEL = "PT-LIS-001"
FIRST = "the-first-secret-of-an-invented-hotel"
URL = "https://hooks.example/webhooks"
SETTINGS = {"WEBHOOK_URL": URL, "ROTATE_DAYS": "90", "OVERLAP_HOURS": "72", "NOTICE_SECONDS": "30"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running(World(7, [HOTEL], date(2024, 3, 1), rooms=4, history_days=1)) as started:
        yield started


@dataclass
class Place:
    pms: RunningSimulator
    queue: Any
    log: io.StringIO
    now: datetime

    def onboard(self, **how: Any) -> None:
        """As ``pousada onboard`` leaves a hotel."""
        client = self.pms.world.credentials(HOTEL)
        hotel_secrets().write(
            oauth_credentials_name("hostpms", HOTEL), OAuthCredentials(client.client_id, client.client_secret)
        )
        hotel_secrets().write(webhook_secret_name("hostpms", HOTEL), WebhookSecret(FIRST))
        events = frozenset(["reservation.created"])
        known = self.pms.simulator.subscriptions.add(HOTEL, f"{URL}/hostpms/{HOTEL}", events, FIRST)
        self.register(subscription_id=known.id, **how)

    def register(self, property_id: str = HOTEL, **how: Any) -> None:
        base = {"vendor": "hostpms", "time_zone": "Europe/Lisbon", "entities": (), "base_url": self.pms.base_url}
        Integrations(table(INTEGRATIONS_TABLE)).put(Integration(property_id=property_id, **{**base, **how}))

    def order(self, order: Order) -> None:
        self.queue.send_message(MessageBody=msgspec.json.encode(order).decode())

    def take_one(self) -> bool:
        """Whether the next message was taken in full."""
        (message,) = self.queue.receive_messages(MaxNumberOfMessages=1)
        record = {"messageId": message.message_id, "body": message.body, "receiptHandle": "r", "attributes": {}}
        answer = handler.handle({"Records": [{**record, "eventSource": "aws:sqs"}]}, lambda_context(120_000))
        message.delete()
        return not answer["batchItemFailures"]

    def rotate(self, **how: Any) -> bool:
        """Both legs, the clock moved on in between in place of the queue's delay."""
        order = HotelRotation(vendor="hostpms", property_id=HOTEL, older_than=self.now, **how)
        self.order(order)
        begun = self.take_one()
        self.now += timedelta(seconds=30)
        self.order(order)
        return begun and self.take_one()

    def silence_vendor(self) -> None:
        self.register(subscription_id=self.subscription_id, base_url="http://127.0.0.1:9/v3")

    @property
    def subscription_id(self) -> str:
        (known,) = self.pms.simulator.subscriptions.wanting(HOTEL, "reservation.created")
        return str(known.id)

    @property
    def stored(self) -> WebhookSecret:
        return hotel_secrets().read(webhook_secret_name("hostpms", HOTEL), WebhookSecret)

    @property
    def signs_with(self) -> list[str]:
        return [known.secret for known in self.pms.simulator.subscriptions.wanting(HOTEL, "reservation.created")]


@pytest.fixture
def place(simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    simulator.simulator.faults = Faults(requests_per_minute=100_000)
    for old in simulator.simulator.subscriptions.wanting(HOTEL, "reservation.created"):
        simulator.simulator.subscriptions.remove(old.id)
    monkeypatch.setattr(api, "_backoff", lambda state: 0.0)
    with polling_aws():
        queue = boto3.resource("sqs").create_queue(QueueName="pousada-test-rotate")
        for name, value in {**SETTINGS, "ROTATE_QUEUE_URL": queue.url}.items():
            monkeypatch.setenv(name, value)
        log = io.StringIO()
        monkeypatch.setattr(telemetry.logger.registered_handler, "stream", log)
        made = Place(simulator, queue, log, datetime.now(UTC) + timedelta(days=90))
        here = Workplace(read(Settings), lambda: made.now)
        monkeypatch.setattr(handler, "workplace", lambda: here)
        yield made


def metrics(printed: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return [{key: value for key, value in line.items() if key not in ("_aws", "service")} for line in lines]


def test_a_secret_that_is_due_is_another_at_the_vendor_and_here(place: Place) -> None:
    place.onboard()

    assert place.rotate()

    assert place.signs_with == [place.stored.current]
    assert place.stored.current != FIRST
    assert len(place.stored.current) >= 43, "32 bytes of chance, in base64"
    assert place.stored.previous == FIRST
    assert place.stored.previous_until == place.now + timedelta(hours=72)


def test_a_vendor_that_makes_one_subscription_more_is_left_with_the_new_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.onboard()
    before = place.subscription_id
    monkeypatch.setattr(place.pms.simulator.subscriptions, "replaces", False)

    assert place.rotate()

    assert place.signs_with == [place.stored.current] != [FIRST]
    registered = Integrations(table(INTEGRATIONS_TABLE)).get(HOTEL, "hostpms").subscription_id
    assert registered == place.subscription_id != before


def test_a_stage_that_keeps_its_secrets_in_secrets_manager_is_rotated_alike(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.onboard()
    manager = Secrets(SecretsManager(lambda: boto3.client("secretsmanager")))
    name = webhook_secret_name("hostpms", HOTEL)
    manager.write(name, WebhookSecret(FIRST))
    credentials = oauth_credentials_name("hostpms", HOTEL)
    manager.write(credentials, hotel_secrets().read(credentials, OAuthCredentials))
    here = Workplace(msgspec.structs.replace(read(Settings), hotel_secrets_table=""), lambda: place.now)
    monkeypatch.setattr(handler, "workplace", lambda: here)

    assert place.rotate()

    kept = manager.held(name, WebhookSecret).secret
    assert place.signs_with == [kept.current] != [FIRST]
    assert kept.verifying(place.now) == (kept.current, FIRST)
    assert place.stored == WebhookSecret(FIRST), "the table is not the store of this stage"


def test_a_stolen_secret_verifies_no_more_once_it_is_rotated(place: Place) -> None:
    place.onboard()

    assert place.rotate(forget_previous=True)

    assert place.stored.verifying(place.now) == (place.signs_with[0],)


def test_nobody_else_is_at_it_while_the_function_may_still_tell_the_vendor(place: Place) -> None:
    place.onboard()
    at = handler.workplace()
    one, ends = at.integrations.get(HOTEL, "hostpms"), place.now + timedelta(seconds=120)

    with at.desk(one, at.deadline(120_000)).alone():
        place.now = ends - timedelta(seconds=1)
        with pytest.raises(LeaseHeld), at.desk(one, at.deadline(120_000)).alone():
            pass
        place.now = ends + timedelta(seconds=1)
        with at.desk(one, at.deadline(120_000)).alone():
            pass


def test_a_young_secret_stays(place: Place) -> None:
    place.onboard()
    place.order(HotelRotation(vendor="hostpms", property_id=HOTEL, older_than=datetime(2000, 1, 1, tzinfo=UTC)))

    assert place.take_one()
    assert place.stored == WebhookSecret(FIRST)


def test_the_days_order_has_every_hotel_looked_after_the_paused_too(place: Place) -> None:
    place.onboard(status="paused")
    place.register("ES-MAD-002")
    place.order(EveryHotel())

    assert place.take_one()

    orders = [json.loads(message.body) for message in place.queue.receive_messages(MaxNumberOfMessages=10)]
    assert {order["property_id"] for order in orders} == {HOTEL, "ES-MAD-002"}
    assert {datetime.fromisoformat(order["older_than"]) for order in orders} == {place.now - timedelta(days=90)}


def test_the_age_of_each_secret_is_told_by_kind(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.onboard()
    place.now += timedelta(days=10)
    place.order(HotelRotation(vendor="hostpms", property_id=HOTEL, older_than=datetime(2000, 1, 1, tzinfo=UTC)))

    assert place.take_one()

    told = {line["kind"]: line for line in metrics(capsys.readouterr().out)}
    assert told.keys() == {"webhook-secret", "oauth-credentials"}
    for kind, line in told.items():
        (days,) = line.pop("SecretAgeDays")
        assert days == pytest.approx(100, abs=0.01)
        assert line == {"kind": kind}


def test_a_day_without_a_hotel_is_not_one_without_a_run(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.order(EveryHotel())

    assert place.take_one()

    told = {line["kind"]: line["SecretAgeDays"] for line in metrics(capsys.readouterr().out)}
    assert told == {"webhook-secret": [0], "oauth-credentials": [0]}


def test_a_hotel_without_secrets_is_nobodys_dead_letter(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.register()
    place.order(HotelRotation(vendor="hostpms", property_id=HOTEL, older_than=place.now))

    assert place.take_one()
    assert metrics(capsys.readouterr().out) == []


def test_a_hotel_that_is_not_subscribed_is_counted_and_keeps_its_secret(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.onboard()
    place.register()
    place.order(HotelRotation(vendor="hostpms", property_id=HOTEL, older_than=place.now))

    assert place.take_one()

    assert place.stored == WebhookSecret(FIRST)
    assert {"vendor": "hostpms", "SecretsUntold": [1.0]} in metrics(capsys.readouterr().out)


def test_a_vendor_that_does_not_answer_leaves_a_rotation_that_is_done_later(place: Place) -> None:
    place.onboard()
    place.silence_vendor()
    assert not place.rotate()
    waiting = place.stored
    assert (waiting.current, place.signs_with) == (FIRST, [FIRST])

    place.register(subscription_id=place.subscription_id)
    place.order(HotelRotation(vendor="hostpms", property_id=HOTEL, older_than=place.now - timedelta(days=1)))
    assert place.take_one()

    assert place.signs_with == [place.stored.current] == [waiting.next]


def test_no_value_is_logged(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.onboard()
    place.rotate()
    place.silence_vendor()
    place.now += timedelta(days=91)
    assert not place.rotate()

    told = place.log.getvalue() + capsys.readouterr().out
    client = place.pms.world.credentials(HOTEL)
    assert "webhook secret rotated" in told
    assert "order given back" in told
    for value in (FIRST, place.stored.current, place.stored.next, client.client_secret):
        assert value
        assert value not in told
