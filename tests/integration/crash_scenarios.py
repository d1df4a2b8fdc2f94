"""What the crash sweep runs of queues and of the vendor's API, each with a time of its own.

Messages hide and come back, leases expire, by a clock that moves when told to. Each class is a scenario of
``test_crash_sweep``: what it prepares, one delivery of its work, what is compared, and a new process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import moto.sqs.models
import msgspec
import pytest
from botocore.exceptions import ClientError

from lambdas.dispatcher import handler as dispatcher_handler
from lambdas.poller import handler as poller_handler
from lambdas.poller.workplace import Settings, Workplace
from scripts.cli import dead_letter_commands
from scripts.cli.queues import Queue
from scripts.cli.stage import Stage
from scripts.simulators.hostpms import Faults, RunningSimulator, World, running
from scripts.simulators.hostpms.ledger import Version
from scripts.simulators.hostpms.records import encode
from shared.hotel_secrets import OAuthCredentials
from shared.names import Names, oauth_credentials_name
from shared.pipeline import envelope
from shared.pipeline.poll_orders import PollOrder
from shared.settings import read
from shared.storage.integrations import Integration, Integrations
from shared.storage.raw_lake import RawLake
from shared.storage.sync_state import Cursors, SyncRuns
from shared.streams import Stream
from shared.vendors.hostpms import api
from tests.deliveries import lambda_context
from tests.fakes.polling import VirtualClock
from tests.integration.moto_aws import hotel_secrets
from tests.integration.polling_aws import POLL_QUEUE, SYNC_STATE_TABLE, make_polling_resources, table

if TYPE_CHECKING:
    from tests.integration.test_crash_sweep import Place

HIDDEN = timedelta(minutes=30)
"""How long a message of the poll queue stays hidden: what a worker that died leaves it to."""


class Timed:
    """Queues and leases by ``clock``."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self._sqs: Any = None
        """Of the test, and not watched."""

    @contextmanager
    def in_time(self) -> Iterator[pytest.MonkeyPatch]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(moto.sqs.models, "unix_time_millis", lambda: self.clock().timestamp() * 1000)
            patch.setattr(moto.sqs.models, "unix_time", lambda: self.clock().timestamp())
            yield patch

    def forget(self) -> None:
        """Until it is tried again, whatever the dead process held is free."""
        self.clock.sleep(HIDDEN.total_seconds())

    def received(self, url: str) -> dict[str, Any] | None:
        """The next message, when it is due."""
        for _ in range(10):
            answer = self._sqs.receive_message(
                QueueUrl=url, MessageSystemAttributeNames=["All"], VisibilityTimeout=int(HIDDEN.total_seconds())
            )
            if "Messages" in answer:
                (message,) = answer["Messages"]
                return message  # type: ignore[no-any-return]
            counts = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            if not any(int(count) for name, count in counts.items() if name.startswith("ApproximateNumber")):
                return None
            self.clock.sleep(60)
        raise AssertionError("a message is hidden for ever")

    @property
    def poll_queue(self) -> str:
        return Queue(self._sqs, POLL_QUEUE).url

    def bodies(self, url: str) -> set[str]:
        """Of all messages that wait: what was received is hidden from the next look."""
        found = set()
        while messages := self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found.update(message["Body"] for message in messages)
        return found


def onboard(place: Place, property_id: str, base_url: str, *entities: str) -> None:
    integration = Integration(
        property_id=property_id, vendor="hostpms", time_zone="Europe/Lisbon", base_url=base_url, entities=entities
    )
    Integrations(table(place.aws.integrations)).put(integration)


