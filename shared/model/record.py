"""What every unified record has: its identity, its content, and where it came from.

The pydantic models are the one definition (DESIGN.md §4). Arrow schemas, Glue columns, PostgreSQL's
staging columns and the mapper's row types are derived from them in ``columns``; the API's OpenAPI will
be too. ``docs/tables.md`` is written from their descriptions.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Money = Annotated[Decimal, Field(max_digits=18, decimal_places=4)]
"""Exact, gross, in the record's ``currency`` and with that currency's own number of digits."""


class Identity(BaseModel):
    """What a record is: the same id wherever and whenever it is computed (``identity.record_id``)."""

    id: UUID = Field(description="UUIDv5 of source, hotel, entity and external id: the same in every region, for ever.")
    external_id: str = Field(description="The vendor's own id of the record.")
    source: str = Field(description="The vendor: hostpms, …")
    hotel_id: str = Field(description="The property, as the vendor names it.")


class Sync(BaseModel):
    """The fields that say when and whence a row came. None of them is content."""

    source_updated_at: datetime | None = Field(
        None, description="When the vendor last changed the record (UTC); null where the vendor does not say."
    )
    raw_received_at: datetime = Field(
        description="When the raw record was received (UTC); for a poll, when its request began."
    )
    synced_at: datetime = Field(
        description="PostgreSQL: when the content was last accepted (UTC). Parquet: when the batch was fixed."
    )
    version: int = Field(
        1,
        description="PostgreSQL alone: counts the accepted changes of content, from 1.",
        json_schema_extra={"lake": False},
    )
    mapping_version: int = Field(description="The version of the vendor's mapping that made the row.")
    raw_key: str = Field(description="The raw object that holds exactly this content.")
    raw_line: int = Field(0, description="Its line in that object, from 0.")


class UnifiedRecord(Sync, Identity):
    """Base of the entities. A subclass declares its content and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entity: ClassVar[str]
    table: ClassVar[str]
    authority: ClassVar[tuple[str, ...]] = ()
    """Fields that rank before time in the order of versions (``columns.order_columns``)."""
