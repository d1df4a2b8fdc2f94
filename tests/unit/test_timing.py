"""How long a signature's verification takes tells nothing of how much of it is right.

Whoever could tell would find a signature character by character. Time is measured, and not steps counted, for it is
time that a stranger sees, also that which a library spends. The machine's noise is many times what is looked for, so
the measure is one that noise does not move: signatures that are right in no, half and all but one character are
verified in turn, in random order, and compared within each turn; of the differences only the median counts, with
bounds that rest on ranks alone. What is left is some ten nanoseconds, on a busy machine too.

The same measure is taken of a comparison that ends at the first wrong character, and must find it. What no measure in
Python can see, the few nanoseconds of ``==`` on two texts, is held by the last test.
"""

from __future__ import annotations

import gc
import hmac
import random
from collections.abc import Callable, Mapping
from math import sqrt
from statistics import median
from time import perf_counter_ns
from typing import NamedTuple

import pytest

from lambdas.webhook.receiver import Receiver
from shared.errors import Unauthenticated
from shared.names import webhook_secret_name
from shared.pipeline.delivery import Address, Delivery
from shared.storage.secret_stores import SecretsManager
from shared.storage.secrets import Secrets
from shared.vendors import registry
from tests.deliveries import BODY, NOW, PROPERTY, SECRET, lambda_context
from tests.fakes.webhook import FakeClock, FakeLanding, FakeSecretsManager

TURNS = 2_000
TOLERANCE = 0.01
"""Of the time of one verification: some 50 ns, which is three characters of a loop in Python."""
CERTAIN = 5.0
"""Standard deviations on each side: a bound is missed by chance once in a million measures."""

Verify = Callable[[Mapping[str, str]], object]


class Difference(NamedTuple):
    """By how much longer than a wholly wrong signature one takes that is right in part, in nanoseconds."""

    least: float
    most: float
    typical: float
    """A verification's time."""

    @property
    def is_a_leak(self) -> bool:
        return max(self.least, -self.most) > TOLERANCE * self.typical


def with_right(signature: str, count: int) -> str:
    """As long as ``signature``, the first ``count`` characters alike and all others not."""
    other = {digit: random.choice([d for d in "0123456789abcdef" if d != digit]) for digit in "0123456789abcdef"}
    return signature[:count] + "".join(other[digit] for digit in signature[count:])


def differences(verify: Verify, name: str, headers: Mapping[str, str]) -> list[Difference]:
    """``name``: of the header that has the signature."""
    signature = headers[name]
    counts = (0, len(signature) // 2, len(signature) - 1)
    times: dict[int, list[int]] = {count: [] for count in counts}
    gc.disable()
    try:
        for _ in range(TURNS):
            turn = [(count, {**headers, name: with_right(signature, count)}) for count in counts]
            random.shuffle(turn)
            for count, given in turn:
                began = perf_counter_ns()
                try:
                    verify(given)
                except Unauthenticated:
                    times[count].append(perf_counter_ns() - began)
    finally:
        gc.enable()
    return [_difference(times[0], times[count]) for count in counts[1:]]


def _difference(wrong: list[int], partly_right: list[int]) -> Difference:
    assert len(wrong) == len(partly_right) == TURNS, "a wrong signature was taken"
    ranked = sorted(later - earlier for earlier, later in zip(wrong, partly_right, strict=True))
    # The median's place among n ranks is binomial, whatever the times are distributed like.
    spread = int(CERTAIN * sqrt(TURNS) / 2)
    return Difference(ranked[TURNS // 2 - spread], ranked[TURNS // 2 + spread], median(wrong))


def leaks(verify: Verify, name: str, headers: Mapping[str, str]) -> bool:
    """What one measure finds, two more have to confirm."""
    return all(any(found.is_a_leak for found in differences(verify, name, headers)) for _ in range(3))


def ends_at_the_first_wrong_one(one: bytes, other: bytes) -> bool:
    """What a comparison must not be."""
    return len(one) == len(other) and all(a == b for a, b in zip(one, other, strict=True))


class Subject(NamedTuple):
    """A vendor's verification, alone or as the webhook function has it."""

    verify: Verify
    header: str
    headers: dict[str, str]


@pytest.fixture(params=["alone", "in the function"])
def subject(request: pytest.FixtureRequest, vendor: str) -> Subject:
    webhook = registry.part(vendor, "webhook")
    signed, otherwise = (
        {name.lower(): value for name, value in webhook.signed_headers(BODY, secret, NOW).items()}
        for secret in (SECRET, "another")
    )
    (header,) = (name for name in signed if signed[name] != otherwise[name])
    if request.param == "alone":
        return Subject(lambda headers: webhook.verify(headers, BODY, (SECRET, "previous"), NOW), header, signed)
    store = FakeSecretsManager()
    store.texts[webhook_secret_name(vendor, PROPERTY)] = f'{{"current": "{SECRET}", "previous": "previous"}}'
    receiver = Receiver(Secrets(SecretsManager(lambda: store), FakeClock()), FakeLanding(), clock=lambda: NOW)
    address, context = Address(vendor, PROPERTY, next(iter(webhook.EVENTS))), lambda_context()
    return Subject(lambda headers: receiver.receive(Delivery(address, headers, BODY), context), header, signed)


@pytest.mark.parametrize("vendor", registry.VENDORS)
def test_the_time_does_not_tell_how_much_of_a_signature_is_right(subject: Subject) -> None:
    assert not leaks(*subject)


@pytest.mark.parametrize("vendor", registry.VENDORS)
def test_the_same_measure_finds_a_comparison_that_leaks(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmac, "compare_digest", ends_at_the_first_wrong_one)

    assert all(found.is_a_leak for found in differences(*subject))


@pytest.mark.parametrize("vendor", registry.VENDORS)
def test_each_secret_is_compared_whole_and_in_constant_time(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the two is right, and whether one is."""
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def recording(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", recording)
    webhook = registry.part(vendor, "webhook")
    for secret in ("current", "previous", "neither"):
        signed = {name.lower(): value for name, value in webhook.signed_headers(BODY, secret, NOW).items()}
        compared.clear()
        try:
            webhook.verify(signed, BODY, ("current", "previous"), NOW)
        except Unauthenticated:
            assert secret == "neither"
        assert len(compared) == 2
        assert len(set(compared)) == 1
