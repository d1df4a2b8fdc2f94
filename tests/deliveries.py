"""Webhook calls as API Gateway hands them to the function. The people in them are invented."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from shared.vendors.hostpms.webhook import sign

SECRET = "the-current-secret"
NOW = datetime(2024, 3, 1, 10, 30, tzinfo=UTC)
PROPERTY = "PT-LIS-001"
GUEST_EMAIL = "joao.silva@example.pt"
BODY = json.dumps({"reservation_id": "RSV-12345", "guest": {"name": "João Silva", "email": GUEST_EMAIL}}).encode()


def wrapped(delivery_id: object, **record: object) -> bytes:
    """The body that names its delivery."""
    return json.dumps({"event_id": delivery_id, "event": "reservation.created", "data": record}).encode()


def resource(vendor: str) -> str:
    """The vendor's path as API Gateway knows it."""
    return f"/webhooks/{vendor}/{{propertyId}}/{{event}}"


def signed_headers(body: bytes = BODY, *, at: datetime | str = NOW, secret: str = SECRET) -> dict[str, str]:
    """``at`` as a datetime is sent as Unix seconds; as a string, as it is."""
    timestamp = at if isinstance(at, str) else str(int(at.timestamp()))
    return {"X-HostPMS-Signature": sign(timestamp, body, secret), "X-HostPMS-Timestamp": timestamp}


def proxy_event(
    body: bytes = BODY,
    /,
    *,
    at: datetime | str = NOW,
    secret: str = SECRET,
    property_id: str = PROPERTY,
    event: str = "reservation.created",
    encoded: bool = True,
    **changes: Any,
) -> dict[str, Any]:
    """A signed call. ``changes`` replace whole fields of the event, whatever they break."""
    headers = signed_headers(body, at=at, secret=secret)
    return {
        "resource": resource("hostpms"),
        "pathParameters": {"propertyId": property_id, "event": event},
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "body": base64.b64encode(body).decode() if encoded else body.decode(),
        "isBase64Encoded": encoded,
        "requestContext": {"requestId": "api-request-1"},
        **changes,
    }


def lambda_context(remaining_ms: int = 10_000) -> Any:
    return SimpleNamespace(
        function_name="webhook",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:eu-west-1:000000000000:function:webhook",
        aws_request_id="lambda-request-1",
        get_remaining_time_in_millis=lambda: remaining_ms,
    )