class Dispatch(Timed):
    """The dispatcher, which Lambda invokes again where it fails: three hotels make two calls to the queue."""

    at_least = 3

    def prepare(self, place: Place) -> None:
        with self.in_time():
            self._sqs = boto3.client("sqs")
            make_polling_resources()
            for number in range(2):  # beside the one that is there
                onboard(place, f"PT-OPO-{number}", "https://x", *_ENTITIES)

    def work(self, place: Place) -> bool:
        with self.in_time() as patch:
            patch.setenv("POLL_QUEUE_URL", self.poll_queue)
            dispatcher_handler.handle({}, lambda_context())
        return True

    def state(self, place: Place) -> set[str]:
        with self.in_time():
            orders = self.bodies(self.poll_queue)
        assert len(orders) == 2 * len(_ENTITIES) + 1
        return orders

    def forget(self) -> None:
        dispatcher_handler.stores.cache_clear()


_ENTITIES = ("booking", "guest", "room", "payment", "review")


class Poll(Timed):
    """The poller with HostPMS's simulator over HTTP: a first sync, of pages so slow that it takes two invocations."""

    at_least = 30
    HOTEL = "PT-LIS-001"
    STREAM = Stream("hostpms", HOTEL, "booking")
    SECONDS_A_PAGE = 40
    REMAINING_MS = 95_000

    def __init__(self) -> None:
        super().__init__()
        self._simulator: RunningSimulator | None = None
        self._http: httpx.Client
        """Made once: it reads all the world's certificates."""
        self._workplace: Workplace | None = None

    @contextmanager
    def served(self) -> Iterator[None]:
        world = World(7, [self.HOTEL], date(2024, 3, 1), rooms=4, history_days=10)
        with running(world, Faults(requests_per_minute=100_000)) as self._simulator, api.http_client() as self._http:
            self._http.event_hooks = {"response": [self._passes]}
            yield

    def _passes(self, response: httpx.Response) -> None:
        if response.request.method == "GET":
            self.clock.sleep(self.SECONDS_A_PAGE)

    def prepare(self, place: Place) -> None:
        assert self._simulator
        self.clock.now = datetime(2024, 3, 6, tzinfo=UTC)
        with self.in_time():
            self._sqs = boto3.client("sqs")
            make_polling_resources()
            client = self._simulator.world.credentials(self.HOTEL)
            credentials = OAuthCredentials(client.client_id, client.client_secret)
            name = oauth_credentials_name("hostpms", self.HOTEL)
            hotel_secrets().write(name, credentials)
            onboard(place, self.HOTEL, self._simulator.base_url, self.STREAM.entity)
            self.order()

    def order(self) -> None:
        body = msgspec.json.encode(PollOrder(**self.STREAM._asdict())).decode()
        self._sqs.send_message(QueueUrl=self.poll_queue, MessageBody=body)

    def work(self, place: Place) -> bool:
        with self.in_time() as patch:
            url = self.poll_queue
            patch.setenv("POLL_QUEUE_URL", url)
            patch.setenv("SYNC_STATE_TABLE", SYNC_STATE_TABLE)
            patch.setattr(poller_handler, "workplace", self._made)
            patch.setattr(api, "http_client", lambda: self._http)
            patch.setattr(api, "PER_PAGE", 3)
            patch.setattr(api, "REQUESTS_A_MINUTE", 60_000)
            patch.setattr(api, "_backoff", lambda state: 0.0)
            while message := self.received(url):
                event = {"Records": [message_record(message)]}
                if poller_handler.handle(event, lambda_context(self.REMAINING_MS))["batchItemFailures"]:
                    self.clock.sleep(HIDDEN.total_seconds())
                    return False
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return True

    def _made(self) -> Workplace:
        if self._workplace is None:
            self._workplace = Workplace(read(Settings), self.clock)
        return self._workplace

    def state(self, place: Place) -> dict[str, Any]:
        """Every record as it was landed last, and the cursor; no run is left open."""
        assert self._simulator
        runs = SyncRuns(table(SYNC_STATE_TABLE), self.clock).runs(*self.STREAM)
        assert {run.status for run in runs} <= {"succeeded", "failed"}
        assert runs[0].status == "succeeded"
        found = _landed(RawLake(place.aws.raw, boto3.client("s3")))
        ledger = self._simulator.world.hotel(self.HOTEL).ledger
        assert found == {version.id: encode(version.record) for version in ledger.listed(self.STREAM.entity)}
        cursor = Cursors(table(SYNC_STATE_TABLE)).get(self.STREAM)
        assert cursor
        return {"landed": found, "since": cursor.updated_since}

    def forget(self) -> None:
        super().forget()
        self._workplace = None


