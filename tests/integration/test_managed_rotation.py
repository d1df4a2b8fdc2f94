"""The function rotate as Secrets Manager's rotation function: its versions and labels (moto), HostPMS's simulator."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args
from uuid import uuid4

import boto3
import msgspec
import pytest
from botocore.exceptions import ConnectionClosedError

from lambdas.rotate import handler, managed, telemetry
from lambdas.rotate.workplace import Settings, Workplace
from scripts.simulators.hostpms import Faults, RunningSimulator, World, running
from shared.errors import Misconfigured, PousadaError, Superseded, VendorUnavailable
from shared.hotel_secrets import OAuthCredentials, WebhookSecret
from shared.names import oauth_credentials_name, webhook_secret_name
from shared.pipeline import rotation_orders
from shared.pipeline.managed_rotation import Step
from shared.pipeline.rotation_orders import EveryHotel, HotelRotation, Order
from shared.settings import read
from shared.storage.integrations import Integration, Integrations
from shared.storage.secret_stores import SecretsManager
from shared.storage.secrets import Secrets
from shared.vendors.hostpms import api
from tests.deliveries import lambda_context
from tests.integration.polling_aws import INTEGRATIONS_TABLE, polling_aws, table

HOTEL = "PT-LIS-001"
FIRST = "the-first-secret-of-an-invented-hotel"
URL = "https://hooks.example/webhooks"
EVENT = "reservation.created"
NAME, CREDENTIALS = webhook_secret_name("hostpms", HOTEL), oauth_credentials_name("hostpms", HOTEL)
SETTINGS = {"WEBHOOK_URL": URL, "ROTATE_DAYS": "90", "OVERLAP_HOURS": "72", "NOTICE_SECONDS": "30"}
STEPS: tuple[Step, ...] = get_args(Step)
WRITES = ("PutSecretValue", "UpdateSecretVersionStage")


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running(World(7, [HOTEL], date(2024, 3, 1), rooms=4, history_days=1)) as started:
        yield started


@dataclass
class Managed:
    """An onboarded hotel, and a rotation that Secrets Manager has begun: a version with nothing in it yet."""

    pms: RunningSimulator
    queue: Any
    log: io.StringIO
    now: datetime
    token: str = field(default_factory=lambda: str(uuid4()))
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = boto3.client("secretsmanager")
        self.secrets = Secrets(SecretsManager(lambda: self.client))
        client = self.pms.world.credentials(HOTEL)
        self.secrets.write(CREDENTIALS, OAuthCredentials(client.client_id, client.client_secret))
        self.secrets.write(NAME, WebhookSecret(FIRST))
        url = f"{URL}/hostpms/{HOTEL}"
        known = self.pms.simulator.subscriptions.add(HOTEL, url, frozenset([EVENT]), FIRST)
        self.register(known.id, self.pms.base_url)
        self.workplace = Workplace(read(Settings), lambda: self.now)
        self.begin(self.workplace.secrets_manager)

    def register(self, subscription_id: str | None, base_url: str) -> None:
        how: dict[str, Any] = {"vendor": "hostpms", "time_zone": "Europe/Lisbon", "entities": ()}
        one = Integration(property_id=HOTEL, base_url=base_url, subscription_id=subscription_id, **how)
        Integrations(table(INTEGRATIONS_TABLE)).put(one)

    def begin(self, client: Any) -> None:
        """As AWS does; moto knows no version without a value."""
        describe = client.describe_secret

        def with_an_empty_version(**asked: str) -> Any:
            found = describe(**asked)
            found["VersionIdsToStages"].setdefault(self.token, ["AWSPENDING"])
            return found

        client.describe_secret = with_an_empty_version

    def step(self, name: Step) -> None:
        arn = self.client.describe_secret(SecretId=NAME)["ARN"]
        event = {"Step": name, "SecretId": arn, "ClientRequestToken": self.token, "RotationToken": "of no account"}
        managed.take(event, self.workplace, self.workplace.deadline(120_000), self._sleep)
        assert set(self.signs_with) <= set(self.stored.verifying(self.now))

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def take_order(self, order: Order) -> None:
        record = {"messageId": "m", "body": msgspec.json.encode(order).decode(), "receiptHandle": "r"}
        sent = {"Records": [{**record, "attributes": {}, "eventSource": "aws:sqs"}]}
        assert not handler.handle(sent, lambda_context(120_000))["batchItemFailures"]

    @property
    def labels(self) -> dict[str, list[str]]:
        """Of each version that has one of Secrets Manager's own."""
        found = self.client.describe_secret(SecretId=NAME)["VersionIdsToStages"]
        return {
            label: [version for version, labels in found.items() if label in labels]
            for label in ("AWSCURRENT", "AWSPENDING")
        }

    @property
    def stored(self) -> WebhookSecret:
        return self.secrets.held(NAME, WebhookSecret).secret

    @property
    def signs_with(self) -> list[str]:
        return [known.secret for known in self.pms.simulator.subscriptions.wanting(HOTEL, EVENT)]


