"""A room of a hotel."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from shared.model.record import Money, UnifiedRecord
from shared.model.vocabulary import RoomStatus


class Room(UnifiedRecord):
    """A row of ``hotel.rooms``."""

    entity: ClassVar[str] = "room"
    table: ClassVar[str] = "rooms"

    number: str | None = Field(None, description="The number on the door.")
    floor: int | None = Field(None, description="Storey; 0 is the ground floor.")
    type: str | None = Field(None, description="In English where the vendor's word is known, else as sent.")
    status: RoomStatus = Field(RoomStatus.UNKNOWN, description="Housekeeping status.")
    source_status: str | None = Field(None, description="The vendor's word for the status.")
    max_occupancy: int | None = Field(None, description="Persons.")
    bed_type: str | None = Field(None, description="As sent.")
    amenities: list[str] | None = Field(None, description="As sent.")
    base_rate: Money | None = Field(None, description="Gross rate for a night.")
    currency: str | None = Field(None, description="ISO 4217.")
