"""What the vendor is told. A refusal's reason is for our log: told, it would help to guess."""

from __future__ import annotations

import json
from typing import Any

from shared.errors import Malformed, NotFound, Page, PousadaError, Retry, TooLarge, Unauthenticated

RETRY_AFTER_SECONDS = 5

# 5xx only where it is our fault: the vendor will try again.
_REFUSALS: dict[type[PousadaError], tuple[int, str]] = {
    Unauthenticated: (401, "unauthenticated"),
    NotFound: (404, "not_found"),
    Malformed: (400, "malformed"),
    TooLarge: (413, "too_large"),
    Retry: (503, "unavailable"),
    Page: (503, "unavailable"),
}


def taken(result: str, correlation_id: str) -> dict[str, Any]:
    return _answer(200, {"result": result}, correlation_id)


def refused(error: PousadaError, correlation_id: str) -> dict[str, Any]:
    status, word = next(answer for kind, answer in _REFUSALS.items() if isinstance(error, kind))
    answer = _answer(status, {"error": word}, correlation_id)
    if status == 503:
        answer["headers"]["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def _answer(status: int, body: dict[str, str], correlation_id: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "X-Correlation-Id": correlation_id},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
