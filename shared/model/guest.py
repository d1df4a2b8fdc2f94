"""A guest: a person as one hotel knows them."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pydantic import Field

from shared.model.record import UnifiedRecord
from shared.model.vocabulary import LoyaltyTier


class Guest(UnifiedRecord):
    """A row of ``hotel.guests``."""

    entity: ClassVar[str] = "guest"
    table: ClassVar[str] = "guests"
    authority: ClassVar[tuple[str, ...]] = ("is_profile",)

    first_name: str | None = Field(None, description="Given name.")
    last_name: str | None = Field(None, description="Family names.")
    email: str | None = Field(None, description="As sent.")
    phone: str | None = Field(None, description="E.164 where it could be normalised, else as sent.")
    country: str | None = Field(None, description="ISO 3166-1 alpha-2.")
    tax_id: str | None = Field(None, description="As sent; for Portugal the NIF.")
    date_of_birth: date | None = Field(None, description="Date of birth.")
    loyalty_tier: LoyaltyTier | None = Field(None, description="Tier in the hotel's loyalty programme.")
    source_loyalty_tier: str | None = Field(None, description="The vendor's word for the tier.")
    preferred_room_type: str | None = Field(None, description="In English where the vendor's word is known.")
    marketing_consent: bool | None = Field(None, description="Whether the guest agreed to marketing; null: not asked.")
    is_profile: bool = Field(
        description="True: from the vendor's guest record. False: from the guest inside a reservation, "
        "which creates a guest where there is none and never overwrites a profile."
    )
