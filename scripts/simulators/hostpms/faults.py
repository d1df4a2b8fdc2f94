"""What can go wrong between a hotel's PMS and us, each as one knob.

The whole set is one immutable value: a test names the faults it wants, ``/_simulator/faults`` exchanges
it while the simulator runs, and nothing else in the simulator decides to misbehave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any


def _share(text: str) -> Any:
    return field(default=0.0, metadata={"unit": "share", "help": text})


def _amount(default: float, unit: str, text: str) -> Any:
    return field(default=default, metadata={"unit": unit, "help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """A share is a probability in [0, 1]; the default is a PMS that does nothing wrong."""

    # -- Webhooks: shares of the true deliveries -----------------------------------------------------
    drop: float = _share("never sent: only a poll can tell")
    reorder: float = _share("held back until a later delivery of the same record has been sent")
    delay: float = _share("held back for delay_days of the hotel's time")
    delay_days: int = _amount(2, "days", "how long a delayed delivery is held back")
    duplicate: float = _share("sent a second time")
    forge: float = _share("followed by a forgery: changed content under no or a wrong signature")
    stale: float = _share("followed by itself, rightly signed, more than five minutes off")
    malformed: float = _share("followed by a rightly signed body that is not JSON")

    # -- API: shares of the list requests ------------------------------------------------------------
    rate_429: float = _share("answered 429 although the limit was kept")
    rate_500: float = _share("answered 500")
    rate_503: float = _share("answered 503")
    retry_after: int = _amount(1, "seconds", "Retry-After of an injected 429")
    cut: float = _share("answered with a page that breaks off in the middle")
    slow: float = _share("answered slow_seconds late")
    slow_seconds: float = _amount(1.0, "seconds", "how late a slow answer is")
    token_lifetime: float = _amount(3600, "seconds", "how long an access token issued from now on is good")
    requests_per_minute: int = _amount(100, "requests", "per property and endpoint")

    # -- Records: shares of the records made from now on ---------------------------------------------
    unknown_words: float = _share("with a word that no documentation has")
    missing_fields: float = _share("without some of their optional fields")
    invalid_records: float = _share("of the bookings and payments, accompanied by an invalid record of its own id")

    def __post_init__(self) -> None:
        for knob in fields(self):
            value = getattr(self, knob.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{knob.name} is a number, not {type(value).__name__}")
            if value < 0 or (knob.metadata["unit"] == "share" and value > 1):
                raise ValueError(f"{knob.name} is {value}; a share lies in [0, 1], any other knob is not negative")
        if self.drop + self.reorder + self.delay > 1:
            raise ValueError("drop, reorder and delay are fates of one delivery: together they are at most 1")

    def changed(self, knobs: Mapping[str, Any]) -> Faults:
        """With ``knobs`` set. Raises ValueError for an unknown knob, listing the known, or an impossible value;
        TypeError for what is no number."""
        known = [knob.name for knob in fields(self)]
        if unknown := sorted(set(knobs) - set(known)):
            raise ValueError(f"unknown knobs {', '.join(unknown)}; the known are {', '.join(known)}")
        return replace(self, **knobs)


DEMONSTRATION = Faults(
    drop=0.03,
    reorder=0.03,
    delay=0.02,
    duplicate=0.03,
    forge=0.01,
    stale=0.01,
    malformed=0.005,
    rate_429=0.02,
    rate_500=0.02,
    rate_503=0.01,
    token_lifetime=20,
    unknown_words=0.01,
    missing_fields=0.03,
    invalid_records=0.01,
)
"""A bad week of an ordinary PMS: every fault at least once in three months of two hotels."""
