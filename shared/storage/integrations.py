"""The integrations table: one item for each hotel and vendor, keyed by property and vendor (DESIGN.md §5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import msgspec
from boto3.dynamodb.conditions import Attr

from shared.errors import Misconfigured, NotFound
from shared.model.mapping import is_time_zone
from shared.segments import is_segment
from shared.storage.dynamodb import ConditionFailed, reaching, read_item
from shared.streams import Stream

Status = Literal["active", "paused"]


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """A hotel's connection to a vendor, as an operator onboarded it."""

    property_id: str
    vendor: str
    status: Status = "active"
    """``paused``: not polled. Its deliveries are accepted, and its secrets looked after."""
    time_zone: str
    """IANA; the hotel's own."""
    base_url: str
    """The vendor's API."""
    entities: tuple[str, ...]
    """What is polled."""
    subscription_id: str | None = None
    """The vendor's id of our webhook subscription."""
    onboarded_at: datetime | None = None
    """UTC."""

    def __post_init__(self) -> None:
        if not is_time_zone(self.time_zone):
            raise ValueError("no such time zone")

    @property
    def streams(self) -> tuple[Stream, ...]:
        return tuple(Stream(self.vendor, self.property_id, entity) for entity in self.entities)


class Integrations:
    def __init__(self, table: Any) -> None:
        self._table = table

    def get(self, property_id: str, vendor: str) -> Integration:
        """Raises NotFound, or Misconfigured where the item is not an Integration."""
        with reaching(self._table):
            item = self._table.get_item(Key={"property_id": property_id, "vendor": vendor}).get("Item")
        if item is None:
            raise NotFound(
                f"no integration of {property_id} with {vendor}",
                fix="onboard the hotel: scripts/pousada onboard --help",
                reason="unknown_property",
            )
        return _integration(item)

    def put(self, integration: Integration) -> None:
        """Creates it, or replaces it whole."""
        with reaching(self._table):
            self._table.put_item(Item=_item(integration))

    def active(self) -> Iterator[Integration]:
        """All that are to be polled, in no order. A scan: some hundred bytes a hotel, read once an hour.

        An item that cannot be read stops no other hotel: Misconfigured is raised after the last of them.
        """
        return self._readable(FilterExpression=Attr("status").eq("active"))

    def all(self) -> Iterator[Integration]:
        """As ``active``, with the paused ones."""
        return self._readable()

    def set_status(self, property_id: str, vendor: str, status: Status) -> None:
        """Raises NotFound."""
        self._set(property_id, vendor, "status", status)

    def set_subscription(self, property_id: str, vendor: str, subscription_id: str) -> None:
        """Raises NotFound."""
        self._set(property_id, vendor, "subscription_id", subscription_id)

    def _set(self, property_id: str, vendor: str, name: str, value: str) -> None:
        try:
            with reaching(self._table):
                self._table.update_item(
                    Key={"property_id": property_id, "vendor": vendor},
                    UpdateExpression="SET #name = :value",
                    ConditionExpression="attribute_exists(property_id)",
                    ExpressionAttributeNames={"#name": name},
                    ExpressionAttributeValues={":value": value},
                )
        except ConditionFailed:
            raise NotFound(f"no integration of {property_id} with {vendor}", reason="unknown_property") from None

    def _readable(self, **filters: Any) -> Iterator[Integration]:
        broken: Misconfigured | None = None
        for item in self._scan(**filters):
            try:
                yield _integration(item)
            except Misconfigured as error:
                broken = error
        if broken:
            raise broken

    def _scan(self, **filters: Any) -> Iterator[dict[str, Any]]:
        while True:
            with reaching(self._table):
                answer = self._table.scan(**filters)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            filters["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _item(integration: Integration) -> dict[str, Any]:
    fields = msgspec.to_builtins(integration)
    # A list, not a tuple: boto3's serializer knows no tuples.
    fields["entities"] = list(integration.entities)
    return {name: value for name, value in fields.items() if value is not None}


def _integration(item: dict[str, Any]) -> Integration:
    # Its key is told where it is one of ours: of anything else nobody knows what it holds.
    property_id, vendor = (
        text if is_segment(text) else "(unnamed)" for text in (str(item.get("property_id")), str(item.get("vendor")))
    )
    name = f"{property_id} with {vendor}"
    return read_item(item, Integration, f"the integration of {name}", fix="onboard the hotel again")