@pytest.fixture
def rotation(simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Managed]:
    simulator.simulator.faults = Faults(requests_per_minute=100_000)
    for old in simulator.simulator.subscriptions.wanting(HOTEL, EVENT):
        simulator.simulator.subscriptions.remove(old.id)
    monkeypatch.setattr(api, "_backoff", lambda state: 0.0)
    with polling_aws():
        queue = boto3.resource("sqs").create_queue(QueueName="pousada-test-rotate")
        for name, value in {**SETTINGS, "ROTATE_QUEUE_URL": queue.url, "HOTEL_SECRETS_TABLE": ""}.items():
            monkeypatch.setenv(name, value)
        log = io.StringIO()
        monkeypatch.setattr(telemetry.logger.registered_handler, "stream", log)
        made = Managed(simulator, queue, log, datetime.now(UTC) + timedelta(days=90))
        monkeypatch.setattr(handler, "workplace", lambda: made.workplace)
        yield made


def test_the_four_steps_give_hotel_and_vendor_a_new_secret(rotation: Managed) -> None:
    for step in STEPS:
        rotation.step(step)

    kept = rotation.stored
    assert rotation.signs_with == [kept.current] != [FIRST]
    assert rotation.slept == [30.0]
    assert (kept.previous, kept.previous_until) == (FIRST, rotation.now + timedelta(hours=72))
    assert rotation.labels == {"AWSCURRENT": [rotation.token], "AWSPENDING": []}


def test_each_step_may_be_taken_again_and_again_from_the_first(rotation: Managed) -> None:
    for upto in range(1, len(STEPS) + 1):
        for step in STEPS[:upto] * 2:
            rotation.step(step)

    assert rotation.signs_with == [rotation.stored.current] != [FIRST]
    assert rotation.labels == {"AWSCURRENT": [rotation.token], "AWSPENDING": []}


@pytest.mark.parametrize(
    ("moment", "call"),
    [
        ("before-call", "GetSecretValue"),
        *((moment, call) for moment in ("before-call", "after-call") for call in WRITES),
    ],
)
def test_a_rotation_that_is_struck_at_any_call_comes_to_its_end(rotation: Managed, moment: str, call: str) -> None:
    """At the first such call, then the second…: each once, and the steps taken from the first again."""
    struck = _Strikes()
    rotation.workplace.secrets_manager.meta.events.register(f"{moment}.secrets-manager.{call}", struck)
    for _ in range(40):
        struck.next()
        with suppress(PousadaError):
            for step in STEPS:
                rotation.step(step)
            break
    assert struck.count > 1
    assert rotation.signs_with == [rotation.stored.current] != [FIRST]
    assert rotation.labels["AWSCURRENT"] == [rotation.token]


class _Strikes:
    """The nth call fails, another n each time."""

    def __init__(self) -> None:
        self.count, self._left = 0, 0

    def next(self) -> None:
        self.count, self._left = self.count + 1, self.count + 1

    def __call__(self, **_: Any) -> None:
        self._left -= 1
        if self._left == 0:
            raise ConnectionClosedError(endpoint_url="https://secretsmanager.invalid")


def test_a_vendor_that_does_not_answer_leaves_a_rotation_that_is_done_later(rotation: Managed) -> None:
    (known,) = rotation.pms.simulator.subscriptions.wanting(HOTEL, EVENT)
    rotation.register(known.id, "http://127.0.0.1:9/v3")
    rotation.step("createSecret")
    with pytest.raises(VendorUnavailable):
        rotation.step("setSecret")
    assert (rotation.stored.current, rotation.signs_with) == (FIRST, [FIRST])

    rotation.register(known.id, rotation.pms.base_url)
    for step in STEPS:
        rotation.step(step)
    assert rotation.signs_with == [rotation.stored.current] != [FIRST]


def test_what_is_left_pending_of_a_secret_given_by_hand_is_taken_out_of_the_way(rotation: Managed) -> None:
    for step in STEPS[:2]:
        rotation.step(step)
    assert rotation.labels["AWSPENDING"] == [rotation.token]
    (told,) = rotation.signs_with
    by_hand = WebhookSecret("given by hand", previous=told)
    rotation.secrets.replace(NAME, rotation.secrets.held(NAME, WebhookSecret), by_hand)

    with pytest.raises(Superseded):
        rotation.step("finishSecret")
    assert (rotation.stored, rotation.labels["AWSPENDING"]) == (by_hand, [])

    rotation.token = str(uuid4())
    for step in STEPS:
        rotation.step(step)
    assert rotation.signs_with == [rotation.stored.current]
    assert rotation.stored.previous == "given by hand"


