"""A booking: one stay that one guest holds at one hotel."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from shared.model.record import Money, UnifiedRecord
from shared.model.vocabulary import BookingStatus, Channel, PaymentMethod


class Booking(UnifiedRecord):
    """A row of ``hotel.bookings``."""

    entity: ClassVar[str] = "booking"
    table: ClassVar[str] = "bookings"

    guest_id: UUID | None = Field(None, description="The guest's id in guests.")
    guest_name: str | None = Field(None, description="The guest's full name, as on the booking.")
    guest_email: str | None = Field(None, description="As on the booking.")
    guest_phone: str | None = Field(None, description="E.164 where it could be normalised, else as sent.")
    guest_country: str | None = Field(None, description="ISO 3166-1 alpha-2.")
    guest_tax_id: str | None = Field(None, description="As sent; for Portugal the NIF.")
    room_id: UUID | None = Field(None, description="The room's id in rooms, where the vendor's booking names it.")
    room_number: str | None = Field(None, description="The number on the door.")
    room_type: str | None = Field(None, description="In English where the vendor's word is known, else as sent.")
    check_in_date: date = Field(description="Arrival: the hotel's local calendar date.")
    check_out_date: date = Field(description="Departure: the hotel's local calendar date.")
    booked_at: datetime | None = Field(None, description="When the booking was made (UTC).")
    total_amount: Money | None = Field(None, description="Gross total of the stay.")
    currency: str | None = Field(None, description="ISO 4217.")
    tax_amount: Money | None = Field(None, description="Value-added tax contained in the total.")
    city_tax_amount: Money | None = Field(None, description="Tourist tax.")
    deposit_paid: Money | None = Field(None, description="Paid ahead of the stay.")
    rate_plan: str | None = Field(None, description="The rate plan's name, as sent.")
    adults: int | None = Field(None, description="Guests of full age.")
    children: int | None = Field(None, description="Children.")
    status: BookingStatus = Field(description="Where the booking is in its life.")
    source_status: str | None = Field(None, description="The vendor's word for the status.")
    channel: Channel = Field(Channel.UNKNOWN, description="Where the booking was made.")
    source_channel: str | None = Field(None, description="The vendor's word for the channel.")
    payment_method: PaymentMethod | None = Field(None, description="How it is to be paid.")
    source_payment_method: str | None = Field(None, description="The vendor's word for the payment method.")
    special_requests: str | None = Field(None, description="The guest's wishes, as sent.")
    lead_time: int | None = Field(None, description="Days from booking to arrival, in the hotel's calendar.")
    length_of_stay: int = Field(description="Nights.")
