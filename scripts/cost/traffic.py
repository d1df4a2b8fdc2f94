"""What so many hotels give to do in a month."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.cost import figures as f

DAYS = 365 / 12
HOURS_A_MONTH = 24 * DAYS
SECONDS_A_MONTH = 3600 * HOURS_A_MONTH


@dataclass(frozen=True, slots=True)
class Traffic:
    """All counts are of a month, of all hotels together."""

    hotels: int
    bookings_per_day: float
    """Of each hotel."""
    months: int = 12
    """How long it has been at work: what is stored grows with it."""
    vendors: int = 1
    polls_an_hour: float = 1.0
    """Of each list."""
    audited_days: float = 2.0
    """Into how many daily audits each raw object comes."""
    pages_per_poll: float = f.PAGES_PER_POLL.value
    watch_passes_an_hour: float = 12.0
    watch_cycle_hours: float = 2.0
    """In which the watch goes through each hotel's raw objects once."""
    batches_an_hour: float = 1.0

    @property
    def bookings(self) -> float:
        return self.hotels * self.bookings_per_day * DAYS

    @property
    def deliveries(self) -> float:
        return self.bookings * f.DELIVERIES_PER_BOOKING.value

    @property
    def polls(self) -> float:
        return self.hotels * f.ENTITIES_POLLED.value * self.polls_an_hour * HOURS_A_MONTH

    @property
    def pages(self) -> float:
        return self.polls * self.pages_per_poll

    @property
    def objects(self) -> float:
        """Raw objects landed; a page of few records is small enough for the live path as well."""
        return self.deliveries + self.pages

    @property
    def objects_an_hour(self) -> float:
        return self.objects / HOURS_A_MONTH

    @property
    def bytes_an_hour(self) -> float:
        """Of raw objects, as stored."""
        delivered = self.deliveries * f.DELIVERY_BYTES.value + self.pages * f.PAGE_BYTES.value
        return delivered / HOURS_A_MONTH

    @property
    def objects_a_batch(self) -> float:
        return self.objects_an_hour / self.batches_an_hour

    @property
    def bytes_a_batch(self) -> float:
        return self.bytes_an_hour / self.batches_an_hour

    @property
    def manifests(self) -> float:
        """One for each batch window of a connection at the queue, as long as there are objects enough."""
        windows = f.POLLERS.value * 12 * HOURS_A_MONTH
        return min(self.objects, windows)
