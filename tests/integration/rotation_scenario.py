"""The rotation of a webhook secret as a scenario of the crash sweep: the function, its queue, the table, the vendor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import msgspec

from lambdas.rotate import handler
from lambdas.rotate.workplace import Settings, Workplace
from scripts.simulators.hostpms import RunningSimulator
from shared.hotel_secrets import OAuthCredentials, WebhookSecret
from shared.names import oauth_credentials_name, webhook_secret_name
from shared.pipeline.rotation_orders import HotelRotation
from shared.settings import read
from shared.storage.integrations import Integration, Integrations
from shared.storage.secret_stores import SecretTable
from shared.storage.secrets import Secrets
from shared.vendors.hostpms import api
from tests.deliveries import lambda_context
from tests.integration.crash_scenarios import HIDDEN, Poll, Timed, message_record
from tests.integration.moto_aws import HOTEL_SECRETS_TABLE
from tests.integration.polling_aws import SYNC_STATE_TABLE, make_polling_resources, table

if TYPE_CHECKING:
    from tests.integration.test_crash_sweep import Place

START = datetime(2024, 3, 6, tzinfo=UTC)
QUEUE = "pousada-test-rotate"
URL = "https://hooks.example/webhooks"
HOTEL = Poll.HOTEL
FIRST = "the-first-secret-of-an-invented-hotel"
EVENT = "reservation.created"


class Rotate(Timed):
    """Whatever call is struck: the vendor signs with what verifies, at every moment; and in the end with a new one."""

    at_least = 15

    def __init__(self, poll: Poll) -> None:
        super().__init__()
        self._poll = poll
        """Has the simulator, served once for all scenarios, and a client of HTTP."""
        self._secrets: Secrets
        """Of the test, and not watched."""
        self._refused: list[str] = []
        self._workplace: Workplace | None = None

    @property
    def _simulator(self) -> RunningSimulator:
        assert self._poll._simulator
        return self._poll._simulator

    def prepare(self, place: Place) -> None:
        self.clock.now, self._refused = START, []
        subscriptions = self._simulator.simulator.subscriptions
        for old in subscriptions.wanting(HOTEL, EVENT):
            subscriptions.remove(old.id)
        known = subscriptions.add(HOTEL, f"{URL}/hostpms/{HOTEL}", frozenset([EVENT]), FIRST)
        with self.in_time():
            self._sqs = boto3.client("sqs")
            make_polling_resources()
            dynamodb = boto3.client("dynamodb")
            self._secrets = Secrets(SecretTable(lambda: dynamodb, HOTEL_SECRETS_TABLE, self.clock))
            client = self._simulator.world.credentials(HOTEL)
            credentials = OAuthCredentials(client.client_id, client.client_secret)
            self._secrets.write(oauth_credentials_name("hostpms", HOTEL), credentials)
            self._secrets.write(webhook_secret_name("hostpms", HOTEL), WebhookSecret(FIRST))
            self._register(place, known.id)
            self.clock.sleep(timedelta(days=90).total_seconds())
            due = HotelRotation(vendor="hostpms", property_id=HOTEL, older_than=self.clock())
            url = self._sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
            self._sqs.send_message(QueueUrl=url, MessageBody=msgspec.json.encode(due).decode())

    def _register(self, place: Place, subscription_id: str) -> None:
        integration = Integration(
            property_id=HOTEL,
            vendor="hostpms",
            time_zone="Europe/Lisbon",
            base_url=self._simulator.base_url,
            entities=(),
            subscription_id=subscription_id,
        )
        Integrations(table(place.aws.integrations)).put(integration)

    def work(self, place: Place) -> bool:
        with self.in_time() as patch:
            url = self._sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
            settings = {"ROTATE_QUEUE_URL": url, "WEBHOOK_URL": URL, "SYNC_STATE_TABLE": SYNC_STATE_TABLE}
            settings |= {"ROTATE_DAYS": "90", "OVERLAP_HOURS": "72", "NOTICE_SECONDS": "30"}
            for name, value in settings.items():
                patch.setenv(name, value)
            patch.setattr(handler, "workplace", self._made)
            patch.setattr(api, "http_client", lambda: self._http)
            patch.setattr(api, "_backoff", lambda state: 0.0)
            while message := self.received(url):
                if not self._take(message):
                    self.clock.sleep(HIDDEN.total_seconds())
                    return False
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return True

    def _take(self, message: dict[str, Any]) -> bool:
        try:
            answer = handler.handle({"Records": [message_record(message)]}, lambda_context(120_000))
        finally:
            self._deliver()
        return not answer["batchItemFailures"]

    def _deliver(self) -> None:
        """What the vendor would send now, to a worker that asks for the secret."""
        verifying = self._stored.verifying(self.clock())
        for known in self._subscriptions:
            if known.secret not in verifying:
                self._refused.append(f"{known.id} at {self.clock()}")

    def _made(self) -> Workplace:
        if self._workplace is None:
            self._workplace = Workplace(read(Settings), self.clock)
        return self._workplace

    @property
    def _http(self) -> httpx.Client:
        return self._poll._http

    @property
    def _subscriptions(self) -> list[Any]:
        return self._simulator.simulator.subscriptions.wanting(HOTEL, EVENT)

    @property
    def _stored(self) -> WebhookSecret:
        return self._secrets.held(webhook_secret_name("hostpms", HOTEL), WebhookSecret).secret

    def state(self, place: Place) -> str:
        """One subscription, signed with the new secret; the one before verifies for three days, and no longer."""
        assert self._refused == []
        (known,), stored = self._subscriptions, self._stored
        assert known.secret == stored.current != FIRST
        assert stored.since is not None
        assert stored == WebhookSecret(known.secret, FIRST, stored.since + timedelta(hours=72), since=stored.since)
        with self.in_time():
            subscribed = Integrations(table(place.aws.integrations)).get(HOTEL, "hostpms").subscription_id
        assert subscribed == known.id
        return "rotated"

    def forget(self) -> None:
        super().forget()
        self._workplace = None
