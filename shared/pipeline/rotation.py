"""How a webhook secret is rotated while deliveries come in: no genuine one is refused, wherever it is interrupted.

    store ``next``  →  wait until every worker would verify with it  →  tell the vendor  →  ``next`` becomes ``current``

What the vendor signs with always verifies:

- before it is told it signs with ``current``. ``next`` verifies too, and is of no account;
- told, it may sign with either, and both verify. Whoever finds a ``next`` tells the vendor again, the same one;
- once ``next`` is ``current``, the one before is ``previous`` and verifies for ``overlap`` longer, by the clock: a
  delivery that was signed before the vendor was told comes late, or a vendor is slow in doing what it was told.

A worker of the webhook function remembers secrets, and one whose copy is fresh does not ask again for a signature that
does not hold. Hence the wait (``notice``), which is longer than any copy counts as fresh. It is spent in the queue.

Every write is a compare-and-set: of two that rotate at once one is told ``Superseded``, and looks again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

import msgspec

from shared.hotel_secrets import Held, WebhookSecret
from shared.pipeline.rotation_orders import HotelRotation

Outcome = Literal["young", "untold", "begun", "waiting", "rotated", "forgotten"]
"""``young``: nothing is due. ``untold``: it is due, and the vendor cannot be told."""


class Vault(Protocol):
    """One hotel's webhook secret."""

    def held(self) -> Held[WebhookSecret]: ...
    def replace(self, held: Held[WebhookSecret], secret: WebhookSecret) -> None:
        """Raises Superseded where it is not as it was ``held`` any more."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    vault: Vault
    tell: Callable[[str], None] | None
    """Has the vendor sign with this from now on; told the same again, it does no harm. None: its API cannot be told."""
    alone: Callable[[], AbstractContextManager[object]]
    """Keeps others from this hotel, for as long as telling can take. Raises LeaseHeld."""
    clock: Callable[[], datetime]
    new_value: Callable[[], str]
    overlap: timedelta
    notice: timedelta


class Leg(NamedTuple):
    outcome: Outcome
    again_after: timedelta | None = None
    """The order is to be given again, for then."""


def since(held: Held[WebhookSecret]) -> datetime:
    """When the value in use came into use (UTC)."""
    return held.secret.since or held.changed_at


def rotate(order: HotelRotation, desk: Desk) -> Leg:
    """Does what can be done now. Raises Superseded or LeaseHeld, and what the store and the vendor raise."""
    with desk.alone():
        held = desk.vault.held()
        if held.secret.next is None:
            return _begin_where_due(order, held, desk)
        return _go_on(order, held, desk)


def _begin_where_due(order: HotelRotation, held: Held[WebhookSecret], desk: Desk) -> Leg:
    if since(held) >= order.older_than:
        return _forget(held, desk) if order.forget_previous and held.secret.previous else Leg("young")
    if desk.tell is None:
        return Leg("untold")
    desk.vault.replace(held, begun(held, desk.new_value(), desk.clock()))
    return Leg("begun", desk.notice)


def _go_on(order: HotelRotation, held: Held[WebhookSecret], desk: Desk) -> Leg:
    if desk.tell is None or held.secret.next is None:
        return Leg("untold")
    if left := notice_left(held, desk):
        return Leg("waiting", left)
    desk.tell(held.secret.next)
    overlap = timedelta(0) if order.forget_previous else desk.overlap
    desk.vault.replace(held, finished(held.secret, desk.clock(), overlap))
    return Leg("rotated")


def notice_left(held: Held[WebhookSecret], desk: Desk) -> timedelta:
    """Until every worker would verify with ``next``."""
    begun_at = held.secret.next_since or since(held)
    return max(timedelta(0), min(desk.notice - (desk.clock() - begun_at), desk.notice))


def _forget(held: Held[WebhookSecret], desk: Desk) -> Leg:
    desk.vault.replace(
        held, msgspec.structs.replace(held.secret, since=since(held), previous=None, previous_until=None)
    )
    return Leg("forgotten")


def begun(held: Held[WebhookSecret], value: str, now: datetime) -> WebhookSecret:
    return msgspec.structs.replace(held.secret, next=value, next_since=now, since=since(held))


def finished(secret: WebhookSecret, now: datetime, overlap: timedelta) -> WebhookSecret:
    """``next`` in ``current``'s place, which verifies for ``overlap`` longer."""
    if secret.next is None:
        raise ValueError("no rotation has begun")
    current = WebhookSecret(secret.next, since=now)
    if not overlap:
        return current
    return msgspec.structs.replace(current, previous=secret.current, previous_until=now + overlap)
