"""What the webhook function costs: our own work per delivery, and its cold import.

Three medians of the same signed deliveries, each seen once:

    core    the pure part: parse, verify, envelope, key
    own     the whole handler with AWS answered in memory: Powertools' idempotency, log and metrics included
    sdk     the same with boto3 included: requests are built and signed, canned answers are parsed

The cold import is ``scripts.benchmarks.cold_start``'s.

All of it is processor time: of elapsed times, the ninety-ninth percentile was the scheduler's time slice.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from statistics import quantiles
from time import process_time
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
from botocore.awsrequest import AWSResponse

from lambdas.webhook import handler
from lambdas.webhook.landing import Landing
from lambdas.webhook.receiver import Receiver
from lambdas.webhook.telemetry import logger, metrics
from scripts.benchmarks.cold_start import ENVIRONMENT, import_times
from scripts.benchmarks.silence import silenced
from shared.pipeline import delivery
from shared.storage.raw_lake import RawLake
from shared.storage.secret_stores import SecretTable
from shared.storage.secrets import Secrets
from shared.vendors.hostpms.webhook import sign

RESOURCE = "/webhooks/hostpms/{propertyId}/{event}"
ADDRESS = {"propertyId": "PT-LIS-001", "event": "reservation.created"}
SIGNING_KEY = "benchmark"

Connect = Callable[[str], Any]


def run(deliveries: int = 2000, imports: int = 11) -> dict[str, float]:
    """Microseconds per delivery (``*_us_*``), milliseconds of import (``import_*ms*``), and the ratios of both."""
    return {**own_work(deliveries), **import_times("webhook", imports), "deliveries": deliveries}


def own_work(deliveries: int = 2000) -> dict[str, float]:
    """Microseconds per delivery."""
    with mock.patch.dict(os.environ, ENVIRONMENT):
        core = _core_times(deliveries)
        own = _handler_times(deliveries, _in_memory)
        sdk = _handler_times(deliveries, canned)
    return {**_summary("own", own), **_summary("core", core), **_summary("sdk", sdk)}


def _summary(what: str, seconds: list[float]) -> dict[str, float]:
    percentiles = quantiles(seconds, n=100)
    return {f"{what}_us_p50": round(percentiles[49] * 1e6, 1), f"{what}_us_p99": round(percentiles[98] * 1e6, 1)}


# -- the deliveries ------------------------------------------------------------------------------


def events(count: int) -> Iterator[dict[str, Any]]:
    """Proxy events as API Gateway hands them over: all different, signed now, base64-encoded."""
    timestamp = str(int(datetime.now(UTC).timestamp()))
    for number in range(count):
        body = json.dumps(_reservation(number)).encode()
        headers = {"X-HostPMS-Signature": sign(timestamp, body, SIGNING_KEY), "X-HostPMS-Timestamp": timestamp}
        yield {
            "resource": RESOURCE,
            "pathParameters": ADDRESS,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
            "requestContext": {"requestId": f"request-{number}"},
        }


def _reservation(number: int) -> dict[str, Any]:
    return {
        "reservation_id": f"RSV-{number}",
        "property_id": "PT-LIS-001",
        "guest": {"guest_id": "G-77", "name": "João Silva", "email": "joao.silva@example.pt", "country": "PT"},
        "room": {"type": "Quarto Duplo", "number": "201", "floor": 2},
        "dates": {"check_in": "2024-03-20", "check_out": "2024-03-25", "updated_at": "2024-03-01T10:30:00Z"},
        "pricing": {"total": 450.00, "currency": "EUR", "rate_plan": "Flexível", "iva": 103.50, "deposit": 0.00},
        "status": "confirmado",
        "channel": "booking_com",
        "payment_method": "credit_card",
        "adults": 2,
        "children": 0,
        "special_requests": "Quarto silencioso",
    }


# -- our own work --------------------------------------------------------------------------------


def _core_times(count: int) -> list[float]:
    def take(event: dict[str, Any]) -> None:
        request = delivery.read(event)
        call = delivery.delivery_of(request, delivery.address_of(request))
        now = datetime.now(UTC)
        delivery.raw_delivery(call, delivery.verify(call, (SIGNING_KEY,), now), now)

    return _times(take, count)


def _handler_times(count: int, connect: Connect) -> list[float]:
    with taking(connect) as take:
        return _times(take, count)


@contextlib.contextmanager
def taking(connect: Connect) -> Iterator[Callable[[dict[str, Any]], None]]:
    """The whole handler, warm, for one event after another.

    ``connect`` gives the client of a service, in place of ``boto3.client``.
    """
    context = SimpleNamespace(
        function_name="webhook",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:eu-west-1:000000000000:function:webhook",
        aws_request_id="request",
        get_remaining_time_in_millis=lambda: 10_000,
    )
    receiver = _receiver(connect)
    # A function: a mock would remember every call.
    with mock.patch.object(handler, "receiver", new=lambda: receiver), silenced(logger, metrics):  # noqa: PT008
        yield lambda event: _expect_taken(handler.handle(event, context))


def _receiver(connect: Connect) -> Receiver:
    lake = RawLake(ENVIRONMENT["RAW_BUCKET"], connect("s3"))
    dynamodb = connect("dynamodb")
    secrets = Secrets(SecretTable(lambda: dynamodb, ENVIRONMENT["HOTEL_SECRETS_TABLE"]))
    return Receiver(secrets, Landing(lake, dynamodb, ENVIRONMENT["IDEMPOTENCY_TABLE"]))


def _expect_taken(answer: dict[str, Any]) -> None:
    if answer["body"] != '{"result": "accepted"}':
        raise RuntimeError(f"the benchmark's delivery was answered {answer['statusCode']}")


def _times(take: Callable[[dict[str, Any]], None], count: int) -> list[float]:
    """Processor seconds of each of ``count`` deliveries, after a tenth as many to warm up."""
    warm_up = count // 10
    seconds = []
    for event in list(events(warm_up + count)):
        began = process_time()
        take(event)
        seconds.append(process_time() - began)
    return seconds[warm_up:]


# -- AWS, answered here --------------------------------------------------------------------------


def _in_memory(service: str) -> Any:
    """The least a client may be: each call the function makes has its answer ready."""
    return {
        "s3": SimpleNamespace(put_object=lambda **_: {}),
        "dynamodb": SimpleNamespace(
            put_item=lambda **_: {}, update_item=lambda **_: {}, get_item=lambda **_: {"Item": _secret()}
        ),
    }[service]


def canned(service: str) -> Any:
    """A real client whose requests are answered just before they would reach the network."""
    # To a put and an update of DynamoDB the item means nothing.
    contents = {"s3": b"", "dynamodb": json.dumps({"Item": _secret()}).encode()}
    content = contents[service]

    def answer(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {"Content-Length": str(len(content))}, _Canned(content))

    client = boto3.client(service)
    client.meta.events.register_first("before-send.*", answer)
    return client


class _Canned(io.BytesIO):
    """The one method of urllib3's response that botocore reads a body with."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


def _secret() -> dict[str, dict[str, str]]:
    """The hotel's item."""
    return {"value": {"S": json.dumps({"current": SIGNING_KEY})}}
