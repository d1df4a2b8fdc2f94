"""The arithmetic: what each limit bounds, how much of it so many hotels need, and how many it is enough for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from scripts.cost import figures as f
from scripts.cost.traffic import Traffic
from scripts.cost.workload import DELIVERY, entries_read, manifests_read, work_of
from scripts.simulation.settings import BOOKINGS_PER_DAY, apply_seconds, poll_seconds, webhook_seconds
from scripts.simulation.traffic import NIGHT_AUDIT_SECONDS, ROOMS_STAYED, SAME_TIME

MOST_HOTELS = 10_000_000
_NETWORK_BYTES = 75e6
"""A second, that a function reads from S3 at most: 600 Mbit. Documented nowhere, measured by many."""
_ENTRY_BYTES = 114
"""Of an address in a manifest."""


class Limit(NamedTuple):
    what: str
    unit: str
    value: float
    """As it is by default."""
    demand: Callable[[int], float]
    """Of so many hotels, in the worst moment."""
    where: str
    """The switch in cdk.json, or the quota's name in Service Quotas."""
    full_means: str

    def use(self, hotels: int) -> float:
        """1: it is full."""
        return self.demand(hotels) / self.value

    def enough_for(self) -> int:
        """Hotels; found by halving, since not every demand is a straight line."""
        low, high = 0, MOST_HOTELS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.use(middle) > 1 else (middle, high)
        return low


def _traffic(hotels: int) -> Traffic:
    return Traffic(hotels, BOOKINGS_PER_DAY)


def night_audit_a_second(hotels: int) -> float:
    return hotels * SAME_TIME * ROOMS_STAYED / NIGHT_AUDIT_SECONDS


def from_one_address(hotels: int) -> float:
    return night_audit_a_second(hotels) * NIGHT_AUDIT_SECONDS


def pollers(hotels: int) -> float:
    """Workers that are busy all of the hour."""
    return hotels * f.ENTITIES_POLLED.value * poll_seconds() / 3600


def dispatching(hotels: int) -> float:
    """Seconds of the function dispatcher, of 256 MiB."""
    work = work_of("dispatcher", _traffic(hotels))
    return (work.own_ms * 1769 / 256 + work.waited_ms) / 1000


def events_a_second(hotels: int) -> float:
    """For the live path: the night audit's, and an hour's pages while they are polled."""
    return night_audit_a_second(hotels) + hotels * f.ENTITIES_POLLED.value / 3600


def applying(hotels: int) -> float:
    """Workers with full batches."""
    return events_a_second(hotels) * apply_seconds(10) / 10


def auditing_a_hotel(hotels: int) -> float:
    """Seconds: its own objects, and the manifests of all."""
    work = work_of("audit", _traffic(hotels))
    return (work.own_ms * 1.73 + work.waited_ms) / 1000 + _reading_manifests(hotels)


def _reading_manifests(hotels: int) -> float:
    return entries_read(_traffic(hotels)) * _ENTRY_BYTES / _NETWORK_BYTES


def audit_leg(hotels: int) -> float:
    """Seconds until a leg of an audit has read the manifests, before it looks at the first object."""
    traffic = _traffic(hotels)
    waited = manifests_read(traffic) * f.S3_GET_MS.value + entries_read(traffic) * f.ENTRY_MS.value * 1.73
    return waited / 1000 + _reading_manifests(hotels)


def auditors(hotels: int) -> float:
    """Workers that are busy all of the day."""
    return hotels * auditing_a_hotel(hotels) / 86_400


def watching(hotels: int) -> float:
    """Seconds of a pass of the function watch: a query for each list, one after another."""
    streams = hotels * f.ENTITIES_POLLED.value
    return streams * (f.DYNAMODB_MS.value + f.SDK_MS.value * 1769 / 512) / 1000


def executions(hotels: int) -> float:
    """Of all functions, warm, in the night audit while it is polled."""
    return night_audit_a_second(hotels) * webhook_seconds() + applying(hotels) + pollers(hotels) + 10


def stored_gb(hotels: int) -> float:
    """In PostgreSQL after a year."""
    return _traffic(hotels).bookings * 12 * f.ROW_BYTES.value / 1e9 * 1.3


def database_cores(hotels: int) -> float:
    """PostgreSQL's, taking what it makes an event wait as its own work: too much rather than too little."""
    return events_a_second(hotels) * f.POSTGRESQL_MS_AN_EVENT.value / 1000


