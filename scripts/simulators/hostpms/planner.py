"""From what happened to what is sent: where deliveries are lost, doubled, shuffled, forged and spoiled.

Pure but for its dice. Deliveries come out in the order they are to be sent; those of one record must
not overtake one another on the way, or what was planned as in order would not be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Literal, get_args

import msgspec

from scripts.simulators.hostpms.agenda import Event
from scripts.simulators.hostpms.faults import Faults
from scripts.simulators.hostpms.letters import Forgery, Hand, Letter, ordinary_hand
from scripts.simulators.hostpms.quirks import Record
from scripts.simulators.hostpms.records import encode, instant

Kind = Literal["valid", "out_of_order", "duplicate", "forged", "stale", "malformed"]
_WRAPPED = 0.6
_PRINTED_OVER_LINES = 0.03
_STALE_FROM, _STALE_TO = 6 * 60, 3 * 60 * 60


@dataclass(frozen=True, slots=True)
class Delivery:
    id: str
    """``event_id`` where the body is wrapped; of a bare body only the simulator knows it."""
    kind: Kind
    event: Event
    letter: Letter

    @property
    def record(self) -> tuple[str, str, str]:
        return self.event.property_id, self.event.entity, self.event.record_id


@dataclass(slots=True)
class _Held:
    delivery: Delivery
    due: datetime | None
    """None: as soon as a later delivery of the same record has been sent."""


class Planner:
    """Keeps what is held back between one day's plan and the next."""

    def __init__(self, seed: int, faults: Callable[[], Faults]) -> None:
        self._rng = Random(f"deliveries of {seed}")  # nosec B311 # an invented world
        self._faults = faults
        self._held: list[_Held] = []
        self._sent: dict[tuple[str, str, str], datetime] = {}
        self._serial = 0
        self.dropped: Counter[str] = Counter()
        """By property."""

    def plan(self, events: Iterable[Event], now: datetime) -> list[Delivery]:
        """``now``: the virtual time the events lead up to; what was delayed until then goes first."""
        planned = list(self._release(lambda held: held.due is not None and held.due <= now))
        for event in events:
            planned.extend(self._of(event))
        return planned

    def flush(self) -> list[Delivery]:
        """Everything that is still held back."""
        return list(self._release(lambda _: True))

    def _of(self, event: Event) -> Iterator[Delivery]:
        delivery = self._true(event)
        fate = "sent" if event.only_announced else self._fate()
        if fate == "drop":
            self.dropped[event.property_id] += 1
        elif fate in ("reorder", "delay"):
            due = event.at + timedelta(days=self._faults().delay_days) if fate == "delay" else None
            self._held.append(_Held(delivery, due))
        else:
            yield self._send(delivery)
            yield from self._beside(delivery)
            yield from self._release(lambda held: held.due is None and held.delivery.record == delivery.record)

    def _fate(self) -> str:
        faults, draw = self._faults(), self._rng.random()
        for fate, share in (("drop", faults.drop), ("reorder", faults.reorder), ("delay", faults.delay)):
            if draw < share:
                return fate
            draw -= share
        return "sent"

    def _release(self, ready: Callable[[_Held], bool]) -> Iterator[Delivery]:
        released = [held for held in self._held if ready(held)]
        self._held = [held for held in self._held if not ready(held)]
        for held in released:
            yield self._send(held.delivery)

    def _send(self, delivery: Delivery) -> Delivery:
        """Notes what the receiver will have seen, and whether this comes too late for its place."""
        seen = self._sent.get(delivery.record)
        updated_at = delivery.event.updated_at
        if seen is not None and seen > updated_at:
            return replace(delivery, kind="out_of_order")
        self._sent[delivery.record] = updated_at
        return delivery

    # -- What is written -------------------------------------------------------------------------------
    def _true(self, event: Event) -> Delivery:
        id_ = self._next_id()
        return Delivery(id_, "valid", event, Letter(self._body(id_, event, event.record), ordinary_hand(self._rng)))

    def _next_id(self) -> str:
        self._serial += 1
        return f"EVT-{self._serial:08d}"

    def _body(self, id_: str, event: Event, record: Record) -> bytes:
        wrapped = self._rng.random() < _WRAPPED
        body = encode({"event_id": id_, "event": event.name, "data": record} if wrapped else record)
        return msgspec.json.format(body, indent=2) if self._rng.random() < _PRINTED_OVER_LINES else body

    def _beside(self, delivery: Delivery) -> Iterator[Delivery]:
        faults = self._faults()
        for kind, share, write in (
            ("duplicate", faults.duplicate, self._duplicate),
            ("forged", faults.forge, self._forged),
            ("stale", faults.stale, self._stale),
            ("malformed", faults.malformed, self._malformed),
        ):
            if self._rng.random() < share:
                yield replace(delivery, kind=kind, letter=write(delivery))  # type: ignore[arg-type]

    def _duplicate(self, delivery: Delivery) -> Letter:
        """The very same letter; or, where the body names its delivery, now and then sealed anew."""
        wrapped = b'"event_id"' in delivery.letter.body
        anew = wrapped and self._rng.random() < 0.5
        return Letter(delivery.letter.body, delivery.letter.hand) if anew else delivery.letter

    def _forged(self, delivery: Delivery) -> Letter:
        """A change that never was: were it believed, the copy would differ from the truth."""
        event = delivery.event
        record = falsified(event.entity, event.record, event.updated_at)
        forgery: Forgery = self._rng.choice(get_args(Forgery))
        return Letter(self._body(self._next_id(), event, record), Hand(forgery=forgery))

    def _stale(self, delivery: Delivery) -> Letter:
        shift = self._rng.choice((-1, -1, -1, 1)) * self._rng.uniform(_STALE_FROM, _STALE_TO)
        return Letter(delivery.letter.body, Hand(clock_shift=shift))

    def _malformed(self, delivery: Delivery) -> Letter:
        body = delivery.letter.body
        spoilt = self._rng.choice((body[: len(body) // 2], body + b"}", b"event=" + delivery.id.encode(), b""))
        return Letter(spoilt, delivery.letter.hand)


def falsified(entity: str, record: Record, updated_at: datetime) -> Record:
    """``record`` with a change worth forging, said to be a minute newer than the truth."""
    false = deepcopy(record)
    later = instant(updated_at + timedelta(minutes=1))
    if entity == "booking":
        false["pricing"]["total"] = Decimal("1.00")
        false["dates"]["updated_at"] = later
    else:
        field, value = {
            "guest": ("email", "mallory@example.org"),
            "room": ("estado", "bloqueado"),
            "payment": ("valor", Decimal("99999.00")),
        }[entity]
        false |= {field: value, "updated_at": later}
    return false
