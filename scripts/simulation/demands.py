"""The arithmetic: how much of each thing that is bounded so many hotels need, in the worst moment."""

from __future__ import annotations

from scripts.cost import figures as f
from scripts.cost.traffic import Traffic
from scripts.cost.workload import DELIVERY, entries_read, manifests_read, work_of
from scripts.simulation.settings import BOOKINGS_PER_DAY, apply_seconds, poll_seconds, slowness, webhook_seconds
from scripts.simulation.traffic import NIGHT_AUDIT_SECONDS, ROOMS_STAYED, SAME_TIME

_NETWORK_BYTES = 75e6
"""A second, that a function reads from S3 at most: 600 Mbit. Documented nowhere, measured by many."""
_ENTRY_BYTES = 114
"""Of an address in a manifest."""


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
    return (work.own_ms * slowness("dispatcher") + work.waited_ms) / 1000


def events_a_second(hotels: int) -> float:
    """For the live path: the night audit's, and an hour's pages while they are polled."""
    return night_audit_a_second(hotels) + hotels * f.ENTITIES_POLLED.value / 3600


def applying(hotels: int) -> float:
    """Workers with full batches."""
    return events_a_second(hotels) * apply_seconds(10) / 10


def auditing_a_hotel(hotels: int) -> float:
    """Seconds: its own objects, and the manifests of all."""
    work = work_of("audit", _traffic(hotels))
    return (work.own_ms * slowness("audit") + work.waited_ms) / 1000 + _reading_manifests(hotels)


def _reading_manifests(hotels: int) -> float:
    return entries_read(_traffic(hotels)) * _ENTRY_BYTES / _NETWORK_BYTES


def audit_leg(hotels: int) -> float:
    """Seconds until a leg of an audit has read the manifests, before it looks at the first object."""
    traffic = _traffic(hotels)
    waited = manifests_read(traffic) * f.S3_GET_MS.value + entries_read(traffic) * f.ENTRY_MS.value * slowness("audit")
    return waited / 1000 + _reading_manifests(hotels)


def auditors(hotels: int) -> float:
    """Workers that are busy all of the day."""
    return hotels * auditing_a_hotel(hotels) / 86_400


def watching(hotels: int, every_minutes: float = 5) -> float:
    """Seconds of a pass of the function watch, so far apart from the next: its queries, and the walks of its share."""
    return querying(hotels) + walking(hotels) * every_minutes / 120


def querying(hotels: int) -> float:
    """Seconds: a query for each list, one after another."""
    return hotels * f.ENTITIES_POLLED.value * (f.DYNAMODB_MS.value + f.SDK_MS.value * slowness("watch")) / 1000


def walking(hotels: int) -> float:
    """Seconds of processor to walk all hotels' folders; the waits are side by side, and shorter."""
    own = (f.SDK_MS.value + f.LIST_OWN_MS.value) * slowness("watch")
    return hotels * f.LISTS_A_HOTEL.value * max(own, f.S3_PUT_MS.value / f.HOTELS_AT_ONCE.value) / 1000


def executions(hotels: int) -> float:
    """Of all functions, warm, in the night audit while it is polled."""
    return night_audit_a_second(hotels) * webhook_seconds() + applying(hotels) + pollers(hotels) + 10


def stored_gb(hotels: int) -> float:
    """In PostgreSQL after a year."""
    return _traffic(hotels).bookings * 12 * f.ROW_BYTES.value / 1e9 * 1.3


def database_cores(hotels: int) -> float:
    """PostgreSQL's, taking what it makes an event wait as its own work: too much rather than too little."""
    return events_a_second(hotels) * f.POSTGRESQL_MS_AN_EVENT.value / 1000


def disk_writes_a_second(hotels: int) -> float:
    return events_a_second(hotels) * f.WRITES_AN_EVENT.value


def connections(hotels: int) -> float:
    """To PostgreSQL: as many workers of the live path and of audits as are needed, the batches', and a person's."""
    return applying(hotels) + auditors(hotels) + 4


def in_flight(hotels: int) -> float:
    """Messages of the live queue that a worker has and has not done: full batches."""
    return 10 * applying(hotels)


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
