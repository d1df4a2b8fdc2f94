"""The function ``etl``, called by hand."""

from __future__ import annotations

from typing import Any

import msgspec
from botocore.config import Config

from scripts.cli.stage import Stage
from shared.errors import Misconfigured
from shared.names import LIVE_ALIAS

_LONGEST_SECONDS = 910
"""A little more than the function itself has."""


class Taken(msgspec.Struct, frozen=True):
    """What the function answers (``lambdas/etl``)."""

    stored: int
    """Batches that it did itself."""
    records: int
    started: str | None
    """The Glue run that it started."""
    at_work: str | None
    """The Glue run that it found at work, and left everything to."""


def order(stage: Stage, by_glue: bool) -> Taken:
    """Has the pending batches done. Raises Misconfigured where they are being done already, or one of them failed."""
    # Once: were an answer that is long in coming taken for lost, a second call would find the first at work.
    patient = Config(read_timeout=_LONGEST_SECONDS, retries={"total_max_attempts": 1})
    client = stage.session.client("lambda", endpoint_url=stage.endpoint, config=patient)
    event = {"small_batch_bytes": 0} if by_glue else {}
    try:
        answer = client.invoke(
            FunctionName=stage.names.function("etl"), Qualifier=LIVE_ALIAS, Payload=msgspec.json.encode(event)
        )
    except client.exceptions.TooManyRequestsException:
        raise at_work() from None
    payload = answer["Payload"].read()
    if "FunctionError" in answer:
        raise Misconfigured(_failure(msgspec.json.decode(payload)), fix="docs/runbook.md")
    return msgspec.json.decode(payload, type=Taken)


def at_work() -> Misconfigured:
    """The batches are being done: what has come since is done with the next."""
    return Misconfigured(
        "the batches are being done already", fix="wait for that; it takes what was pending at its start"
    )


def _failure(error: dict[str, Any]) -> str:
    return f"the function etl failed: {error.get('errorType', 'error')}: {error.get('errorMessage', 'no reason given')}"
