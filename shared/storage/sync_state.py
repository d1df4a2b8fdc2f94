"""The sync-state table: where each poll stands (DESIGN.md §5).

    pk                       sk                                    holds
    {vendor}#{property_id}   cursor#{entity}                       updated_since, landed, landed_at: see ``cursors``
                             lease#{entity}                        holder, run_id, started_at, reserved, expires_at
                             token                                 value, refresh_at, expires_at
                             rate#{entity}                         see ``rate_budget``
                             run#{entity}#{started_at}#{run_id}    a sync run's record

``expires_at`` (epoch seconds) is the table's time to live. DynamoDB deletes late, so whoever reads it
compares it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
from boto3.dynamodb.conditions import Key

from shared.errors import LeaseHeld, Misconfigured
from shared.model.calendar import Instant
from shared.pipeline.cursors import Cursor
from shared.pipeline.sync_runs import Holder, SyncRun
from shared.storage.dynamodb import ConditionFailed, epoch, partition_of, reaching, read_item, written
from shared.streams import Stream

RUNS_KEPT = timedelta(days=400)
"""A year, and the same month of the year before."""

Clock = Callable[[], datetime]


class Cursors:
    """One of each stream."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def get(self, stream: Stream) -> Cursor | None:
        """None before the first page of the first sync. Raises Misconfigured where what is there is no cursor."""
        with reaching(self._table):
            answer = self._table.get_item(Key=_key(stream, f"cursor#{stream.entity}"), ConsistentRead=True)
        item = answer.get("Item")
        if item is None:
            return None
        fix = "delete the item: all history is fetched again"
        return read_item(item, Cursor, f"the cursor of {'/'.join(stream)}", fix)

    def advance(self, stream: Stream, to: Cursor) -> None:
        """Replaces the cursor by ``to``; one that is already further stays as it is."""
        item: dict[str, Any] = {"updated_since": written(to.updated_since)}
        if to.landed_at:
            item |= {"landed": sorted(to.landed), "landed_at": written(to.landed_at)}
        try:
            with reaching(self._table):
                self._table.put_item(
                    Item={**_key(stream, f"cursor#{stream.entity}"), **item},
                    ConditionExpression="attribute_not_exists(pk) OR updated_since <= :to",
                    ExpressionAttributeValues={":to": item["updated_since"]},
                )
        except ConditionFailed:
            pass

    def reset(self, stream: Stream) -> None:
        """Forgets the cursor: the next run fetches all history, and lands it."""
        with reaching(self._table):
            self._table.delete_item(Key=_key(stream, f"cursor#{stream.entity}"))


