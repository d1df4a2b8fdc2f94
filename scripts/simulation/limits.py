"""What each limit bounds, where it is set, and how many hotels it is enough for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from scripts.simulation import demands as d
from scripts.simulation.settings import DATABASE_CLASS, DATABASE_CLASSES

MOST_HOTELS = 100_000_000


_DATABASE = DATABASE_CLASSES[DATABASE_CLASS]


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
    smaller_region: float | None = None
    """As it is in eu-south-2, where that is another value."""

    def use(self, hotels: int) -> float:
        """1: it is full."""
        return self.demand(hotels) / self.value

    def in_smaller_region(self) -> Limit:
        return self if self.smaller_region is None else self._replace(value=self.smaller_region)

    def enough_for(self) -> int:
        """Hotels; found by halving, since not every demand is a straight line."""
        low, high = 0, MOST_HOTELS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.use(middle) > 1 else (middle, high)
        return low


LIMITS: tuple[Limit, ...] = (
    Limit(
        "deliveries in five minutes from one address",
        "requests",
        100_000,
        d.from_one_address,
        "`webhooks.requests_per_address`; a vendor sends for all its hotels from few addresses, here from one",
        "403 from the firewall: the vendor may not try again, and polls find what is missing",
    ),
    Limit(
        "deliveries let in",
        "a second",
        100,
        d.night_audit_a_second,
        "`webhooks.requests_per_second` and `burst`",
        "429: the vendor delivers again, later",
    ),
    Limit(
        "requests of all APIs of the account",
        "a second",
        10_000,
        d.night_audit_a_second,
        "API Gateway, *Throttle rate*",
        "429 for every API of the account",
        smaller_region=2_500,
    ),
    Limit(
        "the dispatcher's time",
        "s",
        900,
        d.dispatching,
        "its timeout is Lambda's longest; more memory makes it quicker",
        "the last hotels are not polled in that hour",
    ),
    Limit(
        "polls' workers",
        "at once",
        5,
        d.pollers,
        "`polling.concurrency`",
        "an hour's polls take longer than the hour",
    ),
    Limit(
        "the watch's time",
        "s",
        240,
        d.watching,
        "`watch.every_minutes`, of which a pass has all but one; asking for several lists at once (not built)",
        "gauges are missing, which is an alarm",
    ),
    Limit(
        "audits' workers",
        "at once",
        2,
        d.auditors,
        "`audit.concurrency`",
        "a day's audits take longer than the day",
    ),
    Limit(
        "the manifests that a leg of an audit reads",
        "s",
        210,
        d.audit_leg,
        "one order for many hotels (not built)",
        "its time is up before it has looked at an object",
    ),
    Limit(
        "the live path's workers",
        "at once",
        10,
        d.applying,
        "`live.concurrency`",
        "rows come later; nothing is refused",
    ),
    Limit(
        "PostgreSQL's storage after a year",
        "GB",
        200,
        d.stored_gb,
        "`database.storage_limit_gib`",
        "PostgreSQL takes no more rows; the raw objects wait",
    ),
    Limit(
        "PostgreSQL's processors, sustained",
        "vCPU",
        _DATABASE.sustained_processors,
        d.database_cores,
        "`database.instance_class`; a burstable one has all of its two for a while",
        "its credits are used up, and each vCPU-hour above costs 0.075 USD",
    ),
    Limit(
        "PostgreSQL's disk",
        "writes a second",
        3_000,
        d.disk_writes_a_second,
        "gp3's own; from 400 GiB on it has 12,000",
        "rows come later",
    ),
    Limit(
        "connections to PostgreSQL",
        "at once",
        _DATABASE.connections,
        d.connections,
        "`database.instance_class`: they follow from its memory",
        "workers are refused, and try again; with the proxy they wait",
    ),
    Limit(
        "writes of a table that is new",
        "a second",
        4_000,
        d.deliveries_written_a_second,
        "the table's warm throughput",
        "503: the vendor delivers again; DynamoDB grows with what it has seen",
    ),
    Limit(
        "writes of a table",
        "a second",
        40_000,
        d.deliveries_written_a_second,
        "DynamoDB, *Table-level write throughput limit*",
        "503: the vendor delivers again",
    ),
    Limit(
        "objects put below one prefix",
        "a second",
        3_500,
        d.night_audit_a_second,
        "none: S3 divides prefixes by itself, and each hotel has its own",
        "503 for some minutes: the vendor delivers again",
    ),
    Limit(
        "functions at once, warm",
        "at once",
        1_000,
        d.executions,
        "Lambda, *Concurrent executions*",
        "429 to callers; what lies in queues waits",
    ),
    Limit(
        "events sent to queues",
        "a second",
        18_750,
        d.events_sent_a_second,
        "EventBridge, *Invocations throttle limit in transactions per second*",
        "events come later, within a day",
        smaller_region=1_100,
    ),
    Limit(
        "messages of the live queue in workers' hands",
        "messages",
        120_000,
        d.in_flight,
        "SQS, in-flight messages of a queue; `live.concurrency` holds it far below",
        "no more is handed out until some are done",
    ),
    Limit(
        "the batch job's time",
        "min",
        50,
        d.job_minutes,
        "`etl.workers`",
        "the next run does the rest",
    ),
)
