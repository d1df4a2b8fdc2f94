"""A webhook body under its seal: signed when it is first sent, and the same bytes ever after.

Written from ../shared/vendors/hostpms.md, apart from the code that verifies it: HMAC-SHA256 of
``timestamp + "." + raw body``, lower-case hex, at times with the prefix ``sha256=``; the timestamp in
Unix seconds, at times in milliseconds or as ISO 8601.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from random import Random
from typing import Literal

Forgery = Literal["wrong_secret", "tampered", "unsigned", "no_timestamp"]
_TIMESTAMPS: Mapping[str, Callable[[float], str]] = {
    "seconds": lambda now: str(int(now)),
    "milliseconds": lambda now: str(int(now * 1000)),
    "iso": lambda now: datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
}
_ANOTHER_SECRET = "not the secret of anybody"  # nosec B105 # nobody's, as it says


@dataclass(frozen=True, slots=True)
class Hand:
    """How a letter is sealed."""

    timestamp: str = "seconds"
    prefixed: bool = False
    forgery: Forgery | None = None
    clock_shift: float = 0.0
    """Seconds by which the sender's clock is off; beyond five minutes either way the letter is stale."""


def ordinary_hand(rng: Random) -> Hand:
    return Hand(rng.choices(("seconds", "milliseconds", "iso"), (84, 8, 8))[0], rng.random() < 0.3)


@dataclass(slots=True)
class Letter:
    body: bytes
    hand: Hand = field(default_factory=Hand)
    _sealed: dict[str, dict[str, str]] = field(default_factory=dict)

    def headers(self, secret: str, now: float) -> dict[str, str]:
        """Sealed at ``now`` (epoch seconds) the first time; a repetition carries the same seal."""
        if secret not in self._sealed:
            self._sealed[secret] = self._seal(secret, now)
        return self._sealed[secret]

    def _seal(self, secret: str, now: float) -> dict[str, str]:
        hand = self.hand
        timestamp = _TIMESTAMPS[hand.timestamp](now + hand.clock_shift)
        key = _ANOTHER_SECRET if hand.forgery == "wrong_secret" else secret
        signed = self.body + b" " if hand.forgery == "tampered" else self.body
        signature = ("sha256=" if hand.prefixed else "") + sign(key, timestamp, signed)
        headers = {"Content-Type": "application/json"}
        if hand.forgery != "no_timestamp":
            headers["X-HostPMS-Timestamp"] = timestamp
        if hand.forgery != "unsigned":
            headers["X-HostPMS-Signature"] = signature
        return headers


def sign(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, sha256).hexdigest()
