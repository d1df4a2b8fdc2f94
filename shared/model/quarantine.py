"""A refused record: what was wrong, and where the raw record lies. Nothing of its content."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class QuarantinedRecord(BaseModel):
    """A row of ``hotel.quarantine``: one for each raw record refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entity: ClassVar[str] = "quarantine"
    table: ClassVar[str] = "quarantine"

    id: UUID = Field(description="UUIDv5 of the raw key and line: a record refused twice is one row.")
    source: str = Field(description="The vendor.")
    hotel_id: str = Field(description="The property whose raw object it is.")
    record_entity: str = Field(description="booking, guest, room, payment; `unknown` where that could not be told.")
    external_id: str | None = Field(None, description="The vendor's id of the record, where it could be read.")
    reason: str = Field(description="The rule that refused it (docs/runbook.md lists them).")
    field: str | None = Field(None, description="The vendor's or the unified field that broke the rule.")
    raw_key: str = Field(description="The raw object.")
    raw_line: int = Field(0, description="The line in it, from 0.")
    raw_received_at: datetime | None = Field(None, description="When the raw record was received (UTC).")
    mapping_version: int = Field(description="The version of the mapping that refused it.")
    first_seen: datetime = Field(description="When it was first refused (UTC). Parquet: when the batch was fixed.")
    last_seen: datetime | None = Field(
        None, description="PostgreSQL alone: when it was last refused (UTC).", json_schema_extra={"lake": False}
    )
    resolved_at: datetime | None = Field(
        None,
        description="PostgreSQL alone: when a replay mapped the record after all (UTC); null while it waits.",
        json_schema_extra={"lake": False},
    )
