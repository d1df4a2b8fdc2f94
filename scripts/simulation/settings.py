"""What is simulated: the limits that cdk.json and AWS set, and the time that things take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from scripts.cost import figures as f
from scripts.cost.traffic import Traffic
from scripts.cost.workload import EVENT, work_of

SIGMA = 0.245
"""Of the logarithm of a service time: half of a thousand webhooks were answered within 13 ms, 99 of 100 within 23
(docs/reliability.md)."""
BOOKINGS_PER_DAY = 12.0
MEMORY_MIB = {"webhook": 1024, "apply": 1024, "audit": 1024, "poller": 512, "watch": 1024, "dispatcher": 256}
"""Of the functions, as they are deployed (infra/capabilities/): it gives them their share of a processor."""


class DatabaseClass(NamedTuple):
    processors: int
    sustained: float
    """Of each processor, for as long as one likes. Above it a burstable class runs on credits, and then costs more."""
    connections: int
    """That RDS lets in by default: by its memory, less what RDS itself takes of it."""

    @property
    def sustained_processors(self) -> float:
        return self.processors * self.sustained


# RDS's guide: burstable classes; max_connections is LEAST(memory / 9531392, 5000).
DATABASE_CLASSES = {
    "db.t4g.micro": DatabaseClass(2, 0.10, 80),
    "db.t4g.small": DatabaseClass(2, 0.20, 190),
    "db.t4g.medium": DatabaseClass(2, 0.20, 400),
    "db.t4g.large": DatabaseClass(2, 0.30, 850),
}
DATABASE_CLASS = "db.t4g.micro"
"""As prod has it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The switches of cdk.json and the quotas of an account that bound the pipeline."""

    requests_per_second: float = 100
    burst: float = 200
    functions: int = 1_000
    """Concurrent executions of the account."""
    live_batch: int = 10
    live_concurrency: int = 10
    polling_concurrency: int = 5

    def part(self, of: int) -> Settings:
        """The limits divided, for a part of the hotels. Raises ValueError where one does not divide."""
        for limit in (self.live_concurrency, self.polling_concurrency):
            if limit % of:
                raise ValueError(f"{limit} workers cannot be divided by {of}")
        return replace(
            self,
            requests_per_second=self.requests_per_second / of,
            burst=self.burst / of,
            functions=self.functions // of,
            live_concurrency=self.live_concurrency // of,
            polling_concurrency=self.polling_concurrency // of,
        )


def slowness(folder: str) -> float:
    """How much longer than a whole processor the function's share of one takes."""
    return max(1.0, 1769 / MEMORY_MIB[folder])


def webhook_seconds() -> float:
    """Of a delivery, in a warm worker."""
    return _warm_ms("webhook") / 1000


def poll_seconds() -> float:
    return _warm_ms("poller") / 1000


def _warm_ms(folder: str) -> float:
    # In the worst hour every list has something new.
    traffic = Traffic(1, BOOKINGS_PER_DAY, pages_per_poll=1)
    return replace(work_of(folder, traffic), cold_share=0).billed_ms(slowness(folder))


def apply_seconds(events: int) -> float:
    """Of so many events in one invocation: fetched eight at once, stored in one transaction."""
    fetched = -(-events // int(f.OBJECTS_AT_ONCE.value)) * f.S3_GET_MS.value
    own = f.APPLY_OWN_MS.value if events == 1 else f.APPLY_OWN_MS_OF_TEN.value * events
    processor = (own + f.SDK_MS.value * events) * slowness("apply")
    return (fetched + EVENT.postgresql * f.POSTGRESQL_MS.value + processor) / 1000
