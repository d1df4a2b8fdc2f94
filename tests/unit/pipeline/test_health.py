"""How polling stands, told from the records of sync runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from shared.pipeline.health import RUNS_LOOKED_AT, StreamHealth, SyncGauges, is_down, stream_health
from shared.pipeline.sync_runs import Status, SyncRun
from tests.factories import minutes

HOUR = timedelta(hours=1)
NOW = minutes(24 * 60)
ONBOARDED = minutes(0)


def ago(count: float) -> datetime:
    return NOW - timedelta(minutes=count)


def run(minutes_ago: float, status: Status) -> SyncRun:
    stream = {"vendor": "hostpms", "property_id": "PT-LIS-001", "entity": "booking"}
    return SyncRun(**stream, run_id=f"r{minutes_ago:g}", started_at=ago(minutes_ago), status=status)


def health(*newest: SyncRun, onboarded_at: datetime = ONBOARDED) -> StreamHealth:
    return stream_health(newest, onboarded_at, NOW, HOUR)


OK, FAILED, ON, UNDER_WAY = "succeeded", "failed", "continued", "running"


@pytest.mark.parametrize(
    ("runs", "lag", "failing", "silent_since"),
    [
        # On its schedule, up to the very end of the hour; and behind it.
        ([(5, OK)], 0, 0, None),
        ([(60, OK)], 0, 0, None),
        ([(61, OK)], 1, 0, None),
        ([(185, OK)], 125, 0, None),
        # What is under way is neither a failure nor a success.
        ([(1, UNDER_WAY), (61, OK)], 1, 0, None),
        ([(1, ON), (30, FAILED), (65, OK)], 5, 1, 30),
        # Failures in a row, since the last success; those before it are over.
        ([(1, FAILED), (3, FAILED), (61, OK), (62, FAILED)], 1, 2, 3),
        ([(1, OK), (3, FAILED), (5, FAILED)], 0, 0, None),
        # It never succeeded: the first run goes on for hours, or it has failed since it began.
        ([(600, ON)], 0, 0, None),
        ([(1, FAILED), (90, FAILED)], 30, 2, 90),
    ],
)
def test_a_stream_lags_by_what_its_schedule_does_not_explain(runs, lag, failing, silent_since) -> None:
    found = health(*(run(at, status) for at, status in runs))

    assert found.lag == timedelta(minutes=lag)
    assert found.failing == failing
    assert found.silent_since == (None if silent_since is None else ago(silent_since))


def test_a_stream_that_was_never_polled_is_silent_from_when_it_should_have_been() -> None:
    assert health(onboarded_at=ago(59)) == (timedelta(), 0, None)
    assert health(onboarded_at=ago(100)) == (timedelta(minutes=40), 0, ago(40))


def test_runs_are_read_as_far_as_the_last_success_and_never_without_end() -> None:
    read: list[int] = []

    def newest(status: Status) -> Iterator[SyncRun]:
        for number in range(10 * RUNS_LOOKED_AT):
            read.append(number)
            yield run(number, OK if number == 3 and status == OK else FAILED)

    assert stream_health(newest(OK), ONBOARDED, NOW, HOUR).failing == 3
    assert len(read) == 4
    read.clear()
    assert stream_health(newest(FAILED), ONBOARDED, NOW, HOUR).failing == RUNS_LOOKED_AT
    assert len(read) == RUNS_LOOKED_AT


def silent(*minutes_ago: float | None) -> list[StreamHealth]:
    return [StreamHealth(timedelta(), 1, None if one is None else ago(one)) for one in minutes_ago]


@pytest.mark.parametrize(
    ("streams", "delivered", "down"),
    [
        (silent(6, 90), None, True),
        # Five minutes count from when the last of its lists began to fail.
        (silent(5, 90), None, False),
        (silent(4, 90), None, False),
        # One list that does not fail, and it is not down; nor is a hotel of which nothing is polled.
        (silent(None, 90), None, False),
        ([], None, False),
        # A delivery since then, and not one from before.
        (silent(10, 90), 3, False),
        (silent(10, 90), 11, True),
    ],
)
def test_a_hotel_is_down_if_nothing_at_all_has_come_of_it_for_five_minutes(streams, delivered, down) -> None:
    assert is_down(streams, lambda since: delivered is not None and ago(delivered) > since, NOW) is down


def test_deliveries_are_asked_for_only_where_all_polls_fail() -> None:
    def asked(since: datetime) -> bool:
        raise AssertionError("a list of S3 for nothing")

    assert not is_down(silent(None, 90), asked, NOW)


def test_gauges_are_of_the_worst_and_of_all() -> None:
    gauges = SyncGauges()
    gauges.add([StreamHealth(5 * HOUR, 7, ago(9)), StreamHealth(HOUR, 0, None)], down=False)
    gauges.add([StreamHealth(HOUR, 3, ago(9)), StreamHealth(HOUR, 0, None)], down=True)

    assert (gauges.hotels, gauges.down, gauges.streams) == (2, 1, 4)
    assert (gauges.failing_in_a_row, gauges.failure_percent, gauges.lag_minutes) == (7, 50.0, 300.0)


def test_a_hotel_that_is_down_counts_as_such_and_its_lists_not_among_those_that_fail_in_a_row() -> None:
    gauges = SyncGauges()
    gauges.add([StreamHealth(HOUR, 9, ago(9))], down=True)
    assert (gauges.down, gauges.failing_in_a_row, gauges.failure_percent, gauges.lag_minutes) == (1, 0, 100.0, 60.0)

    gauges.add([StreamHealth(HOUR, 2, ago(9)), StreamHealth(HOUR, 0, None)], down=False)
    assert gauges.failing_in_a_row == 2


def test_without_a_hotel_all_is_nought() -> None:
    assert (SyncGauges().failure_percent, SyncGauges().lag_minutes, SyncGauges().hotels) == (0.0, 0.0, 0)
