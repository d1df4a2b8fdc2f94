"""A payment: one movement of money for a booking."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from shared.model.record import Money, UnifiedRecord
from shared.model.vocabulary import PaymentMethod, PaymentStatus


class Payment(UnifiedRecord):
    """A row of ``hotel.payments``."""

    entity: ClassVar[str] = "payment"
    table: ClassVar[str] = "payments"

    booking_id: UUID | None = Field(None, description="The booking's id in bookings.")
    amount: Money = Field(description="The amount paid.")
    currency: str = Field(description="ISO 4217.")
    method: PaymentMethod | None = Field(None, description="How it was paid.")
    source_method: str | None = Field(None, description="The vendor's word for the method.")
    status: PaymentStatus = Field(PaymentStatus.UNKNOWN, description="What became of it.")
    source_status: str | None = Field(None, description="The vendor's word for the status.")
    received_at: datetime | None = Field(None, description="When the hotel received the money (UTC).")
