"""HostPMS webhooks: which events there are, how a delivery is signed, what names it.

Given by the product's requirements: the events, HMAC-SHA256 over ``timestamp + "." + raw body`` with
the property's secret, the two headers, five minutes of tolerance. Assumed until HostPMS's own
documentation says otherwise: the signature's spelling, the timestamp's forms, the wrapped body.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec

from shared.decoding import UNREADABLE
from shared.errors import Malformed, Unauthenticated
from shared.vendors.contract import Signed

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "reservation.created": "booking",
        "reservation.updated": "booking",
        "reservation.cancelled": "booking",
        "reservation.check_in": "booking",
        "reservation.check_out": "booking",
        "reservation.no_show": "booking",
        "payment.received": "payment",
        "guest.created": "guest",
        "room.status_changed": "room",
    }
)
SIGNATURE_HEADER = "x-hostpms-signature"
TIMESTAMP_HEADER = "x-hostpms-timestamp"
TOLERANCE = timedelta(minutes=5)

_PREFIX = "sha256="
_SECONDS = re.compile(r"[0-9]{9,11}(\.[0-9]{1,9})?")
_MILLISECONDS = re.compile(r"[0-9]{12,14}")
_LONGEST_TIMESTAMP = 40
_LONGEST_DELIVERY_ID = 200
_SECRETS = ("current", "previous", "next")
_decoder = msgspec.json.Decoder()


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> Signed:
    """Whether HostPMS sent exactly ``body``, and within the tolerance of ``now`` (UTC).

    See ``WebhookContract.verify`` for the arguments and the reasons. A timestamp is called stale only
    under a right signature: such a delivery is a replay or a clock gone wrong, not a forgery.
    """
    signature = headers.get(SIGNATURE_HEADER)
    if not signature:
        raise _unauthenticated("missing_signature")
    timestamp = headers.get(TIMESTAMP_HEADER)
    if not timestamp:
        raise _unauthenticated("missing_timestamp")
    signed_at = _instant(timestamp)
    secret = _matching_secret(signature.removeprefix(_PREFIX), timestamp, body, secrets)
    if abs(now - signed_at) > TOLERANCE:
        raise _unauthenticated("stale_timestamp")
    return Signed(signed_at, secret)


def sign(timestamp: str, body: bytes, secret: str) -> str:
    """The signature of ``body`` sent at ``timestamp`` (the header's text), in lower-case hex."""
    # The text as it was sent, not a normal form of it: "1711000000" and "1711000000.0" sign differently.
    return hmac.digest(secret.encode(), timestamp.encode() + b"." + body, "sha256").hex()


def signed_headers(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    """The headers of a delivery of ``body`` signed at ``at``, as HostPMS sends them."""
    timestamp = str(int(at.timestamp()))
    return {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign(timestamp, body, secret)}


def _matching_secret(signature: str, timestamp: str, body: bytes, secrets: Sequence[str]) -> str:
    # Bytes, since compare_digest takes no non-ASCII text; and every secret is tried, so that the time
    # taken does not tell which one matched.
    given = signature.encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(sign(timestamp, body, secret).encode(), given) for secret in secrets]
    if True not in matches:
        raise _unauthenticated("wrong_signature")
    return _SECRETS[matches.index(True)]


def _instant(text: str) -> datetime:
    """Unix seconds, Unix milliseconds, or ISO 8601 (UTC where it names no offset)."""
    try:
        if len(text) > _LONGEST_TIMESTAMP:
            raise ValueError
        if _SECONDS.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        if _MILLISECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        return _iso_instant(text)
    except (ValueError, OverflowError, OSError):
        raise _unauthenticated("malformed_timestamp") from None


def _iso_instant(text: str) -> datetime:
    # fromisoformat reads "20240301" too; a bare number outside the two ranges above is no date of ours.
    if not text.isascii() or text.isdecimal():
        raise ValueError
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _unauthenticated(reason: str) -> Unauthenticated:
    return Unauthenticated("the delivery's signature does not hold", reason=reason)


def delivery_id(headers: Mapping[str, str], body: bytes) -> str | None:
    """``event_id`` of a wrapped body ``{"event_id", "event", "data": {...}}``; None for a bare record.

    An id of another type or beyond any reason is no id, and no ground to refuse an authentic record:
    the delivery is then told apart by its timestamp and digest. Raises Malformed where ``body`` is not JSON.
    """
    record = _decoded(body)
    if not isinstance(record, dict) or not isinstance(record.get("data"), dict):
        return None
    return _id_text(record.get("event_id"))


def _decoded(body: bytes) -> Any:
    try:
        return _decoder.decode(body)
    except UNREADABLE:
        # The decoder's own message may quote the body's bytes.
        raise Malformed("the body is not JSON", reason="not_json") from None


def _id_text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64:
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= _LONGEST_DELIVERY_ID:
        return value
    return None
