"""What each function does in a month: how often it is called, for how long, and what it asks of AWS.

The calls of one unit of work are counted by tests/integration/test_calls_made.py, which holds this module to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from scripts.cost import figures as f
from scripts.cost.charges import Unpriced
from scripts.cost.traffic import DAYS, HOURS_A_MONTH, Traffic


class Calls(NamedTuple):
    """To AWS and to PostgreSQL, of one unit of work."""

    reads: float = 0
    """DynamoDB's GetItem; one read unit at most."""
    writes: float = 0
    """DynamoDB's PutItem, UpdateItem, DeleteItem of less than a kB: one write unit each."""
    puts: float = 0
    gets: float = 0
    lists: float = 0
    """Of the raw bucket, which CloudTrail records."""
    messages: float = 0
    """SQS requests of its own."""
    hotel_secrets: float = 0
    postgresql: float = 0
    """How often it waits for an answer."""
    vendor: float = 0
    """Requests to the vendor."""

    @property
    def ms(self) -> float:
        """Waited for, one after another."""
        return (
            (self.reads + self.writes + self.hotel_secrets) * f.DYNAMODB_MS.value
            + (self.puts + self.lists) * f.S3_PUT_MS.value
            + self.gets * f.S3_GET_MS.value
            + self.messages * f.SQS_MS.value
            + self.postgresql * f.POSTGRESQL_MS.value
            + self.vendor * f.VENDOR_MS.value
        )

    @property
    def to_aws(self) -> float:
        return sum(self) - self.postgresql - self.vendor


NOTHING = Calls()
DELIVERY = Calls(writes=2, puts=1, hotel_secrets=1)
"""Of a hotel that this worker has not heard of for a minute, as most are."""
EVENT = Calls(gets=1, postgresql=21)
"""A delivery's event, alone in its invocation, by a worker that knows the hotel and is connected."""
POLL = Calls(reads=4, writes=7, puts=1, hotel_secrets=1, vendor=1)
"""A run that lands one page, by a worker that has not polled this hotel before."""
QUIET_POLL = Calls(reads=4, writes=5, hotel_secrets=1, vendor=1)
"""One whose page had landed already, by such a worker."""
MANIFEST = Calls(puts=1)


@dataclass(frozen=True, slots=True)
class Work:
    """A function's month."""

    invocations: float
    own_ms: float
    """Processor time of an invocation on one whole processor."""
    waited_ms: float
    calls: Calls = NOTHING
    """Of an invocation."""
    cold_share: float = f.COLD_SHARE.value

    def billed_ms(self, slowness: float) -> float:
        """``slowness``: of its share of a processor. With its part of the cold starts' init phases."""
        cold = self.cold_share * f.COLD_START_MS.value * slowness
        own = self.own_ms + self.calls.to_aws * f.SDK_MS.value
        return own * slowness + self.waited_ms + cold


def _unit(invocations: float, own: f.Figure, calls: Calls) -> Work:
    return Work(invocations, own.value, calls.ms, calls)


def webhook(traffic: Traffic) -> Work:
    return _unit(traffic.deliveries, f.WEBHOOK_OWN_MS, DELIVERY)


def apply(traffic: Traffic) -> Work:
    """Each event alone: at the rates of these models no second one is there yet when the first is taken."""
    return _unit(traffic.objects, f.APPLY_OWN_MS, EVENT)


def poller(traffic: Traffic) -> Work:
    # Awake for some minutes of the hour, so that few of an hour's polls meet a cold start.
    landing = traffic.pages_per_poll
    mean = Calls(*(quiet + landing * (full - quiet) for quiet, full in zip(QUIET_POLL, POLL, strict=True)))
    return _unit(traffic.polls, f.APPLY_OWN_MS, mean)


def manifest(traffic: Traffic) -> Work:
    objects = traffic.objects / traffic.manifests if traffic.manifests else 0
    return Work(traffic.manifests, objects * f.WEBHOOK_OWN_MS.value, MANIFEST.ms, MANIFEST)


def dispatcher(traffic: Traffic) -> Work:
    orders = traffic.hotels * f.ENTITIES_POLLED.value
    calls = Calls(reads=_scanned(traffic), messages=orders / 10)
    waited = (_pages_scanned(traffic) * f.DYNAMODB_MS.value) + calls.messages * f.SQS_MS.value
    own = calls.messages * f.SDK_MS.value
    return Work(HOURS_A_MONTH * traffic.polls_an_hour, own, waited, calls._replace(reads=0), cold_share=1)


