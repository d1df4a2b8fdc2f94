"""The batch path without Spark: whatever is pending is stored by the function etl itself, in a second or two."""

from __future__ import annotations

import json
from typing import Any

from botocore.config import Config

from scripts.cli.queues import Queue
from scripts.local.stack import LocalStack
from shared.names import LIVE_ALIAS
from tests.e2e.waiting import LOOKS, eventually

# In place of the local target's 0, for this one call: also what other tests have left pending is small.
_ORDER = {"small_batch_bytes": 2**30}
# By itself boto3 would give up after a minute, and order it a second time.
_PATIENT = Config(read_timeout=600, retries={"total_max_attempts": 1})


def store_pending(local: LocalStack) -> dict[str, Any]:
    """The function's answer."""
    function = local.names.function("etl")
    client = local.client("lambda", config=_PATIENT)
    answer = client.invoke(FunctionName=function, Qualifier=LIVE_ALIAS, Payload=json.dumps(_ORDER))
    payload: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload


def until_batched(local: LocalStack) -> None:
    """Until every raw object that has come is in a manifest."""
    queue, empty = Queue(local.client("sqs"), local.names.batch_queue), 0

    def is_empty() -> bool:
        nonlocal empty
        empty = 0 if queue.depth().total else empty + 1
        return empty == LOOKS

    eventually(is_empty, "the batch queue to be empty")
