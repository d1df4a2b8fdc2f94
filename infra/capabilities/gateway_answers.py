"""What API Gateway answers by itself: the words of the function, and nothing of what was sent.

Its own words would quote a stranger's Authorization header, or name the headers that are missing.
"""

from __future__ import annotations

import json

from aws_cdk import aws_apigateway as apigateway

_RETRY_AFTER_SECONDS = 5

_ResponseType = apigateway.ResponseType
# As the function answers (lambdas/webhook/answers.py), so that nobody learns who of the two did.
_ANSWERS: dict[str, tuple[_ResponseType, str | None, str]] = {
    # Of no vendor, or no POST: API Gateway's own 403 would have a vendor look for credentials.
    "NoSuchPath": (_ResponseType.MISSING_AUTHENTICATION_TOKEN, "404", "not_found"),
    # Only headers can be missing: a path without its parts is none.
    "HeaderMissing": (_ResponseType.BAD_REQUEST_PARAMETERS, "401", "unauthenticated"),
    "TooLarge": (_ResponseType.REQUEST_TOO_LARGE, "413", "too_large"),
    "Throttled": (_ResponseType.THROTTLED, "429", "throttled"),
    "Firewall": (_ResponseType.WAF_FILTERED, "403", "refused"),
    "OtherRefusal": (_ResponseType.DEFAULT_4_XX, None, "refused"),
    "Failure": (_ResponseType.DEFAULT_5_XX, None, "unavailable"),
}
_ASK_AGAIN = ("Throttled", "Failure")


def add_gateway_answers(api: apigateway.RestApi) -> None:
    for id, (kind, status, word) in _ANSWERS.items():
        api.add_gateway_response(
            id,
            type=kind,
            status_code=status,
            response_headers={"Retry-After": f"'{_RETRY_AFTER_SECONDS}'"} if id in _ASK_AGAIN else None,
            templates={"application/json": json.dumps({"error": word})},
        )
