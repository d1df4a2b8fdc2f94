"""One leg of a sync run: what an order comes to, in good days and bad ones."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec
import pytest

from shared.errors import CredentialsRefused, Malformed, RateLimited, StoreUnavailable, VendorUnavailable
from shared.pipeline import poll_orders
from shared.pipeline.list_walk import Place
from shared.pipeline.poll_orders import PollOrder
from shared.pipeline.polling import FIRST_DELAY, HELD_DELAY, LARGEST_QUEUE_DELAY, MOST_IDLE_LEGS
from shared.pipeline.sync_runs import Holder
from tests.fakes.polling import START, STREAM, Hotel, Killed, ModelList, VirtualClock

MINUTE = timedelta(minutes=1)
SOMEBODY = Holder("somebody", "theirs", START)


def hotel(records: int = 10, **how: object) -> Hotel:
    """With ``records`` of the last hours, a minute apart, the newest two hours old."""
    listed = ModelList(VirtualClock(), **how)  # type: ignore[arg-type]
    for number in range(records):
        listed.add(START - timedelta(hours=2) - (records - 1 - number) * MINUTE)
    return Hotel(listed)


def newest(place: Hotel) -> object:
    return max(row.changed for row in place.listed.rows.values())


# -- A run that succeeds ---------------------------------------------------------------------------


def test_a_first_sync_fetches_all_history_and_says_so() -> None:
    place = hotel(10, per_page=3)

    leg = place.poll()

    assert leg.outcome == "succeeded"
    assert place.raw.versions() == place.listed.versions()
    assert place.run.status == "succeeded"
    assert place.run.finished_at == START
    assert place.run.fetched == leg.fetched == len(place.raw.envelopes())
    assert place.run.pages == len(place.raw.objects)
    assert place.leases.held == {}


def test_a_page_lands_as_envelopes_received_when_it_was_asked_for() -> None:
    place = hotel(2, seconds_a_page=4)

    place.poll()

    ((key, body),) = place.raw.objects.items()
    assert re.fullmatch(r"hostpms/PT-LIS-001/polling/booking/2024/03/01/id0-id1-00001\.ndjson\.gz", key)
    assert body.endswith(b"\n")
    first = place.raw.envelopes()[0]
    assert (first.vendor, first.property_id, first.channel, first.entity) == (
        "hostpms",
        "PT-LIS-001",
        "poll",
        "booking",
    )
    assert first.received_at == START
    assert bytes(first.payload) == b'{"id":0,"version":1}'


def test_the_cursor_stays_behind_the_newest_change_by_the_overlap() -> None:
    place = hotel(10)

    place.poll()

    assert place.cursors.at[STREAM].updated_since == newest(place) - timedelta(minutes=5, seconds=1)


def test_the_cursor_stays_behind_the_runs_own_start_however_long_the_run_takes() -> None:
    place = hotel(2, seconds_a_page=60)
    place.listed.between = iter([lambda: place.listed.change(0)])
    place.listed.per_page = 1

    place.poll()

    assert place.raw.versions()[0] == 2
    assert place.cursors.at[STREAM].updated_since == START - timedelta(minutes=5, seconds=1)


def test_the_next_run_fetches_what_changed_since_and_the_overlap() -> None:
    place = hotel(60, per_page=100)
    place.poll()
    place.clock.sleep(3600)
    place.listed.change(3)

    leg = place.poll()

    assert place.raw.versions() == place.listed.versions()
    assert leg.fetched == 1 + 6


def test_an_empty_list_lands_nothing() -> None:
    place = hotel(0)

    leg = place.poll()

    assert (leg.outcome, leg.fetched, place.raw.objects, place.cursors.at) == ("succeeded", 0, {}, {})


def test_a_record_without_a_time_lands_and_leaves_the_cursor() -> None:
    place = hotel(0)
    place.listed.add(dated=False)

    place.poll()

    assert place.raw.versions() == {0: 1}
    assert place.cursors.at == {}


# -- The time limit --------------------------------------------------------------------------------


def test_a_run_that_nears_the_time_limit_goes_on_in_another_leg() -> None:
    place = hotel(30, per_page=3, seconds_a_page=100)

    first = place.poll()
    legs = [first, *place.work_off()]

    assert [leg.outcome for leg in legs] == ["continued"] * (len(legs) - 1) + ["succeeded"]
    assert len(legs) > 3
    assert place.raw.versions() == place.listed.versions()
    assert place.run.fetched == sum(leg.fetched for leg in legs) == len(place.raw.envelopes())
    assert place.raw.overwritten == []


def test_a_crowd_of_equal_times_that_takes_several_legs_is_read_once_but_for_its_first_page() -> None:
    place = Hotel(ModelList(VirtualClock(), per_page=3, seconds_a_page=100))
    for _ in range(60):
        place.listed.add(START - timedelta(days=1))

    place.poll()
    place.work_off()

    assert place.raw.versions() == place.listed.versions()
    assert len(place.raw.envelopes()) == 60 + 3
    assert place.run.status == "succeeded"


def test_a_continuation_survives_the_queue() -> None:
    place = hotel(30, per_page=3, seconds_a_page=100)
    place.poll()
    ((_, order),) = place.queue.waiting

    again = poll_orders.decode(msgspec.json.encode(order))

    assert again == order
    assert (again.run_id, again.started_at) == (place.run.run_id, place.run.started_at)
    assert again.place is not None


def test_between_two_legs_a_fresh_order_is_dropped() -> None:
    place = hotel(30, per_page=3, seconds_a_page=100)
    place.poll()

    assert place.poll().outcome == "skipped"
    place.work_off()
    assert place.run.status == "succeeded"


def test_a_leg_without_any_time_orders_the_next_but_not_for_ever() -> None:
    place = hotel(3)
    place.seconds_a_leg = 1

    legs = [place.poll(), *place.work_off()]

    assert [leg.outcome for leg in legs] == ["continued"] * MOST_IDLE_LEGS + ["failed"]
    assert isinstance(legs[-1].error, VendorUnavailable)


# -- The vendor ------------------------------------------------------------------------------------


def test_a_long_retry_after_sends_the_run_back_to_the_queue_for_as_long() -> None:
    place = hotel(10, per_page=3)
    place.listed.errors[2] = RateLimited("429", retry_after=90)

    leg = place.poll()

    assert leg.outcome == "continued"
    assert place.run.status == "continued"
    ((due, order),) = place.queue.waiting
    assert due == order.not_before == START + timedelta(seconds=90)
    assert place.work_off()[-1].outcome == "succeeded"
    assert place.raw.versions() == place.listed.versions()
    assert place.run.fetched == len(place.raw.envelopes())


def test_a_retry_after_longer_than_the_queue_can_delay_is_waited_out_all_the_same() -> None:
    place = hotel(10)
    place.listed.errors[1] = RateLimited("429", retry_after=3000)
    place.poll()

    legs = place.work_off()

    assert [leg.outcome for leg in legs] == ["put_back"] * 3 + ["succeeded"]
    assert place.clock() == START + timedelta(seconds=3000)
    assert 3 * LARGEST_QUEUE_DELAY < 3000


def test_an_unavailable_vendor_is_asked_again_later_and_each_time_later_still() -> None:
    place = hotel(3)
    place.listed.errors = {number: VendorUnavailable("503") for number in (1, 2, 3)}
    place.poll()
    dues = []
    while place.queue.waiting:
        ((due, order),) = place.queue.waiting
        dues.append((due - place.clock()).total_seconds())
        place.queue.waiting.clear()
        place.clock.now = due
        place.poll(order)

    assert dues == [2 * FIRST_DELAY, 4 * FIRST_DELAY, 8 * FIRST_DELAY]
    assert place.run.status == "succeeded"


def test_an_unavailable_vendor_that_says_when_is_asked_then() -> None:
    place = hotel(3)
    place.listed.errors[1] = VendorUnavailable("503", retry_after=7.0)

    place.poll()

    assert place.queue.waiting[0][0] == START + timedelta(seconds=7)


def test_an_outage_that_does_not_end_fails_the_run() -> None:
    place = hotel(3)
    place.listed.errors = {number: VendorUnavailable("503") for number in range(1, 100)}

    legs = [place.poll(), *place.work_off()]

    assert legs[-1].outcome == "failed"
    assert place.run.status == "failed"
    assert place.run.error == "VendorUnavailable: 503"
    assert place.leases.held == {}


@pytest.mark.parametrize("error", [CredentialsRefused("401 twice"), Malformed("not a list", reason="malformed_list")])
def test_what_waiting_does_not_mend_fails_at_once(error: Exception) -> None:
    place = hotel(10, per_page=3)
    place.listed.errors[2] = error

    leg = place.poll()

    assert (leg.outcome, leg.error) == ("failed", error)
    assert (place.run.status, place.run.finished_at, place.run.fetched) == ("failed", START, 3)
    assert place.queue.waiting == []
    assert place.leases.held == {}


def test_an_error_that_is_not_ours_is_told_by_its_class_alone() -> None:
    place = hotel(3)
    place.listed.errors[1] = KeyError("joao.silva@example.pt")

    leg = place.poll()

    assert (leg.outcome, place.run.error) == ("failed", "KeyError")


# -- Our own stores --------------------------------------------------------------------------------


def test_a_page_that_cannot_be_landed_counts_as_failed_and_leaves_the_cursor() -> None:
    place = hotel(3)
    place.faults.errors["raw.put"] = StoreUnavailable("S3")

    leg = place.poll()

    assert leg.outcome == "failed"
    assert (place.run.fetched, place.run.failed) == (0, 3)
    assert place.cursors.at == {}


def test_a_run_whose_stores_are_all_down_still_tells_its_first_error() -> None:
    place = hotel(3)
    first = StoreUnavailable("S3")
    place.faults.errors["raw.put"] = first

    def everything_down() -> None:
        place.faults.errors.update({name: StoreUnavailable("DynamoDB") for name in ("runs.save", "leases.release")})

    place.listed.between = iter([everything_down])

    assert place.poll().error is first


def test_a_lease_that_cannot_be_given_back_does_not_fail_the_run() -> None:
    place = hotel(3)
    place.faults.errors["leases.release"] = StoreUnavailable("DynamoDB")

    assert place.poll().outcome == "succeeded"
    assert place.run.status == "succeeded"


# -- The lease -------------------------------------------------------------------------------------


def test_a_fresh_order_is_dropped_where_another_worker_is_at_it() -> None:
    place = hotel(3)
    place.leases.take(STREAM, SOMEBODY, START + MINUTE)

    assert place.poll().outcome == "skipped"
    assert (place.queue.waiting, place.runs.records, place.listed.requests) == ([], {}, 0)


def test_a_continuation_waits_where_another_worker_is_at_it() -> None:
    place = hotel(3)
    place.leases.take(STREAM, SOMEBODY, START + MINUTE)
    order = PollOrder(**STREAM._asdict(), run_id="mine", started_at=START - MINUTE, place=Place(START - MINUTE))

    assert place.poll(order).outcome == "put_back"
    assert place.queue.waiting == [(START + timedelta(seconds=HELD_DELAY), order)]
    assert place.work_off()[-1].outcome == "succeeded"


def test_a_lease_that_ran_out_is_taken_and_its_run_is_closed() -> None:
    place = hotel(10, per_page=3)
    place.faults.kill_at = 6
    with pytest.raises(Killed):
        place.poll()
    place.clock.sleep(3600)

    place.poll()

    assert sorted((run.status, run.error) for run in place.runs.records.values()) == [
        ("failed", "Abandoned"),
        ("succeeded", None),
    ]


def test_an_invocation_holds_the_lease_until_after_its_deadline() -> None:
    place = hotel(3)
    held = []
    place.listed.between = iter([lambda: held.extend(place.leases.held.values())])

    place.poll()

    ((holder, until, reserved),) = held
    assert holder.run_id == place.run.run_id
    assert until > START + timedelta(seconds=place.seconds_a_leg)
    assert not reserved


# -- The order -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"vendor":"hostpms","property_id":"PT-LIS-001"}',
        '{"vendor":"hostpms","property_id":"PT-LIS-001","entity":"booking","run_id":"../../x"}',
        '{"vendor":"hostpms","property_id":"PT-LIS-001","entity":"booking","started_at":"2024-03-01T10:30:00"}',
        '{"vendor":"hostpms","property_id":"PT-LIS-001","entity":"booking","place":{"page":0}}',
    ],
)
def test_what_is_no_order_is_refused(body: str) -> None:
    with pytest.raises(Malformed):
        poll_orders.decode(body)


def test_a_fresh_order_is_three_words() -> None:
    assert msgspec.json.decode(msgspec.json.encode(PollOrder(**STREAM._asdict()))) == STREAM._asdict()
