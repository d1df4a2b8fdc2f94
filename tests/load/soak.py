"""Mixed traffic for as long as one likes, with trouble of every kind; and the peace afterwards."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from threading import Event

import httpx
import psutil
import psycopg

from scripts.demonstration import comparison, observation
from scripts.demonstration.comparison import Agreement
from scripts.local.stack import LocalStack
from shared.model.columns import ENTITIES
from tests.e2e.waiting import eventually
from tests.load.operator_acts import Operator
from tests.load.pms_process import PmsProcess
from tests.load.troubles import Troubles, workers

DAY_SECONDS = 4.0
DISPATCH_SECONDS, JOB_SECONDS = 15.0, 45.0
"""On AWS an hour each."""
PAUSE = (1.0, 6.0)
"""Seconds between two troubles."""
PROGRESS_SECONDS = 10.0
SETTLING = 600.0

Say = Callable[[str], None]


@dataclass
class Soak:
    local: LocalStack
    seed: int
    minutes: float
    say: Say
    counted: Counter[str] = field(default_factory=Counter)
    """Troubles and their number, and what was done by the clock."""
    peak_mb: dict[str, float] = field(default_factory=dict)
    """Function → the most memory that a warm process of it was seen with."""
    redriven: int = 0

    def __post_init__(self) -> None:
        # As many days as the soak can live, so that none of them lies in the future.
        days = int(self.minutes * 60 / DAY_SECONDS) + 30
        self.pms = PmsProcess(self.local, self.seed, days, datetime.now(UTC).date())
        self.operator = Operator(self.local, self.pms, self.say)
        self.troubles = Troubles(self.local, self.pms, self.operator, Random(f"troubles of {self.seed}"))
        self._over = Event()
        self._began = time.monotonic()

    # -- War -----------------------------------------------------------------------------------------
    def run(self) -> None:
        """Raises what went wrong in any of its threads."""
        self._durable()
        self.operator.hasten()
        self.pms.start()
        self.operator.onboard()
        self._began = time.monotonic()
        tasks = (
            self._live,
            self._trouble,
            self._every(DISPATCH_SECONDS, "polls ordered", self.operator.dispatch),
            self._every(JOB_SECONDS, "jobs ordered", self.operator.start_job),
            self._every(PROGRESS_SECONDS, "looks", self._look),
        )
        with ThreadPoolExecutor(len(tasks)) as pool:
            futures: list[Future[None]] = [pool.submit(task) for task in tasks]
            try:
                # Whichever fails ends all: a soak that lost one of its parts would prove less than it says.
                wait(futures, self.minutes * 60, return_when="FIRST_EXCEPTION")
            finally:
                self._over.set()
        for future in futures:
            future.result()

    def _durable(self) -> None:
        """PostgreSQL as RDS runs it: a commit is on disk. The local target's does not wait for that."""
        with psycopg.connect(self.local.dsn, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = on')
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pousada-%'"
            )

    def _live(self) -> None:
        while not self._over.wait(DAY_SECONDS):
            with suppress(httpx.HTTPError):
                self.pms.live_a_day()
            if self.pms.is_dead:
                self.revive()

    def revive(self) -> None:
        self.pms.start()
        self.operator.onboard("--resubscribe")

    def _trouble(self) -> None:
        for name, strike in self.troubles.in_turn():
            if self._over.wait(self.troubles.dice.uniform(*PAUSE)):
                return
            struck = strike()
            self.counted[name] += struck
            self.say(f"{self._minute()}  {name}{'' if struck else ': not to be done now'}")

    def _every(self, seconds: float, what: str, act: Callable[[], object]) -> Callable[[], None]:
        def again() -> None:
            while not self._over.wait(seconds):
                act()
                self.counted[what] += 1

        return again

    def _look(self) -> None:
        for name, found in workers(self.local).items():
            for process in found:
                with suppress(psutil.Error):
                    megabytes = process.memory_info().rss / 2**20
                    self.peak_mb[name] = max(self.peak_mb.get(name, 0), round(megabytes, 1))
        done = sum(count for name, count in self.counted.items() if name.startswith("kill"))
        queues = ", ".join(f"{name} {depth}" for name, depth in self.operator.depths().items())
        self.say(
            f"{self._minute()}  day {self.pms.lived}, {self.pms.answered:,} deliveries, {done} kills;"
            f" {queues}, dead letters {self.operator.dead_letters()}"
        )

    def _minute(self) -> str:
        seconds = time.monotonic() - self._began
        return f"{int(seconds // 60):02d}:{int(seconds % 60):02d}"

    # -- Peace ---------------------------------------------------------------------------------------
    def settle(self) -> None:
        """Everything well again; what an operator would do; then two polls and the batch job."""
        self.say("peace: the last day, two polls, the batch job")
        if self.pms.is_dead:
            self.revive()
        self.pms.live_a_day(flush=True)
        self.redriven += self.operator.settle(SETTLING)
        for _ in range(2):
            self.operator.insists("poll", "--wait", "--timeout", "120", seconds=SETTLING)
            self.redriven += self.operator.settle(SETTLING)
        self.operator.insists("quarantine", "retry", "--reason", "unknown_property", seconds=SETTLING)
        self.redriven += self.operator.settle(SETTLING)
        eventually(lambda: not self.operator.job_is_at_work(), "the job's end", SETTLING)
        self.operator.insists("etl", "--wait", "--timeout", "600", seconds=SETTLING)

    def agreement(self) -> Agreement:
        """PostgreSQL's live rows and Parquet's current ones, against the PMS's truth, entity by entity."""
        late = {name: ({"records": records}, "Europe/Lisbon") for name, records in self.troubles.late.items()}
        expected = comparison.expected_rows(self.pms.truths() | late)
        agreement, s3 = Agreement(), self.local.client("s3")
        with psycopg.connect(self.local.dsn) as connection:
            for entity in ENTITIES:
                bodies = observation.parquet_bodies(s3, self.local.names, entity)
                rows = comparison.postgres_rows(connection, entity)
                agreement.compare(entity, expected[entity], rows, comparison.parquet_rows(bodies, entity))
        return agreement