def job_minutes(hotels: int) -> float:
    """Of an hour's batch by Spark, on the cores of two workers."""
    objects = _traffic(hotels).objects_an_hour
    return (60 + objects * (f.ETL_MS_AN_OBJECT.value + f.S3_GET_MS.value / 8) / 1000 / 8) / 60


def deliveries_written_a_second(hotels: int) -> float:
    """To the table of deliveries: one item, written twice."""
    return DELIVERY.writes * night_audit_a_second(hotels)


def events_sent_a_second(hotels: int) -> float:
    """Each object's to the live queue and to the batch queue."""
    return 2 * night_audit_a_second(hotels)


LIMITS: tuple[Limit, ...] = (
    Limit(
        "deliveries in five minutes from one address",
        "requests",
        100_000,
        from_one_address,
        "`webhooks.requests_per_address`; a vendor sends for all its hotels from few addresses, here from one",
        "403 from the firewall: the vendor may not try again, and polls find what is missing",
    ),
    Limit(
        "deliveries let in",
        "a second",
        100,
        night_audit_a_second,
        "`webhooks.requests_per_second` and `burst`",
        "429: the vendor delivers again, later",
    ),
    Limit(
        "requests of all APIs of the account",
        "a second",
        10_000,
        night_audit_a_second,
        "API Gateway, *Throttle rate*",
        "429 for every API of the account",
    ),
    Limit(
        "requests of all APIs of the account, in eu-south-2",
        "a second",
        2_500,
        night_audit_a_second,
        "API Gateway, *Throttle rate*; a younger region has a quarter, and a burst of 1,250",
        "429 for every API of the account",
    ),
    Limit(
        "the dispatcher's time",
        "s",
        900,
        dispatching,
        "its timeout is Lambda's longest; more memory makes it quicker",
        "the last hotels are not polled in that hour",
    ),
    Limit(
        "polls' workers",
        "at once",
        5,
        pollers,
        "`polling.concurrency`",
        "an hour's polls take longer than the hour",
    ),
    Limit(
        "the watch's time",
        "s",
        300,
        watching,
        "`watch.every_minutes`; asking for several lists at once (not built)",
        "gauges are missing, which is an alarm",
    ),
    Limit(
        "audits' workers",
        "at once",
        2,
        auditors,
        "`audit.concurrency`",
        "a day's audits take longer than the day",
    ),
    Limit(
        "the manifests that a leg of an audit reads",
        "s",
        210,
        audit_leg,
        "one order for many hotels (not built)",
        "its time is up before it has looked at an object",
    ),
    Limit(
        "the live path's workers",
        "at once",
        10,
        applying,
        "`live.concurrency`",
        "rows come later; nothing is refused",
    ),
    Limit(
        "PostgreSQL's storage after a year",
        "GB",
        200,
        stored_gb,
        "`database.storage_limit_gib`",
        "PostgreSQL takes no more rows; the raw objects wait",
    ),
    Limit(
        "PostgreSQL's processors",
        "vCPU",
        2,
        database_cores,
        "`database.instance_class`",
        "rows come later",
    ),
    Limit(
        "writes of a table that is new",
        "a second",
        4_000,
        deliveries_written_a_second,
        "the table's warm throughput",
        "503: the vendor delivers again; DynamoDB grows with what it has seen",
    ),
    Limit(
        "writes of a table",
        "a second",
        40_000,
        deliveries_written_a_second,
        "DynamoDB, *Table-level write throughput limit*",
        "503: the vendor delivers again",
    ),
    Limit(
        "objects put below one prefix",
        "a second",
        3_500,
        night_audit_a_second,
        "none: S3 divides prefixes by itself, and each hotel has its own",
        "503 for some minutes: the vendor delivers again",
    ),
    Limit(
        "functions at once, warm",
        "at once",
        1_000,
        executions,
        "Lambda, *Concurrent executions*",
        "429 to callers; what lies in queues waits",
    ),
    Limit(
        "events sent to queues",
        "a second",
        18_750,
        events_sent_a_second,
        "EventBridge, *Invocations throttle limit in transactions per second*",
        "events come later, within a day",
    ),
    Limit(
        "the batch job's time",
        "min",
        50,
        job_minutes,
        "`etl.workers`",
        "the next run does the rest",
    ),
)
