"""Records that break the rules: extra ones, of their own ids, so that the truth about all others stands.

What each must be refused for is known when it is made (../shared/vendors/hostpms.md, "Rules a record is
held to").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import datetime
from itertools import cycle
from random import Random

from scripts.simulators.hostpms.agenda import Event
from scripts.simulators.hostpms.entities import Booking, Guest, Serial
from scripts.simulators.hostpms.guest_book import GuestBook
from scripts.simulators.hostpms.ledger import Refused, Version
from scripts.simulators.hostpms.premises import Premises
from scripts.simulators.hostpms.quirks import Record
from scripts.simulators.hostpms.records import ID_FIELDS, embedded_guest, instant, render

_NO_CURRENCY = "EUX"
_FIRST_ID = 900_000
Spoil = Callable[[Record, str], None]
"""Spoils a record; the second argument is another property's id."""


def _check_out(record: Record, _: str) -> None:
    record["dates"]["check_out"] = record["dates"]["check_in"]


def _total(record: Record, _: str) -> None:
    record["pricing"]["total"] = -45
    del record["pricing"]["iva"]  # or the tax would exceed the total as well


def _tax(record: Record, _: str) -> None:
    record["pricing"] |= {"total": 90, "iva": 103.5}


def _currency(record: Record, _: str) -> None:
    record["pricing"]["currency"] = _NO_CURRENCY


def _no_check_in(record: Record, _: str) -> None:
    del record["dates"]["check_in"]


def _no_dates(record: Record, _: str) -> None:
    record["dates"] |= {"check_in": None, "check_out": None}


def _stray(record: Record, other: str) -> None:
    record["property_id"] = other


def _payment_currency(record: Record, _: str) -> None:
    record["moeda"] = _NO_CURRENCY


_BOOKING_FLAWS: Mapping[str, tuple[Spoil, ...]] = {
    "check_out_not_after_check_in": (_check_out,),
    "total_negative": (_total,),
    "tax_exceeds_total": (_tax,),
    "currency_unknown": (_currency,),
    "dates_missing": (_no_check_in, _no_dates),
    "property_mismatch": (_stray,),
}
_PAYMENT_FLAWS: Mapping[str, tuple[Spoil, ...]] = {
    "currency_unknown": (_payment_currency,),
    "property_mismatch": (_stray,),
}
_EVENTS = {"booking": "reservation.created", "payment": "payment.received"}
REASONS = tuple(sorted({*_BOOKING_FLAWS, *_PAYMENT_FLAWS}))


class InvalidRecords:
    def __init__(self, premises: Premises, guests: GuestBook) -> None:
        self._premises = premises
        self._guests = guests
        # Ids and dice of their own: whatever the knob says, the rest of the world is the same.
        self._ids = {"booking": Serial("RSV", _FIRST_ID), "payment": Serial("P", _FIRST_ID)}
        self._reasons = {"booking": cycle(_BOOKING_FLAWS), "payment": cycle(_PAYMENT_FLAWS)}
        self._rng = Random(f"invalid records of {premises.property.id}, {premises.rng.random()}")  # nosec B311 # an invented world

    def beside(self, booking: Booking, now: datetime) -> Iterator[Event]:
        """Perhaps an invalid record in the likeness of ``booking``, and perhaps one of a payment for it."""
        share = self._premises.faults().invalid_records
        guest = self._guests.profiled(self._rng)
        if self._rng.random() < share and guest is not None:
            yield from self._spoil("booking", self._likeness(booking, guest), _BOOKING_FLAWS, now)
        if self._rng.random() < share:
            yield from self._spoil("payment", self._payment(booking, now), _PAYMENT_FLAWS, now)

    def _likeness(self, booking: Booking, guest: Guest) -> Record:
        """``guest`` has a profile: a refused booking must not be the only trace of a person."""
        return deepcopy(render(booking, self._premises.property)) | {"guest": embedded_guest(guest)}

    def _payment(self, booking: Booking, now: datetime) -> Record:
        return {
            "property_id": self._premises.property.id,
            "reservation_id": booking.id,
            "valor": booking.price.total,
            "moeda": self._premises.property.currency,
            "metodo": "credit_card",
            "estado": "recebido",
            "recebido_em": instant(now),
            "updated_at": instant(now),
        }

    def _spoil(
        self, entity: str, record: Record, flaws: Mapping[str, tuple[Spoil, ...]], now: datetime
    ) -> Iterator[Event]:
        # In turn, not by the dice: a short life has seen every one of them.
        reason = next(self._reasons[entity])
        record[ID_FIELDS[entity]] = record_id = self._ids[entity].next()
        self._rng.choice(flaws[reason])(record, self._premises.other_property_id)
        listed, announced = self._whereabouts()
        version = Version(record_id, now, record)
        self._premises.ledger.put_refused(entity, Refused(version, reason, listed, announced))
        if announced:
            name, hotel = _EVENTS[entity], self._premises.property.id
            yield Event(now, hotel, name, entity, record_id, now, record, refused=True, only_announced=not listed)

    def _whereabouts(self) -> tuple[bool, bool]:
        """In the list, announced, or both. Before anybody listened: in the list."""
        if not self._premises.announces:
            return True, False
        return self._rng.choice(((True, True), (True, False), (False, True)))
