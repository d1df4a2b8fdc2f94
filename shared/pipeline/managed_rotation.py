"""A rotation that Secrets Manager leads, in its four steps: ``shared.pipeline.rotation`` in another's order.

    createSecret    store ``next``, beside ``current``, where deliveries are verified
    setSecret       wait until every worker would verify with it; tell the vendor; offer what is to become current
    testSecret      what is offered verifies already
    finishSecret    what is offered becomes current

Secrets Manager gives the steps in this order, and after a failure all of them again; each may be taken at whatever the
one before it, or it itself, left behind. What is offered lies in the version that Secrets Manager has labelled
AWSPENDING and cannot be changed there. Hence it is offered last: the overlap in it runs from when the vendor was told,
however late that was. Whoever gives the secret another value meanwhile goes first: the offer is withdrawn, so that the
next rotation is not held up by it, and begins with the ``next`` there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from shared.errors import LeaseHeld, Misconfigured, Superseded
from shared.hotel_secrets import Held, Revision, WebhookSecret
from shared.pipeline.rotation import Desk, begun, finished, notice_left

Step = Literal["createSecret", "setSecret", "testSecret", "finishSecret"]


class Offer(Protocol):
    """The version that Secrets Manager wants to become the current one."""

    @property
    def is_current(self) -> bool: ...
    def secret(self) -> WebhookSecret | None:
        """None: nothing is offered yet."""
        ...

    def put(self, secret: WebhookSecret) -> None: ...
    def promote(self, revision: Revision) -> None:
        """In place of the current one. Raises Superseded where that is not at ``revision`` any more."""
        ...

    def withdraw(self) -> None:
        """Takes the label AWSPENDING off; one that is off already will do."""
        ...


def take(step: Step, offer: Offer, desk: Desk, sleep: Callable[[float], None]) -> None:
    """``sleep`` takes seconds. Raises Superseded, LeaseHeld, Misconfigured, and what the store and the vendor raise."""
    match step:
        case "createSecret":
            _create(offer, desk)
        case "setSecret":
            _set(offer, desk, sleep)
        case "testSecret":
            _test(offer, desk)
        case "finishSecret":
            _finish(offer, desk)


def _create(offer: Offer, desk: Desk) -> None:
    _telling(desk)
    with desk.alone():
        if offer.is_current or offer.secret():
            return
        held = desk.vault.held()
        # The vendor may have been told one that is there: it is gone on with.
        if held.secret.next is None:
            desk.vault.replace(held, begun(held, desk.new_value(), desk.clock()))


def _set(offer: Offer, desk: Desk, sleep: Callable[[float], None]) -> None:
    if offer.is_current:
        return
    tell = _telling(desk)
    # Before the lease is taken, which is for as long as telling can take.
    sleep(notice_left(desk.vault.held(), desk).total_seconds())
    with desk.alone():
        held, value = _at_work(offer, desk)
        if notice_left(held, desk):
            raise LeaseHeld("a rotation has been begun anew meanwhile", fix="it is gone on with later")
        tell(value)
        if offer.secret() is None:
            offer.put(finished(held.secret, desk.clock(), desk.overlap))


def _test(offer: Offer, desk: Desk) -> None:
    """Taken alone, of a version with nothing in it, when a secret is first to be rotated by Secrets Manager."""
    if offer.is_current or offer.secret() is None:
        desk.vault.held()
    else:
        _at_work(offer, desk)


def _finish(offer: Offer, desk: Desk) -> None:
    if not offer.is_current:
        with desk.alone():
            held, _ = _at_work(offer, desk)
            if offer.secret() is None:
                raise Superseded("the vendor has not been told", fix="the steps are taken from the first again")
            offer.promote(held.revision)
    # Left there, it would hold up the next rotation as soon as another version is the current one.
    offer.withdraw()


def _at_work(offer: Offer, desk: Desk) -> tuple[Held[WebhookSecret], str]:
    """The current secret and its ``next``, which is what is offered, if anything is. Raises Superseded."""
    held, offered = desk.vault.held(), offer.secret()
    value, current = held.secret.next, held.secret.current
    if value is None or (offered and (offered.current, offered.previous) != (value, current)):
        offer.withdraw()
        raise Superseded("the secret was given another value since its rotation began", fix="rotate it again")
    return held, value


def _telling(desk: Desk) -> Callable[[str], None]:
    if desk.tell is None:
        raise Misconfigured("the vendor cannot be told a new secret", fix="docs/secrets.md")
    return desk.tell
