"""What one unit of each function's work asks of others, counted where all calls pass.

``scripts/cost/workload.py`` reckons the cost and the scale with these numbers: one that changes here changes there.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from lambdas.apply import handler as apply_handler
from lambdas.manifest import handler as manifest_handler
from lambdas.poller import telemetry as poller_telemetry
from lambdas.webhook import handler as webhook_handler
from lambdas.webhook import telemetry as webhook_telemetry
from scripts.cost import figures
from scripts.cost.workload import DELIVERY, EVENT, MANIFEST, POLL, QUIET_POLL, Calls
from shared.pipeline import cursors
from shared.pipeline.cursors import KNOWN_FOR
from tests.deliveries import lambda_context
from tests.factories import envelope, record, webhook_key
from tests.fakes.crash_points import crash_points, kept_clients
from tests.integration import crash_scenarios
from tests.integration import test_crash_sweep as sweep
from tests.integration.moto_aws import fresh_session
from tests.integration.storing_aws import created, sqs_event

LAMBDAS_OWN_LINES = 450
"""START, END and REPORT, in bytes: about as much, with the trace's ids."""


@pytest.fixture(autouse=True)
def clients() -> Iterator[None]:
    with kept_clients(fresh_session()):
        yield


@pytest.fixture(scope="module")
def poll() -> Iterator[crash_scenarios.Poll]:
    scenario = crash_scenarios.Poll()
    scenario.SECONDS_A_PAGE = 0
    with scenario.served():
        yield scenario


def calls_of(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> Calls:
    """What ``work`` asks for, in a process that has done ``before``; a call that nothing here knows is an error."""
    with crash_points() as points:
        before()
        points.calls.clear()
        work()
    counted: Counter[str] = Counter()
    for call in points.calls:
        counted[_KINDS["http GET" if call.startswith("http GET") else call]] += 1
    return Calls(**counted)


def with_secrets_in_the_table(calls: Calls) -> Calls:
    """A hotel's secret is read like any item."""
    return calls._replace(reads=calls.reads + calls.hotel_secrets, hotel_secrets=0)


_KINDS = {
    "aws dynamodb GetItem": "reads",
    "aws dynamodb PutItem": "writes",
    "aws dynamodb UpdateItem": "writes",
    "aws dynamodb DeleteItem": "writes",
    "aws s3 PutObject": "puts",
    "aws s3 GetObject": "gets",
    "postgresql": "postgresql",
    "postgresql commit": "postgresql",
    "http GET": "vendor",
}


def test_a_delivery_to_a_worker_that_has_not_heard_of_the_hotel(database, monkeypatch, capsys) -> None:
    log = io.StringIO()
    monkeypatch.setattr(webhook_telemetry.logger.registered_handler, "stream", log)
    sweep.signed_at.cache_clear()
    webhook_handler.receiver.cache_clear()

    with sweep.prepared(sweep.SCENARIOS["webhook"], database) as place:
        assert calls_of(lambda: sweep.deliver(place)) == with_secrets_in_the_table(DELIVERY)

    webhook_handler.receiver.cache_clear()
    assert_as_long_as_is_reckoned(log.getvalue() + capsys.readouterr().out)


def test_an_event_to_a_worker_that_is_connected(database) -> None:
    sweep.forget_apply()
    with sweep.place(database) as place:

        def apply(number: int) -> None:
            event = sqs_event(created(webhook_key(delivery=str(number))))
            assert not apply_handler.handle(event, lambda_context())["batchItemFailures"]

        for number in (1, 2):
            sent = record("booking", reservation_id=f"RSV-{number}")
            place.aws.land(webhook_key(delivery=str(number)), [envelope(sent, None, event="reservation.created")])
        assert calls_of(lambda: apply(2), before=lambda: apply(1)) == EVENT
    sweep.forget_apply()


def test_a_manifest(database) -> None:
    with sweep.place(database) as place:
        manifest_handler._manifests.cache_clear()
        assert calls_of(lambda: sweep.make_manifest(place)) == MANIFEST
    manifest_handler._manifests.cache_clear()


@pytest.mark.parametrize(
    ("known_for", "calls"), [(KNOWN_FOR, QUIET_POLL), (timedelta(0), POLL)], ids=["nothing new", "a page"]
)
def test_a_poll(known_for, calls, poll, database, monkeypatch, capsys) -> None:
    """Of a page that had landed, and of one for which that was too long ago."""
    monkeypatch.setattr(cursors, "KNOWN_FOR", known_for)
    log = io.StringIO()
    with sweep.place(database) as place:
        poll.prepare(place)
        assert poll.work(place)
        monkeypatch.setattr(poller_telemetry.logger.registered_handler, "stream", log)
        capsys.readouterr()
        poll.clock.sleep(600)
        with poll.in_time():
            poll.order()
        poll._workplace = None

        found = calls_of(lambda: poll.work(place))

    poll.forget()
    assert found == with_secrets_in_the_table(calls)
    assert_as_long_as_is_reckoned(log.getvalue() + capsys.readouterr().out)


def assert_as_long_as_is_reckoned(written: str) -> None:
    assert 0.7 * figures.LOG_BYTES.value < len(written) + LAMBDAS_OWN_LINES < 1.3 * figures.LOG_BYTES.value
