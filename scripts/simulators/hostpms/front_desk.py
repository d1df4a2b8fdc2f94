"""A booking's life: made, perhaps confirmed, changed or cancelled, then a stay or a guest who never came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta

from scripts.simulators.hostpms import demand
from scripts.simulators.hostpms.agenda import Action, Event
from scripts.simulators.hostpms.booking_changes import BookingChanges
from scripts.simulators.hostpms.cashier import Cashier
from scripts.simulators.hostpms.entities import Booking, Guest, Room, Serial
from scripts.simulators.hostpms.guest_book import GuestBook
from scripts.simulators.hostpms.housekeeping import Housekeeping
from scripts.simulators.hostpms.invalid_records import InvalidRecords
from scripts.simulators.hostpms.premises import Premises
from scripts.simulators.hostpms.tariff import price
from scripts.simulators.hostpms.words import REQUESTS

_CANCELLED_OTA, _CANCELLED_ELSE = 0.21, 0.11
_NO_SHOW = 0.025
_CHANGED = 0.22
_STARTS_PENDING = 0.09
_NEVER_CONFIRMED = 0.15
_SAYS_WISHES = 0.30
_PROFILE_AT_BOOKING = {"site": 0.95, "direct": 0.9, "agent": 0.5}
_PROFILE_AT_BOOKING_ELSE = 0.15
_PROFILE_AT_ARRIVAL = 0.8
_CORRECTED_AT_ARRIVAL = 0.1


class FrontDesk:
    def __init__(self, premises: Premises, guests: GuestBook, cashier: Cashier, housekeeping: Housekeeping) -> None:
        self._premises = premises
        self._guests = guests
        self._cashier = cashier
        self._housekeeping = housekeeping
        self._ids = Serial("RSV")
        self._invalid = InvalidRecords(premises, guests)
        self._changes = BookingChanges(premises, housekeeping.calendar, self._expect)

    def asked(self, now: datetime) -> Iterator[Event]:
        """Somebody asks for a room; where one is free, a booking begins."""
        wish = demand.wish(self._premises.property, self._premises.today(now), self._premises.rng)
        if wish is None:
            return
        room = self._housekeeping.calendar.find(wish.kinds, wish.check_in, wish.check_out)
        if room is not None:
            yield from self._open(self._booking(wish, room, self._guests.somebody(), now), now)

    def _booking(self, wish: demand.Wish, room: Room, guest: Guest, now: datetime) -> Booking:
        premises = self._premises
        dates = (wish.check_in, wish.check_out)
        booking = Booking(
            id=self._ids.next(),
            guest=guest,
            room=room,
            quirks=premises.quirks("booking"),
            created_at=now,
            check_in=wish.check_in,
            check_out=wish.check_out,
            price=price(premises.property, room.kind, *dates, wish.rate_plan, wish.adults, wish.factor),
            rate_plan=wish.rate_plan,
            channel=wish.channel,
            method=wish.method,
            adults=wish.adults,
            children=wish.children,
        )
        if premises.happens(_SAYS_WISHES):
            booking.requests = premises.rng.choice(REQUESTS[premises.property.language])
        return booking

    def _open(self, booking: Booking, now: datetime) -> Iterator[Event]:
        premises = self._premises
        self._housekeeping.calendar.take(booking.room, booking.id, booking.check_in, booking.check_out)
        booking.deposit = self._cashier.paid_at_booking(booking)
        if not booking.deposit and booking.check_in > premises.today(now) and premises.happens(_STARTS_PENDING):
            booking.status = "pending"
        if premises.happens(_PROFILE_AT_BOOKING.get(booking.channel, _PROFILE_AT_BOOKING_ELSE)):
            yield from self._guests.introduce(booking.guest, now)
        yield premises.announce(booking, "reservation.created", now)
        self._cashier.open(booking, now)
        self._plan(booking, now)
        yield from self._invalid.beside(booking, now)

    # -- What will become of it ------------------------------------------------------------------------
    def _plan(self, booking: Booking, now: datetime) -> None:
        premises = self._premises
        self._expect(booking, now)
        eve = premises.moment(booking.check_in, time(0), time(11))
        if booking.status == "pending":
            at = premises.between(now + timedelta(hours=2), min(now + timedelta(days=3), eve))
            premises.agenda.enter(at, lambda at: self._decide(booking, at))
        if eve <= now:
            return
        if premises.happens(_CHANGED):
            premises.agenda.enter(premises.between(now, eve), lambda at: self._changes.change(booking, at))
        if premises.happens(_CANCELLED_OTA if demand.is_ota(booking.channel) else _CANCELLED_ELSE):
            premises.agenda.enter(premises.between(now, eve), lambda at: self._cancel(booking, at))

    def _expect(self, booking: Booking, now: datetime) -> None:
        """Arrival and departure on the booking's dates; plans for former dates are void."""
        premises = self._premises
        booking.dates_set += 1
        if premises.happens(_NO_SHOW) and not booking.deposit:
            missed = premises.moment(booking.check_in + timedelta(days=1), time(2), time(4))
            premises.agenda.enter(missed, self._on_these_dates(booking, self._no_show))
            return
        premises.agenda.enter(self._arrival(booking, now), self._on_these_dates(booking, self._check_in))

    def _arrival(self, booking: Booking, now: datetime) -> datetime:
        """From 15 h on, when rooms are ready; who books later than that follows within the hour."""
        usual = self._premises.moment(booking.check_in, time(15), time(23))
        return max(usual, now + timedelta(minutes=3) + self._premises.some(timedelta(minutes=40)))

    def _on_these_dates(self, booking: Booking, do: Callable[[Booking, datetime], Iterator[Event]]) -> Action:
        dates_set = booking.dates_set
        return lambda at: do(booking, at) if booking.dates_set == dates_set else iter(())

    # -- What happens ----------------------------------------------------------------------------------
    def _decide(self, booking: Booking, now: datetime) -> Iterator[Event]:
        if booking.status != "pending":
            return
        if self._premises.happens(_NEVER_CONFIRMED):
            yield from self._cancel(booking, now)
            return
        booking.status = "confirmed"
        yield self._premises.announce(booking, "reservation.updated", now)

    def _cancel(self, booking: Booking, now: datetime) -> Iterator[Event]:
        if not booking.is_expected:
            return
        booking.status = "cancelled"
        self._housekeeping.calendar.release(booking.room, booking.id)
        yield self._premises.announce(booking, "reservation.cancelled", now)
        self._cashier.give_back(booking, now)

    def _no_show(self, booking: Booking, now: datetime) -> Iterator[Event]:
        if booking.is_expected:
            booking.status = "no_show"
            self._housekeeping.calendar.release(booking.room, booking.id)
            yield self._premises.announce(booking, "reservation.no_show", now)

    def _check_in(self, booking: Booking, now: datetime) -> Iterator[Event]:
        if not booking.is_expected:
            return
        booking.status = "checked_in"
        if self._premises.happens(_PROFILE_AT_ARRIVAL):
            yield from self._guests.introduce(booking.guest, now)
        if self._premises.happens(_CORRECTED_AT_ARRIVAL):
            self._guests.correct(booking.guest, now)
        yield self._premises.announce(booking, "reservation.check_in", now)
        yield from self._housekeeping.occupy(booking.room, now)
        self._premises.agenda.enter(self._departure(booking.check_out), lambda at: self._check_out(booking, at))

    def _departure(self, day: date) -> datetime:
        return self._premises.moment(day, time(7), time(12))

    def _check_out(self, booking: Booking, now: datetime) -> Iterator[Event]:
        booking.status = "checked_out"
        yield self._premises.announce(booking, "reservation.check_out", now)
        yield from self._housekeeping.vacate(booking.room, now)
        self._cashier.settle(booking, now)
        self._guests.count_stay(booking.guest, now)