class Leases:
    """At most one invocation at a stream."""

    def __init__(self, table: Any, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def take(self, stream: Stream, holder: Holder, until: datetime) -> Holder | None:
        """Takes what is free, expired, or reserved for the holder's run; returns whose lease had expired.

        Raises LeaseHeld.
        """
        try:
            old = self._put(
                stream,
                holder,
                until,
                reserved=False,
                condition="attribute_not_exists(pk) OR expires_at <= :now OR (reserved = :yes AND run_id = :run)",
                values={":now": epoch(self._clock()), ":yes": True, ":run": holder.run_id},
            )
        except ConditionFailed:
            raise LeaseHeld("another worker polls this stream", stream="/".join(stream)) from None
        expired = _expired(old) if old else None
        return expired if expired and expired.run_id != holder.run_id else None

    def reserve(self, stream: Stream, holder: Holder, until: datetime) -> None:
        """Keeps the stream for the holder's run, until its next leg takes it. Raises LeaseHeld where it was lost."""
        try:
            self._put(
                stream,
                holder,
                until,
                reserved=True,
                condition="holder = :holder",
                values={":holder": holder.owner},
            )
        except ConditionFailed:
            raise LeaseHeld("the lease expired and was taken", stream="/".join(stream)) from None

    def release(self, stream: Stream, holder: Holder) -> None:
        """Frees the stream, if it is still this holder's."""
        try:
            with reaching(self._table):
                self._table.delete_item(
                    Key=_key(stream, f"lease#{stream.entity}"),
                    ConditionExpression="holder = :holder",
                    ExpressionAttributeValues={":holder": holder.owner},
                )
        except ConditionFailed:
            pass

    def _put(
        self,
        stream: Stream,
        holder: Holder,
        until: datetime,
        *,
        reserved: bool,
        condition: str,
        values: dict[str, Any],
    ) -> dict[str, Any] | None:
        item = {
            **_key(stream, f"lease#{stream.entity}"),
            "holder": holder.owner,
            "run_id": holder.run_id,
            "started_at": written(holder.started_at),
            "reserved": reserved,
            "expires_at": epoch(until),
        }
        with reaching(self._table):
            answer = self._table.put_item(
                Item=item,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_OLD",
            )
        old: dict[str, Any] | None = answer.get("Attributes")
        return old


class SyncRuns:
    """The records of sync runs, kept for ``RUNS_KEPT``."""

    def __init__(self, table: Any, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def save(self, run: SyncRun) -> None:
        item = {name: value for name, value in msgspec.to_builtins(run).items() if value is not None}
        expires_at = epoch(run.started_at + RUNS_KEPT)
        with reaching(self._table):
            self._table.put_item(
                Item={**item, **_run_key(run.stream, run.started_at, run.run_id), "expires_at": expires_at}
            )

    def get(self, stream: Stream, started_at: datetime, run_id: str) -> SyncRun | None:
        with reaching(self._table):
            answer = self._table.get_item(Key=_run_key(stream, started_at, run_id), ConsistentRead=True)
        return _run(answer["Item"], stream) if "Item" in answer else None

    def abandon(self, stream: Stream, started_at: datetime, run_id: str) -> None:
        """Closes the record of a run whose invocation died; one that has come to its end keeps it."""
        try:
            with reaching(self._table):
                self._table.update_item(
                    Key=_run_key(stream, started_at, run_id),
                    UpdateExpression="SET #status = :failed, finished_at = :now, #error = :error",
                    ConditionExpression="#status IN (:running, :continued)",
                    ExpressionAttributeNames={"#status": "status", "#error": "error"},
                    ExpressionAttributeValues={
                        ":failed": "failed",
                        ":running": "running",
                        ":continued": "continued",
                        ":now": written(self._clock()),
                        ":error": "Abandoned: its worker ended without a word, and its lease expired",
                    },
                )
        except ConditionFailed:
            pass

    def runs(self, vendor: str, property_id: str, entity: str | None = None, limit: int = 20) -> list[SyncRun]:
        """The newest first, at most ``limit``; of every entity where none is named."""
        entities = [entity] if entity else self._entities(vendor, property_id)
        found = [run for name in entities for run in islice(self.newest(Stream(vendor, property_id, name)), limit)]
        return sorted(found, key=lambda run: run.started_at, reverse=True)[:limit]

    def last_run(self, vendor: str, property_id: str, entity: str) -> SyncRun | None:
        return next(iter(self.runs(vendor, property_id, entity, limit=1)), None)

    def newest(self, stream: Stream, page: int = 50) -> Iterator[SyncRun]:
        """Every run, the newest first; ``page`` of them are read at a time, as far as they are taken."""
        for item in self._backwards(partition_of(stream), Key("sk").begins_with(f"run#{stream.entity}#"), page):
            yield _run(item, stream)

    def _entities(self, vendor: str, property_id: str) -> Iterator[str]:
        """Which entities have runs, without reading them all: from each entity's last run to the one before it."""
        below = "run#~"
        pk = partition_of(Stream(vendor, property_id, ""))
        while item := next(self._backwards(pk, Key("sk").between("run#", below), page=1), None):
            yield item["entity"]
            below = f"run#{item['entity']}#"

    def _backwards(self, pk: str, condition: Any, page: int = 50) -> Iterator[dict[str, Any]]:
        query = {"KeyConditionExpression": Key("pk").eq(pk) & condition, "ScanIndexForward": False, "Limit": page}
        # By name: who may read runs may not for that read the tokens beside them (infra/capabilities/watch.py).
        fields = {f"#{field}": field for field in SyncRun.__struct_fields__}
        query |= {"ProjectionExpression": ", ".join(fields), "ExpressionAttributeNames": fields}
        while True:
            with reaching(self._table):
                answer = self._table.query(**query)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


class Token(msgspec.Struct, frozen=True):
    value: str
    refresh_at: Instant
    """UTC; from then on it is replaced before it is used again."""

    def __repr__(self) -> str:
        return f"Token(..., refresh_at={self.refresh_at.isoformat()})"


class SharedToken:
    """One property's access token: in this process's memory, and in the table for all workers."""

    def __init__(self, table: Any, vendor: str, property_id: str) -> None:
        self._table = table
        self._key = _key(Stream(vendor, property_id, ""), "token")
        self._cached: Token | None = None

    def cached(self) -> Token | None:
        return self._cached

    def shared(self) -> Token | None:
        with reaching(self._table):
            item = self._table.get_item(Key=self._key, ConsistentRead=True).get("Item")
        if item is None:
            return None
        try:
            self._cached = read_item(item, Token, "the token", fix="it is replaced")
        except Misconfigured:
            return None
        return self._cached

    def save(self, value: str, refresh_at: datetime, expires_at: datetime) -> None:
        self._cached = Token(value, refresh_at)
        item = {"value": value, "refresh_at": written(refresh_at), "expires_at": epoch(expires_at)}
        with reaching(self._table):
            self._table.put_item(Item={**self._key, **item})


def _key(stream: Stream, sk: str) -> dict[str, str]:
    return {"pk": partition_of(stream), "sk": sk}


def _run_key(stream: Stream, started_at: datetime, run_id: str) -> dict[str, str]:
    return _key(stream, f"run#{stream.entity}#{written(started_at)}#{run_id}")


def _run(item: dict[str, Any], stream: Stream) -> SyncRun:
    what = f"a sync run of {'/'.join(stream)}"
    return read_item(item, SyncRun, what, fix="delete the item: it is only a record")


class _Lease(msgspec.Struct):
    holder: str
    run_id: str
    started_at: Instant


def _expired(item: dict[str, Any]) -> Holder | None:
    """Whose lease ``item`` was; None where it does not tell: there is then no run's record to close."""
    try:
        lease = read_item(item, _Lease, "a lease", fix="it is replaced")
    except Misconfigured:
        return None
    return Holder(lease.holder, lease.run_id, lease.started_at)
