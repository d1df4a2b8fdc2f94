"""One webhook call, from API Gateway's event to the raw object it becomes. Pure: no clock, no network.

Nothing here trusts its input: whatever a stranger sends ends as a ``Refuse``, never as another
exception. The checks run from cheap to dear, and only ``verify`` needs the property's secret:

    read            is it API Gateway's event at all               Malformed
    address_of      vendor, property, event                        NotFound
    delivery_of     headers and raw body                           Malformed, TooLarge
    verify          signature, then timestamp                      Unauthenticated
    raw_delivery    JSON; the envelope and where it lies           Malformed
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, cast

import msgspec

from shared.errors import Malformed, NotFound, TooLarge
from shared.pipeline import envelope, raw_keys
from shared.segments import is_segment
from shared.vendors import registry
from shared.vendors.contract import Signed, WebhookContract

LARGEST_BODY = 1024 * 1024
_LARGEST_BASE64 = 4 * -(-LARGEST_BODY // 3)


class Path(msgspec.Struct, rename="camel", frozen=True):
    """What of the path the caller chose."""

    property_id: str = ""
    event: str = ""


class Request(msgspec.Struct, rename="camel", frozen=True):
    """What is read of API Gateway's proxy event (REST API, payload format 1.0)."""

    resource: str = ""
    """The path that API Gateway matched, in its own words: ``/webhooks/hostpms/{propertyId}/{event}``."""
    path_parameters: Path | None = None
    headers: dict[str, str] | None = None
    multi_value_headers: dict[str, list[str]] | None = None
    body: str | None = None
    is_base64_encoded: bool = False


class Address(NamedTuple):
    """Each part is known or a safe segment: fit for a log, a key and a secret's name."""

    vendor: str
    property_id: str
    event: str


class Delivery(NamedTuple):
    """One webhook call, not yet trusted."""

    address: Address
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes
    """As the vendor sent it, before API Gateway encoded it."""


class RawDelivery(NamedTuple):
    """A trusted delivery as it will lie in the raw bucket."""

    identity: tuple[str, ...]
    """What makes a later call the same delivery; a tuple, so that no two can run together."""
    key: str
    content: bytes


def read(event: object) -> Request:
    try:
        return msgspec.convert(event, Request)
    except (msgspec.ValidationError, UnicodeError, RecursionError):
        raise Malformed("not a proxy event of API Gateway", reason="not_a_proxy_event") from None


def address_of(request: Request) -> Address:
    path = request.path_parameters or Path()
    vendor = _vendor_of(request.resource)
    events = _webhook(vendor).EVENTS
    if not is_segment(path.property_id):
        raise NotFound("no property has such an id", reason="unknown_property", vendor=vendor)
    if path.event not in events:
        known = ", ".join(events)
        raise NotFound(
            f"unknown event; the known are {known}",
            reason="unknown_event",
            vendor=vendor,
            property_id=path.property_id,
        )
    return Address(vendor, path.property_id, path.event)


def _vendor_of(resource: str) -> str:
    """Each vendor has a path of its own there (infra/capabilities/webhook_api.py). Empty where it is no such path."""
    match resource.split("/"):
        case ["", "webhooks", vendor, "{propertyId}", "{event}"]:
            return vendor
    return ""


def delivery_of(request: Request, address: Address) -> Delivery:
    return Delivery(address, _headers(request), _body(request))


def _headers(request: Request) -> dict[str, str]:
    """Lower-case names. A header sent twice is joined (RFC 9110 §5.3): neither value passes for the only one."""
    received = request.multi_value_headers or {name: [value] for name, value in (request.headers or {}).items()}
    headers: dict[str, str] = {}
    for name, values in received.items():
        lower, value = name.lower(), ", ".join(values)
        headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
    return headers


def _body(request: Request) -> bytes:
    text = request.body or ""
    # Before decoding: what is too large is not worth the memory of a second copy.
    if len(text) > (_LARGEST_BASE64 if request.is_base64_encoded else LARGEST_BODY):
        raise _too_large()
    try:
        body = base64.b64decode(text, validate=True) if request.is_base64_encoded else text.encode()
    except (binascii.Error, ValueError):
        raise Malformed("the body is not what its encoding says", reason="not_base64_or_utf8") from None
    if len(body) > LARGEST_BODY:
        raise _too_large()
    return body


def _too_large() -> TooLarge:
    return TooLarge(f"a body over {LARGEST_BODY} bytes", reason="body_too_large")


def verify(delivery: Delivery, secrets: Sequence[str], now: datetime) -> Signed:
    """``secrets``: current, then previous. Raises Unauthenticated."""
    return _webhook(delivery.address.vendor).verify(delivery.headers, delivery.body, secrets, now)


def raw_delivery(delivery: Delivery, signed: Signed, received_at: datetime) -> RawDelivery:
    """The object to store. Raises Malformed where the body is not JSON."""
    vendor, property_id, event = delivery.address
    delivery_id = _webhook(vendor).delivery_id(delivery.headers, delivery.body)
    wrapped = envelope.Envelope(
        vendor=vendor,
        property_id=property_id,
        channel="webhook",
        event=event,
        received_at=received_at,
        delivery_id=delivery_id,
        payload=msgspec.Raw(delivery.body),
    )
    return RawDelivery(
        identity=_identity(delivery, signed, delivery_id),
        key=raw_keys.webhook_key(vendor, property_id, event, signed.signed_at, delivery.body, delivery_id),
        content=envelope.encode(wrapped),
    )


def _identity(delivery: Delivery, signed: Signed, delivery_id: str | None) -> tuple[str, ...]:
    address = delivery.address
    if delivery_id is not None:
        return (address.vendor, address.property_id, "id", delivery_id)
    signed_at, body = signed.signed_at.isoformat(), raw_keys.digest(delivery.body)
    return (address.vendor, address.property_id, "signed", signed_at, body)


def _webhook(vendor: str) -> WebhookContract:
    return cast(WebhookContract, registry.part(vendor, "webhook"))
