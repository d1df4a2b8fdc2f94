"""What lives in a hotel, in the simulator's own terms; ``records`` says how the PMS writes it.

Everything here is mutable state of the world. What the PMS has told is kept apart, in the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import ClassVar

from scripts.simulators.hostpms.people import Person
from scripts.simulators.hostpms.quirks import Quirks
from scripts.simulators.hostpms.tariff import Price

NEVER = datetime.min.replace(tzinfo=UTC)
"""Before the PMS first wrote something down."""


@dataclass(slots=True, kw_only=True)
class Guest:
    entity: ClassVar[str] = "guest"
    id: str
    """Also of a guest whose account is older than guest ids: the PMS then does not show it."""
    person: Person
    quirks: Quirks
    older_account: bool = False
    has_profile: bool = False
    stays: int = 0
    preferred_kind: str = "double"
    marketing: bool = False
    updated_at: datetime = NEVER

    @property
    def loyalty(self) -> str:
        return ("none", "none", "silver", "silver", "gold", "gold", "platinum")[min(self.stays, 6)]


@dataclass(slots=True, kw_only=True)
class Room:
    entity: ClassVar[str] = "room"
    id: str
    number: str
    floor: int
    kind: str
    quirks: Quirks
    base_rate: Decimal
    amenities: tuple[str, ...] = ()
    status: str = "clean"
    updated_at: datetime = NEVER


@dataclass(slots=True, kw_only=True)
class Booking:
    entity: ClassVar[str] = "booking"
    id: str
    guest: Guest
    room: Room
    quirks: Quirks
    created_at: datetime
    check_in: date
    check_out: date
    price: Price
    rate_plan: str
    channel: str
    method: str
    adults: int
    children: int
    status: str = "confirmed"
    deposit: Decimal = Decimal("0.00")
    requests: str | None = None
    updated_at: datetime = NEVER
    dates_set: int = 0
    """Counts the changes of its dates: what was planned for older ones is void."""

    @property
    def nights(self) -> int:
        return (self.check_out - self.check_in).days

    @property
    def is_expected(self) -> bool:
        return self.status in ("pending", "confirmed")


@dataclass(slots=True, kw_only=True)
class Payment:
    entity: ClassVar[str] = "payment"
    id: str
    booking: Booking
    amount: Decimal
    method: str
    quirks: Quirks
    status: str = "pending"
    received_at: datetime | None = None
    updated_at: datetime = NEVER


Entity = Guest | Room | Booking | Payment


@dataclass(slots=True)
class Serial:
    """Ids in the order things come into being. Two hotels' ids overlap, as the PMS's do."""

    prefix: str
    last: int = field(default=10_000)

    def next(self) -> str:
        self.last += 1
        return f"{self.prefix}-{self.last}"
