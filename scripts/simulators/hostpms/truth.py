"""What is true of a hotel, to hold a copy of it against: nothing lost, nothing doubled, nothing invented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scripts.simulators.hostpms.ledger import ENTITIES, Ledger
from scripts.simulators.hostpms.quirks import Record
from scripts.simulators.hostpms.records import instant
from scripts.simulators.hostpms.world import Hotel


@dataclass(frozen=True, slots=True)
class GuestWithoutProfile:
    """A person known through reservations alone. Every reservation says the same of them."""

    guest_id: str | None
    """None for an older account: the reader derives an id from the person (tax id, e-mail, name and phone)."""
    guest: Record
    """The ``guest`` block of their reservations."""
    reservation_ids: tuple[str, ...]
    updated_at: datetime
    """Of the latest of those reservations."""


@dataclass(frozen=True, slots=True)
class Truth:
    property_id: str
    records: dict[str, dict[str, Record]]
    """Entity → id → the last version of every valid record, as the PMS writes it."""
    guests_without_profile: tuple[GuestWithoutProfile, ...]
    refused: dict[str, dict[str, str]]
    """Entity → id → why the record must be quarantined (``invalid_records.REASONS``)."""

    @property
    def counts(self) -> dict[str, int]:
        """How many rows of each entity a right copy has; a guest is a profile or a person without one."""
        counts = {entity: len(records) for entity, records in self.records.items()}
        counts["guest"] += len(self.guests_without_profile)
        return counts

    def as_json(self) -> dict[str, Any]:
        without = [
            {
                "guest_id": known.guest_id,
                "guest": known.guest,
                "reservation_ids": known.reservation_ids,
                "updated_at": instant(known.updated_at),
            }
            for known in self.guests_without_profile
        ]
        return {
            "property_id": self.property_id,
            "counts": self.counts,
            "records": self.records,
            "guests_without_profile": without,
            "refused": self.refused,
        }


def truth_of(hotel: Hotel) -> Truth:
    ledger = hotel.ledger
    return Truth(
        property_id=hotel.property.id,
        records={
            entity: {version.id: version.record for version in ledger.versions(entity).values()} for entity in ENTITIES
        },
        guests_without_profile=tuple(_without_profile(ledger)),
        refused={
            entity: {id_: refused.reason for id_, refused in ledger.refused(entity).items()} for entity in ENTITIES
        },
    )


def _without_profile(ledger: Ledger) -> list[GuestWithoutProfile]:
    profiles = ledger.versions("guest")
    found: dict[str, GuestWithoutProfile] = {}
    for booking in ledger.versions("booking").values():
        guest: Record = booking.record["guest"]
        guest_id = guest.get("guest_id")
        if guest_id in profiles:
            continue
        person = guest_id or f"{guest['nif']} {guest['email']} {guest['name']} {guest['phone']}"
        before = found.get(person)
        found[person] = GuestWithoutProfile(
            guest_id,
            guest,
            (*(before.reservation_ids if before else ()), booking.id),
            max(booking.updated_at, before.updated_at) if before else booking.updated_at,
        )
    return list(found.values())
