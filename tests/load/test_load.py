"""The loads that are promised, on the embedded stack: sent first, and then the truth is asked for every id.

What is seen from outside is the embedded AWS's cost as much as ours: on two cores it shares them with the vendor and
with every function. What is ours alone is measured in one process, without it, in the last two tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice
from statistics import quantiles
from time import monotonic

import msgspec
import psycopg
import pytest

from scripts.benchmarks import apply, webhook
from scripts.local.stack import LocalStack
from scripts.simulators.hostpms import Courier, running
from scripts.simulators.hostpms.bulk import INVALID_EVERY
from scripts.simulators.hostpms.deliveries import Sent
from scripts.simulators.hostpms.ledger import Version
from scripts.simulators.hostpms.records import encode
from shared.pipeline.envelope import Envelope, encode_page
from shared.pipeline.raw_keys import page_key
from shared.storage.raw_lake import RawLake
from tests.e2e.hotels import pousada
from tests.e2e.simulated_hotels import SimulatedHotel
from tests.e2e.waiting import eventually, until_applied
from tests.load import books
from tests.load.second_phase import amiss

pytestmark = pytest.mark.timeout(1500)

Tell = Callable[[str, object], None]
Hotels = Callable[..., SimulatedHotel]

AT_ONCE = 100
A_MINUTE, MINUTE = 1_000, 60.0
PER_SECOND = 18.0
"""So that the last of a thousand is sent with some seconds of the minute left to be answered in."""
POLLED, POLL_SECONDS = 10_000, 300.0
BATCHED, PAGE = 50_000, 100
SETTLED = 180.0


@pytest.fixture
def hotels(deployed: LocalStack) -> Iterator[Hotels]:
    """Takes in a hotel with so many reservations in its books."""
    with ExitStack() as simulators:

        def hotel(property_id: str, count: int) -> SimulatedHotel:
            pms = simulators.enter_context(running(books.world_with(count, property_id)))
            return SimulatedHotel(deployed, pms, property_id).onboard("booking")

        yield hotel


@pytest.fixture
def tell(record_property: Tell, request: pytest.FixtureRequest) -> Tell:
    """Records a figure, to one decimal place where it is large."""

    def tell(name: str, value: object) -> None:
        record_property(name, round(value, 3 if value < 10 else 1) if isinstance(value, float) else value)

    return tell


def tell_latency(tell: Tell, what: str, sent: Sequence[Sent]) -> None:
    """From sending to the answer, as the vendor sees it through the embedded AWS."""
    hundredths = quantiles([one.answered_at - one.sent_at for one in sent], n=100)
    tell(f"{what}_p50_s", hundredths[49])
    tell(f"{what}_p99_s", hundredths[98])


def taken(sent: Sequence[Sent], count: int, attempts: int = 1) -> None:
    """Every delivery was taken, at its first sending or after so many."""
    assert len(sent) == count
    assert {one.status for one in sent} == {200}
    assert max(one.attempts for one in sent) <= attempts


def seconds_of(sent: Sequence[Sent]) -> float:
    """From the first sending to the last answer."""
    return max(one.answered_at for one in sent) - min(one.sent_at for one in sent)


def until_rows(hotel: SimulatedHotel, seconds: float = SETTLED) -> None:
    """Until there are as many reservations as there should be; which ones is asked afterwards."""
    expected = len(hotel.pms.world.hotel(hotel.property_id).ledger.versions("booking"))
    query = "SELECT count(*) FROM hotel.bookings WHERE hotel_id = %s"

    def are_there() -> bool:
        ((count,),) = connection.execute(query, (hotel.property_id,)).fetchall()
        return bool(count >= expected)

    with psycopg.connect(hotel.local.dsn, autocommit=True) as connection:
        eventually(are_there, "every row", seconds)


def at_once(hotels: Hotels, property_id: str, attempts: int) -> list[Sent]:
    """A hundred deliveries of a hotel of their own, all at once, and each of them asked for."""
    hotel = hotels(property_id, AT_ONCE)
    sent = books.announced(hotel.pms, property_id, Courier(concurrency=AT_ONCE))
    taken(sent, AT_ONCE, attempts)
    until_rows(hotel)
    assert amiss(hotel, once=True) == []
    return sent


def warmed_up(hotels: Hotels) -> list[Sent]:
    """What a stack that nobody has called makes of them.

    Each waits for a process of the embedded AWS to start, all on these cores, and the vendor may lose patience.
    """
    return at_once(hotels, "PT-CLD-801", attempts=Courier().attempts)


def test_a_hundred_webhooks_at_once(hotels: Hotels, tell: Tell) -> None:
    cold, warm = warmed_up(hotels), at_once(hotels, "PT-WRM-802", attempts=1)

    for state, sent in (("cold", cold), ("warm", warm)):
        tell(f"{state}_s", seconds_of(sent))
        tell_latency(tell, state, sent)
    tell("cold_sent_again", sum(one.attempts - 1 for one in cold))


def test_a_thousand_webhooks_in_a_minute(hotels: Hotels, tell: Tell) -> None:
    warmed_up(hotels)
    hotel = hotels("PT-MIN-803", A_MINUTE)

    sent = books.announced(hotel.pms, hotel.property_id, Courier(concurrency=AT_ONCE, per_second=PER_SECOND))
    answered = monotonic()

    tell("seconds", seconds_of(sent))
    tell_latency(tell, "answer", sent)
    taken(sent, A_MINUTE)
    assert seconds_of(sent) <= MINUTE
    until_rows(hotel)
    tell("last_row_after_s", monotonic() - answered)
    assert amiss(hotel, once=True) == []


def test_a_poll_of_ten_thousand_records(hotels: Hotels, tell: Tell) -> None:
    hotel, began = hotels("PT-PLL-804", POLLED), monotonic()

    pousada(hotel.local, "poll", "--wait", "--timeout", str(POLL_SECONDS))
    polled = monotonic() - began
    until_rows(hotel)
    seconds = monotonic() - began

    run = hotel.last_run("booking")
    assert run is not None
    tell("polled_s", polled)
    tell("rows_s", seconds)
    tell("pages", run.pages)
    tell("of_it_waited_for_the_rate_limit_s", run.waited_ms / 1000)
    assert run.fetched >= POLLED
    assert seconds < POLL_SECONDS
    until_applied(hotel.local)
    assert amiss(hotel) == []


def test_the_batch_job_takes_fifty_thousand_records(hotels: Hotels, tell: Tell) -> None:
    """PostgreSQL is emptied of them first, so that its rows are the job's and not the live path's."""
    hotel, began = hotels("PT-ETL-805", BATCHED), monotonic()
    land_pages(hotel)
    until_rows(hotel, seconds=600)
    until_applied(hotel.local)
    tell("live_path_s", monotonic() - began)
    hotel.forget_rows()

    began = monotonic()
    pousada(hotel.local, "etl", "--wait", "--timeout", "600")
    seconds = monotonic() - began

    tell("etl_s", seconds)
    tell("records_per_s", BATCHED / seconds)
    assert amiss(hotel, lake=True, once=True) == []


def test_the_second_phase_finds_each_loss_that_is_planted(hotels: Hotels) -> None:
    """Or the tests above would say nothing."""
    hotel = hotels("PT-PLT-806", INVALID_EVERY)
    # As fast as it goes: the stage lets a hundred a second through, and the vendor sends the rest again.
    courier = Courier(concurrency=8)
    taken(books.announced(hotel.pms, hotel.property_id, courier), INVALID_EVERY, courier.attempts)
    until_rows(hotel)
    until_applied(hotel.local)
    assert amiss(hotel, once=True) == []

    (first, second, third, fourth) = hotel.kept.rows("booking")[:4]
    bucket, s3 = hotel.local.names.raw_bucket, hotel.local.client("s3")
    s3.delete_object(Bucket=bucket, Key=first["raw_key"])
    s3.copy_object(Bucket=bucket, Key=f"{second['raw_key']}.json", CopySource=f"{bucket}/{second['raw_key']}")
    with psycopg.connect(hotel.local.dsn) as connection:
        connection.execute("DELETE FROM hotel.bookings WHERE id = %s", (third["id"],))
        connection.execute("UPDATE hotel.bookings SET adults = 99 WHERE id = %s", (fourth["id"],))
        connection.execute("UPDATE hotel.quarantine SET raw_line = 5 WHERE hotel_id = %s", (hotel.property_id,))

    found = "\n".join(amiss(hotel, once=True))
    assert f"{first['external_id']} was sent, and lies in no raw object" in found
    assert f"{first['external_id']} has a row that names another's raw record" in found
    assert f"{second['external_id']} lies in 2 places" in found
    assert f"PostgreSQL bookings: {third['id']} is missing" in found
    assert f"PostgreSQL bookings: {fourth['id']} differs in adults" in found
    assert (found.count("should be in the quarantine"), found.count("should not be in the quarantine")) == (1, 1)


def land_pages(hotel: SimulatedHotel) -> None:
    """Everything in the books, as a poll of it would have landed it: at the vendor's pace that takes six minutes."""
    lake = RawLake(hotel.local.names.raw_bucket, hotel.local.client("s3"))
    started = datetime.now(UTC)
    versions = iter(hotel.pms.world.hotel(hotel.property_id).ledger.listed("booking"))
    pages = iter(lambda: list(islice(versions, PAGE)), [])

    def land(number: int, page: Sequence[Version]) -> None:
        lake.put(page_key("hostpms", hotel.property_id, "booking", started, "load", number), content(page))

    def content(page: Sequence[Version]) -> bytes:
        return encode_page(
            Envelope(
                vendor="hostpms",
                property_id=hotel.property_id,
                channel="poll",
                received_at=started,
                entity="booking",
                payload=msgspec.Raw(encode(version.record)),
            )
            for version in page
        )

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(land, number, page) for number, page in enumerate(pages, start=1)]:
            done.result()


def test_our_own_work_for_a_delivery(tell: Tell) -> None:
    """The webhook function without the embedded AWS."""
    for name, value in webhook.own_work().items():
        tell(name, value)


def test_our_own_work_for_an_event(tell: Tell) -> None:
    """The apply function on a real PostgreSQL, without the embedded AWS."""
    for name, value in apply.run().items():
        tell(name, value)
