"""How a vendor that gives every subscription an id of its own is told a new secret: nothing signs with the old one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from lambdas.rotate.vendor import Telling, can_be_told
from shared.errors import NotFound, VendorUnavailable
from shared.storage.integrations import Integration
from shared.vendors import registry

URL = "https://hooks.example/webhooks"
OLD, NEW = "the secret before", "the secret from now on"


@dataclass
class Vendor:
    """Its API and our register of integrations; the ``strikes``-th call is answered with a failure."""

    signing: dict[str, str] = field(default_factory=lambda: {"SUB-0": OLD})
    """Subscription → the secret that it signs with."""
    registered: str | None = "SUB-0"
    replaces: bool = False
    """As HostPMS does: a second subscription of one address has the first one's id."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    asked: tuple[str, list[str]] = ("", [])
    strikes: int = 0
    is_done: bool = True
    """Whether what fails has been done all the same."""

    def subscribe(self, url: str, events: Sequence[str], secret: str) -> str:
        self.asked = url, list(events)
        id = "SUB-0" if self.replaces else f"SUB-{len(self.calls) + 1}"
        with self._called("subscribe", secret) as is_done:
            if is_done:
                self.signing[id] = secret
        return id

    def unsubscribe(self, subscription_id: str) -> None:
        with self._called("unsubscribe", subscription_id) as is_done:
            if is_done and self.signing.pop(subscription_id, None) is None:
                raise NotFound("no such subscription")

    def set_subscription(self, property_id: str, vendor: str, subscription_id: str) -> None:
        with self._called("register", subscription_id) as is_done:
            if is_done:
                self.registered = subscription_id

    @contextmanager
    def _called(self, what: str, which: str) -> Iterator[bool]:
        self.calls.append((what, which))
        is_struck = len(self.calls) == self.strikes
        yield self.is_done or not is_struck
        if is_struck:
            raise VendorUnavailable("no answer")

    def tell(self, secret: str) -> None:
        """By what is registered now, as each try does."""
        Telling(integration(self.registered), lambda: self, self, URL)(secret)


def integration(subscription_id: str | None) -> Integration:
    return Integration(
        property_id="PT-LIS-001",
        vendor="hostpms",
        time_zone="Europe/Lisbon",
        base_url="https://api.example/v3",
        entities=(),
        subscription_id=subscription_id,
    )


def test_the_new_subscription_is_made_then_the_old_one_ends_then_the_new_one_is_written_down() -> None:
    vendor = Vendor()
    vendor.tell(NEW)
    assert vendor.calls == [("subscribe", NEW), ("unsubscribe", "SUB-0"), ("register", "SUB-1")]
    assert vendor.asked == (f"{URL}/hostpms/PT-LIS-001", list(registry.part("hostpms", "webhook").EVENTS))
    assert (vendor.signing, vendor.registered) == ({"SUB-1": NEW}, "SUB-1")


def test_a_subscription_that_was_replaced_is_not_ended() -> None:
    vendor = Vendor(replaces=True)
    vendor.tell(NEW)
    assert (vendor.calls, vendor.signing, vendor.registered) == ([("subscribe", NEW)], {"SUB-0": NEW}, "SUB-0")


def test_an_old_subscription_that_the_vendor_has_forgotten_stops_nothing() -> None:
    vendor = Vendor(signing={})
    vendor.tell(NEW)
    assert (vendor.signing, vendor.registered) == ({"SUB-1": NEW}, "SUB-1")


@pytest.mark.parametrize("strikes", [1, 2, 3])
@pytest.mark.parametrize("is_done", [True, False])
def test_wherever_it_is_interrupted_the_next_try_leaves_nothing_that_signs_with_the_old_secret(
    strikes: int, is_done: bool
) -> None:
    vendor = Vendor(strikes=strikes, is_done=is_done)
    with pytest.raises(VendorUnavailable):
        vendor.tell(NEW)
    vendor.tell(NEW)
    assert set(vendor.signing.values()) == {NEW}
    assert vendor.registered in vendor.signing


@pytest.mark.parametrize("strikes", [1, 2, 3])
def test_at_no_moment_is_there_no_subscription(strikes: int) -> None:
    vendor = Vendor(strikes=strikes)
    with suppress(VendorUnavailable):
        vendor.tell(NEW)
    assert vendor.signing


def test_who_is_not_subscribed_by_us_cannot_be_told() -> None:
    assert can_be_told(integration("SUB-0"))
    assert not can_be_told(integration(None))
