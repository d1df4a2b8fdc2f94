"""The dispatcher with its real clients, against DynamoDB and SQS (moto)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from lambdas.dispatcher import handler
from shared.errors import Misconfigured, StoreUnavailable
from shared.storage.integrations import Integration, Integrations
from tests.deliveries import lambda_context
from tests.fakes.aws_faults import Fault
from tests.integration.polling_aws import INTEGRATIONS_TABLE, polling_aws, queue_url, table

ENTITIES = ("booking", "guest", "room", "payment")
SCHEDULED = {"version": "0", "source": "aws.scheduler", "detail": {}}


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with polling_aws():
        handler.stores.cache_clear()
        yield
    handler.stores.cache_clear()


def hotel(property_id: str, **how: Any) -> None:
    integration = Integration(
        property_id=property_id,
        vendor="hostpms",
        time_zone="Europe/Lisbon",
        base_url="https://api.hostpms.example/v3",
        **{"entities": ENTITIES, **how},
    )
    Integrations(table(INTEGRATIONS_TABLE)).put(integration)


def dispatch(event: dict[str, Any] | None = None) -> Any:
    return handler.handle(event or SCHEDULED, lambda_context())


def ordered() -> list[tuple[str, str]]:
    """Property and entity of each message in the queue."""
    queue = boto3.resource("sqs").Queue(queue_url())
    bodies = []
    while messages := queue.receive_messages(MaxNumberOfMessages=10):
        bodies += [json.loads(message.body) for message in messages]
        for message in messages:
            message.delete()
    assert all(set(body) == {"vendor", "property_id", "entity"} for body in bodies)
    return sorted((body["property_id"], body["entity"]) for body in bodies)


def test_the_schedule_orders_a_poll_of_each_property_and_entity() -> None:
    hotel("PT-LIS-001")
    hotel("ES-MAD-002", entities=("booking", "room"))
    hotel("PT-OPO-003", status="paused")

    assert dispatch() == {"orders": 6}
    assert ordered() == [
        ("ES-MAD-002", "booking"),
        ("ES-MAD-002", "room"),
        *(("PT-LIS-001", entity) for entity in sorted(ENTITIES)),
    ]


def test_without_hotels_nothing_is_ordered() -> None:
    assert dispatch() == {"orders": 0}


def test_an_event_may_name_what_to_poll() -> None:
    hotel("PT-LIS-001")
    hotel("ES-MAD-002")

    dispatch({"property_id": "PT-LIS-001", "entity": "room"})

    assert ordered() == [("PT-LIS-001", "room")]


def test_many_hotels_are_ordered_in_batches() -> None:
    for number in range(13):
        hotel(f"PT-LIS-{number:03d}")

    assert dispatch() == {"orders": 52}
    assert len(set(ordered())) == 52


def test_a_broken_integration_is_told_after_all_others_were_ordered() -> None:
    hotel("PT-LIS-001")
    hotel("PT-LIS-002")
    table(INTEGRATIONS_TABLE).put_item(Item={"property_id": "PT-LIS-000", "vendor": "hostpms", "status": "active"})

    with pytest.raises(Misconfigured, match="PT-LIS-000"):
        dispatch()
    assert len(ordered()) == 8


def test_a_queue_that_takes_some_of_a_batch_is_given_the_rest_again() -> None:
    hotel("PT-LIS-001")
    _, queue = handler.stores()
    takes_half = TakesHalf(queue._client)
    queue._client = takes_half

    assert dispatch() == {"orders": 4}
    assert takes_half.sizes == [4, 2, 1]
    assert len(ordered()) == 4


def test_a_queue_that_takes_nothing_is_told() -> None:
    hotel("PT-LIS-001")
    Fault("sqs.SendMessageBatch").fail(100, "InternalFailure")

    with pytest.raises(StoreUnavailable):
        dispatch()


def test_a_queue_that_goes_on_refusing_is_told() -> None:
    hotel("PT-LIS-001")
    hotel("ES-MAD-002")
    _, queue = handler.stores()
    queue._client = TakesHalf(queue._client)

    with pytest.raises(StoreUnavailable, match="did not take 1 orders"):
        dispatch()


class TakesHalf:
    """An SQS client whose queue takes the first half of each batch, at least one of them."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.sizes: list[int] = []

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.sizes.append(len(Entries))
        half = max(1, len(Entries) // 2)
        self._client.send_message_batch(QueueUrl=QueueUrl, Entries=Entries[:half])
        return {"Failed": [{"Id": entry["Id"], "SenderFault": False, "Code": "x"} for entry in Entries[half:]]}
