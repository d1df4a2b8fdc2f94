"""How the API answers: JSON with exact amounts, and errors as one exception."""

from __future__ import annotations

import math
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from scripts.simulators.hostpms.records import encode


class Problem(Exception):
    """Answered as ``{"error": code, "message": text}``; no message names what a client sent as a secret."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(content), status, headers, media_type="application/json")


async def answer_problem(_: Request, error: Problem) -> Response:
    headers = {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
    return answer({"error": error.code, "message": error.message}, error.status, headers)


async def json_object(request: Request) -> dict[str, Any]:
    """The request's body. Raises Problem (400) where it is no JSON object."""
    try:
        content = await request.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Problem(400, "invalid_request", "the body is a JSON object")
    return content
