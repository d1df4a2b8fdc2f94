"""Money: paid ahead, left as a deposit, settled at departure, invoiced later, given back, or failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from scripts.simulators.hostpms.agenda import Event
from scripts.simulators.hostpms.entities import Booking, Payment, Serial
from scripts.simulators.hostpms.premises import Premises
from scripts.simulators.hostpms.tariff import CENT

_DEPOSIT = Decimal("0.30")
_NOTHING = Decimal("0.00")
_TRANSFER_FAILS = 0.08
_GOODWILL = 0.15


class Cashier:
    def __init__(self, premises: Premises) -> None:
        self._premises = premises
        self._ids = Serial("P")
        self._payments: dict[str, list[Payment]] = defaultdict(list)

    def paid_at_booking(self, booking: Booking) -> Decimal:
        """What is charged the moment ``booking`` is made; it is the booking's first deposit."""
        return booking.price.total if booking.rate_plan == "prepaid" and booking.method != "invoice" else _NOTHING

    def open(self, booking: Booking, now: datetime) -> None:
        """A prepaid stay is charged within a minute or two; a bank transfer is waited for."""
        if booking.deposit:
            payment = self._payment(booking, booking.deposit)
            self._later(payment, now, timedelta(seconds=2), timedelta(seconds=90))
        elif booking.method == "transfer":
            share = (booking.price.total * _DEPOSIT).quantize(CENT, ROUND_HALF_UP)
            payment = self._payment(booking, share)
            self._premises.record(payment, now)
            arrival = self._premises.between(now + timedelta(hours=5), now + timedelta(days=2))
            self._premises.agenda.enter(arrival, lambda at: self._transfer_arrives(payment, at))

    def settle(self, booking: Booking, now: datetime) -> None:
        """At departure: the rest and the city's tax; on invoice, some weeks later."""
        rest = booking.price.total + booking.price.city_tax - booking.deposit
        if rest <= 0:
            return
        payment = self._payment(booking, rest)
        if booking.method == "invoice":
            self._premises.record(payment, now)
            self._later(payment, now, timedelta(days=12), timedelta(days=40))
        else:
            self._later(payment, now, timedelta(seconds=1), timedelta(minutes=4))

    def give_back(self, booking: Booking, now: datetime) -> None:
        """After a cancellation. There is no event for it: only the list tells."""
        if booking.rate_plan == "prepaid" and not self._premises.happens(_GOODWILL):
            return
        for payment in self._payments[booking.id]:
            if payment.status == "received":
                payment.status = "refunded"
                self._premises.record(payment, now)

    def _payment(self, booking: Booking, amount: Decimal) -> Payment:
        payment = Payment(
            id=self._ids.next(),
            booking=booking,
            amount=amount,
            method=booking.method,
            quirks=self._premises.quirks("payment"),
        )
        self._payments[booking.id].append(payment)
        return payment

    def _later(self, payment: Payment, now: datetime, soonest: timedelta, latest: timedelta) -> None:
        self._premises.agenda.enter(
            self._premises.between(now + soonest, now + latest), lambda at: self._receive(payment, at)
        )

    def _receive(self, payment: Payment, now: datetime) -> Iterator[Event]:
        payment.status = "received"
        payment.received_at = now
        yield self._premises.announce(payment, "payment.received", now)

    def _transfer_arrives(self, payment: Payment, now: datetime) -> Iterator[Event]:
        booking = payment.booking
        if not booking.is_expected or self._premises.happens(_TRANSFER_FAILS):
            payment.status = "failed"
            self._premises.record(payment, now)
            return
        yield from self._receive(payment, now)
        booking.deposit += payment.amount
        yield self._premises.announce(booking, "reservation.updated", now)