def etl(traffic: Traffic) -> Work:
    """A quiet hour's batch in the function itself; see ``usage`` for what is more."""
    objects = traffic.objects_a_batch
    fetched = objects / f.OBJECTS_AT_ONCE.value * f.S3_GET_MS.value
    own = f.ETL_SECONDS.value * 1000 + objects * f.ETL_MS_AN_OBJECT.value
    # The SDK's own work for its GETs is in what was measured.
    return Work(HOURS_A_MONTH * traffic.batches_an_hour, own, fetched, cold_share=1)


def audit(traffic: Traffic) -> Work:
    """One invocation for each hotel and day: its objects, and the manifests of all hotels."""
    objects = audited_objects(traffic)
    calls = Calls(reads=1, lists=f.LISTS_A_HOTEL.value, postgresql=2 + objects / 50)
    # Objects are fetched several at once, manifests one after another.
    fetched = (objects / f.OBJECTS_AT_ONCE.value + manifests_read(traffic)) * f.S3_GET_MS.value
    own = objects * f.AUDIT_MS_AN_OBJECT.value + entries_read(traffic) * f.ENTRY_MS.value
    own += calls.lists * f.LIST_OWN_MS.value
    return Work(traffic.hotels * DAYS, own, calls.ms + fetched, calls)


def audited_objects(traffic: Traffic) -> float:
    """In the audit of one hotel on one day."""
    return traffic.objects / traffic.hotels / DAYS * traffic.audited_days if traffic.hotels else 0


def manifests_read(traffic: Traffic) -> float:
    """By the audit of one hotel: those done in the days it looks at, one of an hour or more, and those pending."""
    return _manifests_of(traffic, 24 * (traffic.audited_days + 1))


def entries_read(traffic: Traffic) -> float:
    """Addresses in those manifests: of all hotels' objects, whichever hotel is audited."""
    return _entries_of(traffic, 24 * (traffic.audited_days + 1))


def _manifests_of(traffic: Traffic, hours: float) -> float:
    """Done in so many hours, merged by each batch or into ten thousand addresses; and those that are pending."""
    merged = max(traffic.batches_an_hour, traffic.objects_an_hour / 10_000)
    return hours * merged + traffic.manifests / HOURS_A_MONTH / traffic.batches_an_hour


def _entries_of(traffic: Traffic, hours: float) -> float:
    return traffic.objects_an_hour * (hours + 1)


def watch(traffic: Traffic) -> Work:
    """A pass asks for each list's last runs, and goes through the folders of the hotels whose turn it is."""
    turns = traffic.hotels / traffic.watch_passes_an_hour / traffic.watch_cycle_hours
    manifests = _manifests_of(traffic, hours=30)
    streams = traffic.hotels * f.ENTITIES_POLLED.value
    calls = Calls(reads=streams, lists=turns * f.LISTS_A_HOTEL.value, gets=manifests)
    own = _entries_of(traffic, hours=30) * f.ENTRY_MS.value + calls.lists * f.LIST_OWN_MS.value
    # Hotels are walked side by side.
    waited = calls.ms - calls.lists * f.S3_PUT_MS.value * (1 - 1 / f.HOTELS_AT_ONCE.value)
    # Of the five runs that a query returns, read as they may be a moment ago, half a unit is billed.
    return Work(traffic.watch_passes_an_hour * HOURS_A_MONTH, own, waited, calls._replace(reads=streams / 2))


def rotate(traffic: Traffic) -> Work:
    return Work(traffic.hotels / 3, 50, 1_000, Calls(reads=1, writes=2, hotel_secrets=1), cold_share=1)


def migrate(traffic: Traffic) -> Work:
    return Work(10, 500, 5_000, cold_share=1)


def _scanned(traffic: Traffic) -> float:
    return _pages_scanned(traffic) * 128


def _pages_scanned(traffic: Traffic) -> float:
    # A page of a scan is 1 MB.
    return max(1.0, traffic.hotels * f.INTEGRATION_BYTES.value / 1_048_576)


WORK: dict[str, Callable[[Traffic], Work]] = {
    work.__name__: work for work in (webhook, apply, poller, manifest, dispatcher, etl, audit, watch, rotate, migrate)
}


def work_of(folder: str, traffic: Traffic) -> Work:
    """Raises Unpriced for a function that nobody has said the work of."""
    if folder not in WORK:
        raise Unpriced(
            f"no work is known of the function {folder}: say in scripts/cost/workload.py what a month of it is"
        )
    return WORK[folder](traffic)
