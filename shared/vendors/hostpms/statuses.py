"""What HostPMS's HTTP answers mean: one table from status to the error that says what to do about it.

Given by the product's requirements: 401, 429, 500 and 503. The others follow their meaning in RFC 9110.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx

from shared.errors import CredentialsRefused, Malformed, Misconfigured, PousadaError, RateLimited, VendorUnavailable

_LONGEST_RETRY_AFTER = 86_400.0


class ServerError(VendorUnavailable):
    """The vendor or the network failed this once: another try may do."""


class TokenRefused(CredentialsRefused):
    """401: the token, not yet the credentials."""


class Outcome(NamedTuple):
    error: type[PousadaError]
    fix: str | None = None


OUTCOMES: Mapping[int, Outcome] = MappingProxyType(
    {
        401: Outcome(TokenRefused),
        403: Outcome(CredentialsRefused, "have HostPMS grant the client this property"),
        404: Outcome(Misconfigured, "check the integration's property_id and base_url"),
        429: Outcome(RateLimited),
        500: Outcome(ServerError),
        502: Outcome(ServerError),
        503: Outcome(VendorUnavailable),
        504: Outcome(ServerError),
    }
)
TOKEN_OUTCOMES: Mapping[int, Outcome] = MappingProxyType(
    dict.fromkeys((400, 401, 403), Outcome(CredentialsRefused, "store the property's OAuth credentials again"))
)
_STRANGE = Outcome(VendorUnavailable)
# For a status that no table names, by its first digit.
_OTHER_OUTCOMES: Mapping[int, Outcome] = MappingProxyType(
    {
        3: Outcome(Misconfigured, "a redirect: check the integration's base_url"),
        4: Outcome(Malformed, "HostPMS does not take our request: compare it with their documentation"),
        5: Outcome(VendorUnavailable),
    }
)


def refuse_errors(
    response: httpx.Response, what: str, now: datetime, exceptions: Mapping[int, Outcome] = MappingProxyType({})
) -> None:
    """Raises what ``response`` stands for, unless it is a success; ``exceptions`` come before ``OUTCOMES``."""
    if response.is_success:
        return
    status = response.status_code
    outcome = exceptions.get(status) or OUTCOMES.get(status) or _OTHER_OUTCOMES.get(status // 100, _STRANGE)
    facts: dict[str, Any] = {"vendor": "hostpms", "status": status}
    wait = retry_after(response.headers.get("Retry-After"), now)
    if wait is not None:
        facts["retry_after"] = wait
    raise outcome.error(f"{what} answered {status}", fix=outcome.fix, **facts)


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds, from a number of seconds or an HTTP date (RFC 9110, 10.2.3); None where it is neither."""
    if header is None:
        return None
    header = header.strip()
    if header.isascii() and header.isdigit():
        return min(float(header), _LONGEST_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return None
    date = date.replace(tzinfo=UTC) if date.tzinfo is None else date
    return min(max(0.0, (date - now).total_seconds()), _LONGEST_RETRY_AFTER)
