"""What the deployed functions have logged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scripts.local.stack import LocalStack


def log_text(local: LocalStack) -> Iterator[str]:
    """Every line of every log group, as it stands there.

    The embedded AWS keeps the last lines of a worker back until its next invocation.
    """
    for page in local.client("logs").get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            yield from _messages(local, group["logGroupName"])


def log_lines(local: LocalStack, function: str) -> Iterator[dict[str, Any]]:
    """The structured lines of the function of ``lambdas/<function>/``."""
    for message in _messages(local, f"/aws/lambda/{local.names.function(function)}"):
        if message.startswith("{"):
            yield json.loads(message)


def _messages(local: LocalStack, group: str) -> Iterator[str]:
    for page in local.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group):
        for event in page["events"]:
            yield from event["message"].splitlines()
