"""What is changed about a booking between its making and its arrival."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from scripts.simulators.hostpms.agenda import Event
from scripts.simulators.hostpms.entities import Booking
from scripts.simulators.hostpms.premises import Premises
from scripts.simulators.hostpms.rooms_calendar import RoomsCalendar
from scripts.simulators.hostpms.tariff import priced
from scripts.simulators.hostpms.words import REQUESTS

_WAYS = {"wishes": 35, "longer": 20, "moved": 20, "cheaper": 25}


class BookingChanges:
    """``expect`` plans a booking's arrival anew after its dates have changed."""

    def __init__(
        self, premises: Premises, calendar: RoomsCalendar, expect: Callable[[Booking, datetime], None]
    ) -> None:
        self._premises = premises
        self._calendar = calendar
        self._expect = expect

    def change(self, booking: Booking, now: datetime) -> Iterator[Event]:
        if not booking.is_expected:
            return
        way = self._premises.rng.choices(list(_WAYS), list(_WAYS.values()))[0]
        # What is paid for is no longer moved about.
        if booking.deposit:
            way = "wishes"
        if getattr(self, f"_{way}")(booking, now):
            yield self._premises.announce(booking, "reservation.updated", now)

    def _wishes(self, booking: Booking, now: datetime) -> bool:
        booking.requests = self._premises.rng.choice(REQUESTS[self._premises.property.language])
        return True

    def _cheaper(self, booking: Booking, now: datetime) -> bool:
        off = Decimal(self._premises.rng.choice((5, 8, 10))) / 100
        self._price(booking, booking.price.total * (1 - off), booking.nights)
        return True

    def _longer(self, booking: Booking, now: datetime) -> bool:
        more = timedelta(days=self._premises.rng.choice((1, 1, 2)))
        return self._set_dates(booking, booking.check_in, booking.check_out + more, now)

    def _moved(self, booking: Booking, now: datetime) -> bool:
        by = timedelta(days=self._premises.rng.choice((-3, -2, -1, 1, 2, 3, 7)))
        return self._set_dates(booking, booking.check_in + by, booking.check_out + by, now)

    def _set_dates(self, booking: Booking, check_in: date, check_out: date, now: datetime) -> bool:
        """Whether the room is free then, and the arrival still ahead."""
        ahead = check_in > self._premises.today(now)
        if not ahead or not self._calendar.is_free(booking.room, check_in, check_out, apart_from=booking.id):
            return False
        self._calendar.take(booking.room, booking.id, check_in, check_out)
        nights = (check_out - check_in).days
        self._price(booking, booking.price.total * nights / booking.nights, nights)
        booking.check_in, booking.check_out = check_in, check_out
        self._expect(booking, now)
        return True

    def _price(self, booking: Booking, total: Decimal, nights: int) -> None:
        booking.price = priced(self._premises.property, total, booking.adults, nights)
