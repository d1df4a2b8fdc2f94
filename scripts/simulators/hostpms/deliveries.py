"""Sending the webhooks, and remembering what became of each."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from scripts.simulators.hostpms.planner import Delivery
from scripts.simulators.hostpms.records import instant
from scripts.simulators.hostpms.subscriptions import Subscription, Subscriptions

_TIMEOUT_SECONDS = 30.0
_TOO_MANY, _SERVER_ERROR = 429, 500


@dataclass(frozen=True, slots=True)
class Courier:
    """How deliveries are sent."""

    concurrency: int = 8
    per_second: float | None = None
    """At most so many deliveries a second; None for as fast as they are answered."""
    attempts: int = 4
    """How often one delivery is tried while the answer is 5xx, 429 or none."""
    backoff: float = 0.2
    """Seconds before the second attempt; twice as long before each further one."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery to one subscription, with its last answer. Times are epoch seconds."""

    id: str
    kind: str
    property_id: str
    event: str
    entity: str
    record_id: str
    updated_at: str
    refused: bool
    """The record is one that must be quarantined."""
    sent_at: float
    """The first attempt."""
    answered_at: float
    attempts: int
    status: int | None
    """None where nobody answered."""
    result: str | None
    """``result`` in the answer's body."""

    @property
    def failed(self) -> bool:
        return _is_to_be_retried(self.status)

    @property
    def answer(self) -> str:
        return " ".join(str(part) for part in (self.status or "no answer", self.result) if part)


class Deliveries:
    def __init__(self, subscriptions: Subscriptions, courier: Courier, clock: Callable[[], float]) -> None:
        self._subscriptions = subscriptions
        self._courier = courier
        self._clock = clock
        self._next_turn = 0.0
        self.log: list[Sent] = []
        """In the order of the answers."""

    async def send(self, planned: Sequence[Delivery], client: httpx.AsyncClient) -> None:
        """Those of one record go one after another, in the order planned; records go side by side."""
        lanes: dict[tuple[str, str, str], list[Delivery]] = defaultdict(list)
        for delivery in planned:
            lanes[delivery.record].append(delivery)
        slots = asyncio.Semaphore(self._courier.concurrency)
        await asyncio.gather(*(self._send_lane(lane, client, slots) for lane in lanes.values()))

    async def _send_lane(self, lane: Iterable[Delivery], client: httpx.AsyncClient, slots: asyncio.Semaphore) -> None:
        for delivery in lane:
            event = delivery.event
            for subscription in self._subscriptions.wanting(event.property_id, event.name):
                self.log.append(await self._send_one(delivery, subscription, client, slots))

    async def _send_one(
        self, delivery: Delivery, subscription: Subscription, client: httpx.AsyncClient, slots: asyncio.Semaphore
    ) -> Sent:
        first_sent_at, attempt = 0.0, 0
        while True:
            attempt += 1
            async with slots:
                await self._turn()
                sent_at = self._clock()
                first_sent_at = first_sent_at or sent_at
                status, result = await _post(delivery, subscription, client, sent_at)
            if attempt == self._courier.attempts or not _is_to_be_retried(status):
                return _sent(delivery, first_sent_at, self._clock(), attempt, status, result)
            await asyncio.sleep(self._courier.backoff * 2 ** (attempt - 1))

    async def _turn(self) -> None:
        if self._courier.per_second is None:
            return
        now = self._clock()
        turn = max(now, self._next_turn)
        self._next_turn = turn + 1 / self._courier.per_second
        await asyncio.sleep(turn - now)


async def _post(
    delivery: Delivery, subscription: Subscription, client: httpx.AsyncClient, now: float
) -> tuple[int | None, str | None]:
    letter, address = delivery.letter, subscription.address(delivery.event.name)
    try:
        answer = await client.post(
            address, content=letter.body, headers=letter.headers(subscription.secret, now), timeout=_TIMEOUT_SECONDS
        )
    except httpx.TransportError:
        return None, None
    return answer.status_code, _result(answer)


def _result(answer: httpx.Response) -> str | None:
    try:
        body = answer.json()
    except ValueError:
        return None
    result = body.get("result") if isinstance(body, dict) else None
    return result if isinstance(result, str) else None


def _is_to_be_retried(status: int | None) -> bool:
    return status is None or status == _TOO_MANY or status >= _SERVER_ERROR


def _sent(
    delivery: Delivery, sent_at: float, answered_at: float, attempts: int, status: int | None, result: str | None
) -> Sent:
    event = delivery.event
    return Sent(
        id=delivery.id,
        kind=delivery.kind,
        property_id=event.property_id,
        event=event.name,
        entity=event.entity,
        record_id=event.record_id,
        updated_at=instant(event.updated_at),
        refused=event.refused,
        sent_at=sent_at,
        answered_at=answered_at,
        attempts=attempts,
        status=status,
        result=result,
    )


def counters(log: Iterable[Sent], dropped: int) -> dict[str, Any]:
    """``sent`` by what it was, ``statuses`` and ``results`` by what was answered, ``answers`` of each kind."""
    sent: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    results: Counter[str] = Counter()
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    failed = 0
    for entry in log:
        sent[entry.kind] += 1
        statuses[str(entry.status or "no answer")] += 1
        results[entry.result or "none"] += 1
        answers[entry.kind][entry.answer] += 1
        failed += entry.failed
    return {
        "sent": dict(sent),
        "dropped": dropped,
        "failed": failed,
        "statuses": dict(statuses),
        "results": dict(results),
        "answers": {kind: dict(counts) for kind, counts in answers.items()},
    }


def as_json(log: Iterable[Sent]) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in log]
