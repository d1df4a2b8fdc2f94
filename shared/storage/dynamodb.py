"""What the DynamoDB adapters share: their errors, and how instants are written.

``table`` everywhere is a boto3 ``Table`` resource.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from shared.decoding import UNREADABLE, fault
from shared.errors import Misconfigured, StoreUnavailable
from shared.segments import joined
from shared.streams import Stream


class ConditionFailed(Exception):
    """A conditional write found another state; ``item`` is what it found, where it asked (in DynamoDB's own form)."""

    def __init__(self, item: dict[str, Any] | None) -> None:
        super().__init__("the condition did not hold")
        self.item = item


@contextmanager
def reaching(table: Any) -> Iterator[None]:
    """Around each call: raises ConditionFailed or StoreUnavailable, whatever boto3 raises."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ConditionalCheckFailedException":
            raise ConditionFailed(error.response.get("Item")) from None
        raise StoreUnavailable(f"table {table.name} refused ({code})", store="dynamodb") from error
    except BotoCoreError as error:
        raise StoreUnavailable(
            f"table {table.name} did not answer ({type(error).__name__})", store="dynamodb"
        ) from error


Item = TypeVar("Item", bound=msgspec.Struct)


def read_item(item: Mapping[str, Any], kind: type[Item], what: str, fix: str) -> Item:
    """A table's ``item`` as ``kind``. Raises Misconfigured, naming ``what`` and the field, where it is none."""
    # DynamoDB's numbers come as Decimal.
    plain = {name: _whole(value) if isinstance(value, Decimal) else value for name, value in item.items()}
    try:
        return msgspec.convert(plain, kind)
    except UNREADABLE as error:
        raise Misconfigured(f"{what} cannot be read: {fault(error)}", fix=fix) from None


def _whole(number: Decimal) -> int | Decimal:
    return int(number) if number.is_finite() and number == number.to_integral_value() else number


def partition_of(stream: Stream) -> str:
    """``pk`` of the sync-state table. Raises Malformed."""
    return joined(stream.vendor, stream.property_id, by="#")


def written(instant: datetime) -> str:
    """ISO 8601 in UTC, always with microseconds: as texts they sort as the instants do."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def epoch(instant: datetime) -> int:
    """Whole seconds, as DynamoDB's time to live wants them; never earlier than ``instant``."""
    return -int(-instant.timestamp() // 1)
