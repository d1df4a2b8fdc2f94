"""The guests a hotel knows, and which of them have a profile of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from random import Random

from scripts.simulators.hostpms.agenda import Event
from scripts.simulators.hostpms.entities import Guest, Serial
from scripts.simulators.hostpms.people import Person, Population, phone
from scripts.simulators.hostpms.premises import Premises
from scripts.simulators.hostpms.properties import KINDS

_RETURNING = 0.14
_OLDER_ACCOUNT = 0.04
_HARDLY_KNOWN = 0.3
"""Of the older accounts: neither tax id nor e-mail address, only a name and a phone."""


class GuestBook:
    """A person without a profile never changes: what every reservation says of them stays the same."""

    def __init__(self, premises: Premises) -> None:
        self._premises = premises
        self._population = Population(premises.rng, premises.property.country.code)
        self._ids = Serial("G")
        self._guests: list[Guest] = []
        self._profiled: list[Guest] = []

    def somebody(self) -> Guest:
        """Who books next: at times somebody who has been here before."""
        if self._guests and self._premises.happens(_RETURNING):
            return self._premises.rng.choice(self._guests)
        guest = self._stranger()
        self._guests.append(guest)
        return guest

    def profiled(self, rng: Random) -> Guest | None:
        """Somebody who has a profile."""
        return rng.choice(self._profiled) if self._profiled else None

    def introduce(self, guest: Guest, now: datetime) -> Iterator[Event]:
        """Gives ``guest`` a profile; older accounts stay without."""
        if guest.has_profile or guest.older_account:
            return
        guest.has_profile = True
        self._profiled.append(guest)
        yield self._premises.announce(guest, "guest.created", now)

    def correct(self, guest: Guest, now: datetime) -> None:
        """A new phone number in the profile. There is no event for it: only the list tells."""
        if guest.has_profile:
            guest.person = replace(guest.person, phone=phone(guest.person.country, self._premises.rng))
            self._premises.record(guest, now)

    def count_stay(self, guest: Guest, now: datetime) -> None:
        before = guest.loyalty
        guest.stays += 1
        if guest.has_profile and guest.loyalty != before:
            self._premises.record(guest, now)

    def _stranger(self) -> Guest:
        premises = self._premises
        person = self._population.person()
        older = premises.happens(_OLDER_ACCOUNT)
        if older and premises.happens(_HARDLY_KNOWN):
            person = _hardly_known(person)
        return Guest(
            id=self._ids.next(),
            person=person,
            quirks=premises.quirks("guest"),
            older_account=older,
            preferred_kind=premises.rng.choice(KINDS),
            marketing=premises.happens(0.4),
        )


def _hardly_known(person: Person) -> Person:
    return replace(person, email=None, tax_id=None)
