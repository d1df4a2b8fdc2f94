"""A stage's month: its functions with their work, and what they come to together."""

from __future__ import annotations

from collections.abc import Callable

from scripts.cost import figures as f
from scripts.cost.templates import Function, Resources
from scripts.cost.traffic import DAYS, HOURS_A_MONTH, Traffic
from scripts.cost.workload import Work, audited_objects, manifests_read, work_of

GB = 1e9


class Month:
    def __init__(self, resources: Resources, traffic: Traffic) -> None:
        """Raises Unpriced for a function whose work is unknown."""
        self.resources, self.traffic = resources, traffic
        self.work: list[tuple[Function, Work]] = [(it, work_of(it.folder, traffic)) for it in resources.functions]

    def of_functions(self, asked: Callable[[Work], float]) -> float:
        """``asked`` of an invocation, in the month, by all functions."""
        return sum(work.invocations * asked(work) for _, work in self.work)

    @property
    def invocations(self) -> float:
        return self.of_functions(lambda work: 1)

    @property
    def batches(self) -> float:
        """Hours' batches: what the function etl does itself, and what it starts the job for."""
        return HOURS_A_MONTH * self.traffic.batches_an_hour

    @property
    def audited_objects(self) -> float:
        return self.traffic.hotels * DAYS * audited_objects(self.traffic)

    @property
    def manifests_read(self) -> float:
        return self.traffic.hotels * DAYS * manifests_read(self.traffic)

    @property
    def gets(self) -> float:
        """Of S3: by the live path, the batches, the audits of each day."""
        batches = self.traffic.objects + 2 * self.traffic.manifests
        return self.of_functions(lambda work: work.calls.gets) + batches + self.audited_objects + self.manifests_read

    @property
    def raw_gets(self) -> float:
        """Of those, the raw bucket's: each object once live, once in a batch, and in the audits."""
        return 2 * self.traffic.objects + self.audited_objects

    @property
    def raw_lists(self) -> float:
        return self.of_functions(lambda work: work.calls.lists)

    @property
    def puts(self) -> float:
        """Of S3, with what is billed alike: a batch lists the manifests, moves them, and writes its files."""
        return self.of_functions(lambda work: work.calls.puts) + 12 * self.batches + self.traffic.manifests

    @property
    def lists(self) -> float:
        """The raw bucket's, and two of the manifests for each audit."""
        audits = sum(work.invocations for function, work in self.work if function.folder == "audit")
        return self.raw_lists + 2 * audits

    @property
    def reads(self) -> float:
        secrets = self.hotel_secrets if self.secrets_in_table else 0
        scans = 2 * HOURS_A_MONTH * max(1.0, self.traffic.hotels * f.INTEGRATION_BYTES.value / 8_192)
        return self.of_functions(lambda work: work.calls.reads) + secrets + scans

    @property
    def writes(self) -> float:
        return self.of_functions(lambda work: work.calls.writes)

    @property
    def hotel_secrets(self) -> float:
        return self.of_functions(lambda work: work.calls.hotel_secrets)

    @property
    def secrets_in_table(self) -> bool:
        """The table is there in either case; its name is told to functions that are to use it."""
        return bool(self.resources.variables("HOTEL_SECRETS_TABLE"))

    @property
    def stored_gb(self) -> float:
        """In PostgreSQL."""
        return self.traffic.bookings * self.traffic.months * f.ROW_BYTES.value / GB

    @property
    def done_by_function(self) -> bool:
        """Whether an ordinary hour's batch is small enough for the function etl."""
        limits = (float(most) for most in self.resources.variables("SMALL_BATCH_BYTES"))
        return self.traffic.bytes_a_batch <= max(limits, default=0.0)