def test_one_rotation_follows_another(rotation: Managed) -> None:
    seen = {FIRST}
    for _ in range(3):
        rotation.token = str(uuid4())
        for step in STEPS:
            rotation.step(step)
        seen.add(rotation.stored.current)
        rotation.now += timedelta(days=90)
    assert len(seen) == 4


def test_setting_a_rotation_up_tests_it_with_nothing_pending(rotation: Managed) -> None:
    rotation.step("testSecret")
    assert rotation.stored == WebhookSecret(FIRST)


def test_the_daily_run_takes_ages_and_leaves_the_rotating_to_secrets_manager(
    rotation: Managed, capsys: pytest.CaptureFixture[str]
) -> None:
    rotation.now += timedelta(days=900)
    rotation.take_order(EveryHotel())
    (message,) = rotation.queue.receive_messages()
    order = rotation_orders.decode(message.body)
    rotation.take_order(order)

    assert (rotation.stored, rotation.signs_with) == (WebhookSecret(FIRST), [FIRST])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert {line["kind"] for line in lines if "SecretAgeDays" in line} == {"webhook-secret", "oauth-credentials"}
    assert not [line for line in lines if "SecretsUntold" in line or "SecretsRotated" in line]


def test_a_hotel_whose_vendor_cannot_be_told_is_counted_and_keeps_its_secret(
    rotation: Managed, capsys: pytest.CaptureFixture[str]
) -> None:
    rotation.register(None, rotation.pms.base_url)
    with pytest.raises(Misconfigured):
        rotation.step("createSecret")

    assert rotation.stored == WebhookSecret(FIRST)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [(line["vendor"], line["SecretsUntold"]) for line in lines] == [("hostpms", [1.0])]


def test_an_order_by_hand_is_carried_out_all_the_same(rotation: Managed) -> None:
    order = HotelRotation(vendor="hostpms", property_id=HOTEL, older_than=rotation.now, forget_previous=True)
    rotation.take_order(order)
    rotation.now += timedelta(seconds=30)
    rotation.take_order(order)
    assert rotation.stored.verifying(rotation.now) == tuple(rotation.signs_with) != (FIRST,)


@pytest.mark.parametrize(
    "event",
    [
        {"Step": "createSecret"},
        {"Step": "drop", "SecretId": NAME, "ClientRequestToken": "b"},
        {"Step": "createSecret", "SecretId": "", "ClientRequestToken": ""},
        {"Step": "createSecret", "SecretId": CREDENTIALS, "ClientRequestToken": "the current"},
        {"Step": "createSecret", "SecretId": "no/such/secret", "ClientRequestToken": "x" * 36},
    ],
)
def test_what_is_no_step_of_a_webhook_secret_is_refused(rotation: Managed, event: dict[str, str]) -> None:
    if event.get("ClientRequestToken") == "the current":
        event["ClientRequestToken"] = rotation.client.get_secret_value(SecretId=CREDENTIALS)["VersionId"]
    with pytest.raises(Misconfigured):
        handler.handle(event, lambda_context(120_000))


def test_a_version_that_no_rotation_wants_is_refused(rotation: Managed) -> None:
    """A step of a rotation that is over, come late: its version is AWSPREVIOUS by now."""
    over = rotation.client.get_secret_value(SecretId=NAME)["VersionId"]
    for step in STEPS:
        rotation.step(step)
    event = {"Step": "finishSecret", "SecretId": NAME, "ClientRequestToken": over}
    with pytest.raises(Misconfigured):
        handler.handle(event, lambda_context(120_000))


def test_no_value_is_logged(rotation: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    for step in STEPS:
        rotation.step(step)
    signs_with = rotation.signs_with
    broken: Any = OAuthCredentials("client", "broken-secret")
    rotation.secrets.replace(NAME, rotation.secrets.held(NAME, WebhookSecret), broken)
    rotation.token = str(uuid4())
    with pytest.raises(Misconfigured):
        rotation.step("createSecret")

    told = rotation.log.getvalue() + capsys.readouterr().out
    client = rotation.pms.world.credentials(HOTEL)
    assert "step taken" in told
    assert "step failed" in told
    for value in (FIRST, *signs_with, client.client_secret, "broken-secret"):
        assert value not in told
