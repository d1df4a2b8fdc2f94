"""What a vendor's mapping is given and gives: shared by all vendors' ``mapping`` modules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from shared.errors import Unmappable

Row: TypeAlias = Any
"""An instance of ``columns.row_type(entity)``."""


def is_time_zone(name: str) -> bool:
    """Whether ``name`` is an IANA time zone."""
    try:
        ZoneInfo(name)
    # A folder's name or an overlong one is an OSError, one that is unknown a KeyError.
    except (KeyError, ValueError, OSError):
        return False
    return True


class Warned(Counter[tuple[str, str, str]]):
    """How often each ``(entity, rule, field)`` was warned of: counted per vendor, so that drift is seen."""

    def add(self, entity: str, rule: str, field: str) -> None:
        self[entity, rule, field] += 1

    def unknown_word(self, entity: str, field: str) -> str:
        """Counts a word that the vendor's table does not have; returns the word for it."""
        self[entity, "unknown_word", field] += 1
        return "unknown"


@dataclass
class MappingContext:
    """What a mapping may know besides the record: the property it came from, and its calendar."""

    property_id: str
    time_zone: tzinfo = UTC
    warned: Warned = field(default_factory=Warned)

    def each(self, function: Callable[..., Any], *values: Any) -> Any:
        """``function(*values)``: a mapper computes by this alone, so that it works on columns as well as on a record.

        In a batch a record's field is the column of that field in thousands of records, and ``each`` applies the
        function to every record's values (``shared.model.vectors``). The function must depend on its values alone,
        and give the same for values that are equal.
        """
        return function(*values)

    @classmethod
    def of(cls, property_id: str, time_zone: str | None) -> MappingContext:
        """``time_zone``: IANA name, None for UTC. Raises ZoneInfoNotFoundError."""
        return cls(property_id, ZoneInfo(time_zone) if time_zone else UTC)

    def belongs(self, property_id: str | None) -> None:
        """Raises Unmappable where a record names a property, and it is not this one: one hotel's secret or
        credentials must not write another's rows."""
        self.each(_same_property, property_id, self.property_id)


def _same_property(named: str | None, wanted: str) -> None:
    if named != wanted and named:
        raise Unmappable("the record is another property's", reason="property_mismatch", field="property_id")


def none_if_empty(text: str | None) -> str | None:
    """Vendors send an empty text for nothing."""
    return text or None


def required(value: Any, field: str) -> Any:
    """``value``. Raises Unmappable where it is None."""
    if value is None:
        raise Unmappable(f"{field} is malformed", reason="malformed_field", field=field)
    return value


@dataclass(frozen=True, slots=True)
class Refusal:
    """A raw record that leads to no row: why, and where it lies. Holds nothing of its content."""

    vendor: str
    property_id: str
    entity: str
    reason: str
    field: str | None
    raw_key: str
    raw_line: int
    mapping_version: int
    external_id: str | None = None
    received_at: datetime | None = None
