"""The processed bucket: Parquet, one file for each batch, group of raw objects, entity and vendor (DESIGN.md §3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shared.model.columns import TABLES
from shared.segments import joined


def parquet_key(entity: str, source: str, batch_id: str, created_at: datetime, group: int) -> str:
    """``{table}/source={vendor}/year=YYYY/month=MM/day=DD/{batch}-{n}.parquet``, the same at every run of the batch.

    Raises Malformed.
    """
    day = f"{created_at:year=%Y/month=%m/day=%d}"
    return f"{TABLES[entity]}/source={joined(source)}/{day}/{joined(batch_id)}-{group:05d}.parquet"


class ProcessedLake:
    """``client`` is a boto3 S3 client."""

    def __init__(self, bucket: str, client: Any) -> None:
        self._bucket = bucket
        self._client = client

    def put(self, key: str, content: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content)
