"""What the deployed pipeline tells of itself: its log, its tables, its lake."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from statistics import quantiles
from typing import Any

import psycopg

from scripts.cli.queues import Queue
from scripts.cli.waiting import Patience
from scripts.local.stack import LocalStack
from shared.model.columns import MODELS, TABLES
from shared.names import Names

_APPLIED_SECONDS = 300
_QUIET_LOOKS = 4


def until_applied(local: LocalStack) -> None:
    """Waits until the live queue has been empty for a while. Raises StoreUnavailable where it goes on not to be."""
    queue, quiet = Queue(local.client("sqs"), local.names.live_queue), 0

    def is_quiet() -> bool:
        nonlocal quiet
        # The event of an object just landed may not have come to the queue yet.
        quiet = 0 if queue.depth().total else quiet + 1
        return quiet == _QUIET_LOOKS

    Patience(_APPLIED_SECONDS, interval=0.25).until(is_quiet, "the live queue to be empty")


def refusals(local: LocalStack) -> Counter[str]:
    """Reason → refused deliveries, from the webhook function's own log: the caller is not told."""
    reasons: Counter[str] = Counter()
    for line in _log_lines(local.client("logs"), f"/aws/lambda/{local.names.function('webhook')}"):
        if line.get("message") == "delivery refused" and "reason" in line:
            reasons[str(line["reason"])] += 1
    return reasons


def _log_lines(logs: Any, group: str) -> Iterator[dict[str, Any]]:
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
        for event in page["events"]:
            for line in event["message"].splitlines():
                if line.startswith("{"):
                    try:
                        yield json.loads(line)
                    except ValueError:
                        continue


def lag_seconds(connection: psycopg.Connection[Any], deliveries: list[dict[str, Any]]) -> dict[str, float]:
    """From a delivery's first sending to its row, for those whose version still stands in PostgreSQL."""
    synced: dict[tuple[str, str, str, str], datetime] = {}
    for entity in ("booking", "guest", "room", "payment"):
        rows = connection.execute(
            f"SELECT hotel_id, external_id, source_updated_at, synced_at FROM hotel.{TABLES[entity]}"  # nosec B608 # our own names
            " WHERE raw_key LIKE '%/webhooks/%'"
        )
        for hotel_id, external_id, updated_at, synced_at in rows:
            synced[hotel_id, entity, external_id, _milliseconds(updated_at)] = synced_at
    lags = []
    for sent in deliveries:
        if sent["status"] != 200 or sent["result"] != "accepted":
            continue
        updated_at = datetime.fromisoformat(sent["updated_at"])
        row = synced.get((sent["property_id"], sent["entity"], sent["record_id"], _milliseconds(updated_at)))
        if row is not None:
            lags.append(row.timestamp() - sent["sent_at"])
    if len(lags) < 2:
        return {}
    hundredths = quantiles(lags, n=100)
    return {name: round(hundredths[place - 1], 3) for name, place in (("p50", 50), ("p95", 95), ("p99", 99))}


def _milliseconds(instant: datetime | None) -> str:
    return "" if instant is None else str(round(instant.timestamp() * 1000))


def parquet_bodies(s3: Any, names: Names, entity: str) -> Iterator[bytes]:
    for page in s3.get_paginator("list_objects_v2").paginate(
        Bucket=names.processed_bucket, Prefix=f"{TABLES[entity]}/"
    ):
        for item in page.get("Contents", ()):
            yield s3.get_object(Bucket=names.processed_bucket, Key=item["Key"])["Body"].read()


def parquet_entities() -> list[str]:
    """Every table of the lake, the quarantine too."""
    return list(MODELS)
