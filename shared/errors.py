"""The exceptions of Pousada, grouped by what to do about them.

    PousadaError
    ├── Retry                   try again later: the queue or the vendor will
    │   ├── VendorUnavailable       5xx, network, time-out: back to the queue
    │   ├── RateLimited             429 or our own budget: back, after ``retry_after`` seconds
    │   ├── StoreUnavailable        S3, DynamoDB or PostgreSQL did not take it
    │   ├── LeaseHeld               another worker is at the same property and entity
    │   └── Superseded              somebody wrote in between: look again, decide anew
    ├── Refuse                  the caller is wrong: answer 4xx, store nothing
    │   ├── Unauthenticated         wrong, missing or stale signature
    │   ├── NotFound                unknown vendor, property, entity or event
    │   ├── Malformed               not JSON, not the shape that was promised
    │   └── TooLarge
    ├── Unmappable              one record cannot be mapped: quarantine it and go on
    └── Page                    a person has to act
        ├── Misconfigured           a setting, secret or integration item is missing or wrong
        └── CredentialsRefused      the vendor takes our credentials no more

Each carries its facts as attributes. A message never holds a secret or a guest's personal datum:
values of a payload are named by their field, not quoted.
"""

from __future__ import annotations


class PousadaError(Exception):
    """``message`` says what was wrong and where; ``fix`` what to do; ``facts`` are for the log."""

    def __init__(self, message: str, *, fix: str | None = None, **facts: object) -> None:
        super().__init__(f"{message}; {fix}" if fix else message)
        self.message = message
        self.fix = fix
        self.facts = facts

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders (Spark); the default would drop the keyword arguments.
        return _rebuild, (type(self), self.message, self.fix, self.facts)


def _rebuild(kind: type[PousadaError], message: str, fix: str | None, facts: dict[str, object]) -> PousadaError:
    return kind(message, fix=fix, **facts)


class Retry(PousadaError):
    pass


class VendorUnavailable(Retry):
    pass


class RateLimited(Retry):
    """``facts["retry_after"]``: seconds until the vendor will hear us again."""

    @property
    def retry_after(self) -> float:
        return float(self.facts.get("retry_after", 60))  # type: ignore[arg-type]


class StoreUnavailable(Retry):
    pass


class LeaseHeld(Retry):
    pass


class Superseded(Retry):
    pass


class Refuse(PousadaError):
    """``facts["reason"]``: a short word that is logged and counted, and not told to the caller."""

    @property
    def reason(self) -> str:
        return str(self.facts.get("reason", type(self).__name__.lower()))


class Unauthenticated(Refuse):
    pass


class NotFound(Refuse):
    pass


class Malformed(Refuse):
    pass


class TooLarge(Refuse):
    pass


class Unmappable(PousadaError):
    """``facts``: ``reason`` (the rule's name) and ``field`` (dotted path in the vendor's record)."""


class Page(PousadaError):
    pass


class Misconfigured(Page):
    pass


class CredentialsRefused(Page):
    pass