class PollAgain(Poll):
    """Three hours after a first sync: in the second a record has changed, but for its time; in the others nothing."""

    at_least = 30

    def __init__(self, first: Poll) -> None:
        """``first``: whose vendor it is."""
        super().__init__()
        self._first = first
        self._newest: Version | None = None
        self._hours: Iterator[Callable[[], object]] = iter(())

    def prepare(self, place: Place) -> None:
        self._simulator, self._http = self._first._simulator, self._first._http
        assert self._simulator
        ledger = self._simulator.world.hotel(self.HOTEL).ledger
        newest = self._newest = self._newest or ledger.listed(self.STREAM.entity)[-1]
        ledger.put(self.STREAM.entity, newest)
        super().prepare(place)
        assert super().work(place)
        changed = replace(newest, record={**newest.record, "special_requests": "a quiet room"})
        self._hours = iter([lambda: None, lambda: ledger.put(self.STREAM.entity, changed), lambda: None])

    def work(self, place: Place) -> bool:
        """What is left of an hour's order, and the hours that follow."""
        while super().work(place):
            happens = next(self._hours, None)
            if happens is None:
                return True
            self.clock.sleep(3600)
            happens()
            with self.in_time():
                self.order()
        return False


def _landed(lake: RawLake) -> dict[str, bytes]:
    bodies = lake.many(item.key for item in lake.list(""))
    envelopes = [envelope.decode(line) for key, body in bodies for line in envelope.lines(key, body)]  # type: ignore[arg-type]
    texts = [bytes(found.payload) for found in sorted(envelopes, key=lambda found: found.received_at)]
    return {json.loads(text)["reservation_id"]: text for text in texts}


def message_record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:poll",
        "awsRegion": "eu-west-1",
    }


class Redrive(Timed):
    """``pousada dead-letters redrive`` where SQS does not move messages by itself; the operator repeats the command."""

    at_least = 13
    NAMES = Names("test", "pousada")

    def prepare(self, place: Place) -> None:
        with self.in_time():
            self._sqs = boto3.client("sqs")
            work, dead = self._queues(self._sqs)
            for queue in (work, dead):
                self._sqs.create_queue(QueueName=queue.name)
            for number in range(3):
                dead.send(b"%d" % number)

    def _queues(self, sqs: Any) -> tuple[Queue, Queue]:
        live = self.NAMES.live_queue
        return Queue(sqs, live), Queue(sqs, self.NAMES.dead_letters_of(live))

    def work(self, place: Place) -> bool:
        with self.in_time():
            session = SimpleNamespace(client=lambda service, endpoint_url: _NoMoveTasks(boto3.client(service)))
            stage = Stage(self.NAMES, session)  # type: ignore[arg-type]
            dead_letter_commands.redrive(SimpleNamespace(obj=SimpleNamespace(open=lambda: stage)), "live")  # type: ignore[arg-type]
            _, dead = self._queues(self._sqs)
            left = dead.depth().total
            self.clock.sleep(HIDDEN.total_seconds())
            return not left

    def state(self, place: Place) -> set[str]:
        """None is lost; one may be there twice."""
        with self.in_time():
            work, dead = self._queues(self._sqs)
            assert self.bodies(dead.url) == set()
            return self.bodies(work.url)


class _NoMoveTasks:
    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sqs, name)

    def start_message_move_task(self, **_: str) -> None:
        raise ClientError({"Error": {"Code": "UnsupportedOperation"}}, "StartMessageMoveTask")
