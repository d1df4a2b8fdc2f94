"""The manifest function with its real client (moto): what the queue hands over becomes one batch, and nothing else."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from lambdas.manifest import handler
from shared.pipeline.manifest import decode
from tests.deliveries import lambda_context
from tests.factories import page_key, webhook_key
from tests.fakes.aws_faults import Fault
from tests.integration.storing_aws import Resources, created, sqs_event, storing_aws

# Powertools warns where a call counted nothing.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics")

NOT_A_DATABASE = "postgresql://u:p@127.0.0.1:1/x"


@pytest.fixture
def aws() -> Iterator[Resources]:
    handler._manifests.cache_clear()
    with storing_aws(NOT_A_DATABASE) as resources:
        yield resources
    handler._manifests.cache_clear()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(handler.logger.registered_handler, "stream", stream)
    return stream


def handle(*bodies: object) -> list[str]:
    """The messages that are to come back."""
    answer = handler.handle(sqs_event(*bodies), lambda_context())
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def test_the_messages_of_one_call_become_one_manifest(aws) -> None:
    assert handle(created(page_key(), 5), created(webhook_key(), 7), created(page_key(), 5)) == []
    ((key, text),) = aws.files(aws.work).items()
    manifest = decode(text)
    assert key == f"manifests/pending/{manifest.batch_id}.json"
    assert [(address.key, address.size) for address in manifest.objects] == [(page_key(), 5), (webhook_key(), 7)]


def test_delivered_again_in_another_order_they_are_the_same_manifest(aws) -> None:
    bodies = [created(page_key(page=number), number) for number in range(5)]
    handle(*bodies)
    before = aws.files(aws.work)
    handle(*reversed(bodies))
    assert aws.files(aws.work) == before


def test_a_replay_is_a_batch_of_its_own(aws) -> None:
    handle(created(page_key()))
    handle(created(page_key(), time="2024-03-02T00:00:00Z", source="pousada.replay"))
    manifests = [decode(text) for _, text in sorted(aws.files(aws.work).items())]
    assert [address.replayed for manifest in manifests for address in manifest.objects] == [False, True]


def test_a_message_that_is_no_event_comes_back_alone(aws, logged) -> None:
    assert handle(created(page_key()), "not json", {"detail": {"object": "marker@example.pt"}}) == ["m1", "m2"]
    ((_, text),) = aws.files(aws.work).items()
    assert [address.key for address in decode(text).objects] == [page_key()]
    assert "marker" not in logged.getvalue()


def test_where_no_message_is_an_event_no_manifest_is_written(aws) -> None:
    assert handle("not json") == ["m0"]
    assert aws.files(aws.work) == {}


def test_a_bucket_that_does_not_take_it_fails_the_call_so_that_all_messages_come_back(aws) -> None:
    fault = Fault("s3.PutObject")
    fault.fail(times=20)
    with pytest.raises(Exception, match="InternalError"):
        handle(created(page_key()))
    fault.fail(times=0)
    assert handle(created(page_key())) == []


def test_it_tells_what_it_wrote(aws, logged) -> None:
    handle(created(page_key(), 5), created(webhook_key(), 7))
    (line,) = (json.loads(line) for line in logged.getvalue().splitlines())
    assert (line["message"], line["objects"], line["size"]) == ("manifest written", 2, 12)
