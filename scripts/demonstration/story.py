"""The demonstration's course, step by step; what each step shows goes to the console as it happens."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import psycopg
import pyarrow.parquet as pq
from pyarrow import BufferReader
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from scripts.demonstration import analytics, comparison, observation
from scripts.demonstration.comparison import Agreement
from scripts.demonstration.pms import PROPERTIES, Pms
from scripts.demonstration.summary import Summary, Webhooks
from scripts.local.environment import ROOT
from scripts.local.stack import LocalStack
from shared.model.columns import ENTITIES, TABLES

_REASONS_OF = {"dates_missing": {"missing_field", "malformed_field"}}
"""The simulator's word for what is wrong with a record, where ours is another."""


class DemonstrationFailed(Exception):
    """A step did not work at all; the message is the step's own output."""


@dataclass
class Story:
    local: LocalStack
    console: Console
    rooms: int
    days: int
    properties: Sequence[str] = PROPERTIES
    seconds: dict[str, float] = field(default_factory=dict)

    def tell(self) -> Summary:
        """The whole course on a started ``local``. Raises DemonstrationFailed."""
        began = monotonic()
        pms, lags = self.fill()
        answers = self._ask()
        self.seconds["run"] = monotonic() - began
        return self._sum_up(pms, lags, answers)

    def fill(self) -> tuple[Pms, dict[str, float]]:
        """The hotels' lives, by both paths into PostgreSQL and Parquet; and how far rows were behind their webhooks."""
        pms = Pms.start(self.local, self.rooms, self.days, datetime.now(UTC).date(), self.properties)
        self._onboard(pms)
        self._live(pms)
        with self.step("live path: the last webhooks become rows"):
            observation.until_applied(self.local)
        lags = self._lags(pms)
        with self.step("poll: everything that no webhook told"):
            self.cli("poll", "--wait", "--timeout", "900")
        with self.step("live path: the polled pages become rows"):
            observation.until_applied(self.local)
        with self.step("batch job: raw objects → Spark → Parquet and PostgreSQL"):
            self.cli("etl", "--wait")
        return pms, lags

    # -- Steps ---------------------------------------------------------------------------------
    def _onboard(self, pms: Pms) -> None:
        with self.step(f"onboard {', '.join(self.properties)}"):
            for hotel in pms.properties():
                self.cli(
                    "onboard",
                    *("--vendor", "hostpms", "--property-id", hotel["property_id"]),
                    *("--time-zone", hotel["time_zone"], "--base-url", pms.base_url),
                    *("--client-id", hotel["client_id"]),
                    POUSADA_CLIENT_SECRET=hotel["client_secret"],
                )

    def _live(self, pms: Pms) -> None:
        with self._progress() as progress:
            task = progress.add_task(
                f"{self.days} days at {len(self.properties)} hotels, every event a webhook", total=self.days
            )
            for answered in pms.live(self.days):
                progress.update(
                    task,
                    advance=1,
                    description=f"{self.days} days at {len(self.properties)} hotels: {answered:,} webhooks",
                )

    def _lags(self, pms: Pms) -> dict[str, float]:
        """Before the poll, which would replace the webhooks' rows by its own."""
        with psycopg.connect(self.local.dsn) as connection:
            return observation.lag_seconds(connection, pms.deliveries()["log"])

    def _ask(self) -> dict[str, list[dict[str, str | None]]]:
        athena, answers = self.local.client("athena"), {}
        with self.step("Athena: the saved queries"):
            for name, path in analytics.saved_queries().items():
                answers[name] = analytics.ask(athena, self.local.names, path.read_text(encoding="utf-8"))
        return answers

    # -- What came of it -----------------------------------------------------------------------
    def _sum_up(self, pms: Pms, lags: dict[str, float], answers: dict[str, list[dict[str, str | None]]]) -> Summary:
        zones = {hotel["property_id"]: hotel["time_zone"] for hotel in pms.properties()}
        truths = {property_id: (pms.truth(property_id), zone) for property_id, zone in zones.items()}
        with (
            self.step("compare PostgreSQL, Parquet and the PMS's truth"),
            psycopg.connect(self.local.dsn) as connection,
        ):
            files, agreement = self._compare(truths, connection)
            quarantined = comparison.quarantined(connection)
        log = pms.deliveries()["log"]
        failures = [
            *agreement.mismatches,
            *_counts_differ(truths, agreement),
            *_quarantine_differs(truths, quarantined),
            *_webhooks_differ(log),
            *(f"Athena answered nothing: {name}" for name, rows in answers.items() if not rows),
            *self._dead_letters(),
        ]
        if not lags:
            failures.append("no webhook's row was found to measure its lag")
        return Summary(
            webhooks=self._webhooks(log),
            lag_seconds=lags,
            rows=agreement.postgres,
            truth=agreement.truth,
            mismatches=len(agreement.mismatches),
            quarantined=dict(quarantined),
            parquet=files,
            athena=answers,
            seconds=self.seconds,
            failures=failures,
        )

    def _compare(
        self, truths: dict[str, tuple[dict[str, Any], str]], connection: psycopg.Connection[Any]
    ) -> tuple[dict[str, int], Agreement]:
        files = Counter(files=0, rows=0, bytes=0)
        expected, agreement, s3 = comparison.expected_rows(truths), Agreement(), self.local.client("s3")
        for entity in observation.parquet_entities():
            bodies = list(observation.parquet_bodies(s3, self.local.names, entity))
            rows = sum(pq.read_metadata(BufferReader(body)).num_rows for body in bodies)
            files.update(files=len(bodies), rows=rows, bytes=sum(map(len, bodies)))
            if entity in ENTITIES:
                stored = comparison.postgres_rows(connection, entity)
                agreement.compare(entity, expected[entity], stored, comparison.parquet_rows(bodies, entity))
        return dict(files), agreement

    def _webhooks(self, log: list[dict[str, Any]]) -> Webhooks:
        results = Counter(sent["result"] for sent in log if sent["status"] == 200)
        refused = observation.refusals(self.local)
        # The embedded AWS keeps an idle worker's last lines back until its next invocation.
        refused["not yet in the log"] = sum(1 for sent in log if sent["status"] != 200) - refused.total()
        return Webhooks(
            sent=len(log),
            accepted=results["accepted"],
            duplicates=results["duplicate"],
            refused=dict(+refused),
        )

    def _dead_letters(self) -> Iterator[str]:
        sqs = self.local.client("sqs")
        for queue in self.local.names.queues:
            name = self.local.names.dead_letters_of(queue)
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            wanted = ["ApproximateNumberOfMessages"]
            count = int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"][wanted[0]])
            if count:
                yield f"{count} dead letters in {name}"

    # -- How ------------------------------------------------------------------------------------
    def cli(self, *arguments: str, **environment: str) -> None:
        """The operator's command line, as an operator would use it."""
        command = [sys.executable, "-m", "scripts.cli", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.local.environment | environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DemonstrationFailed(f"pousada {' '.join(arguments)}\n{done.stdout}{done.stderr}")

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        with self._progress() as progress:
            task = progress.add_task(what, total=None)
            yield
            progress.update(task, total=1, completed=1)

    def _progress(self) -> Progress:
        return Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )


def _counts_differ(truths: dict[str, tuple[dict[str, Any], str]], agreement: Agreement) -> Iterator[str]:
    """The expected rows were made from the truth by our own mapping: their number is held to the truth's own count."""
    for entity, table in ((entity, TABLES[entity]) for entity in ENTITIES):
        told = sum(truth["counts"][entity] for truth, _ in truths.values())
        if told != agreement.truth[table]:
            yield f"the PMS counts {told} {table}, its records lead to {agreement.truth[table]}"


def _quarantine_differs(truths: dict[str, tuple[dict[str, Any], str]], quarantined: Counter[str]) -> Iterator[str]:
    """Every invalid record is in quarantine for its reason, and nothing else is there."""
    planted = Counter(
        reason for truth, _ in truths.values() for refused in truth["refused"].values() for reason in refused.values()
    )
    for reason in planted:
        if not any(quarantined[ours] for ours in _REASONS_OF.get(reason, {reason})):
            yield f"{planted[reason]} records with {reason} were sent, and none is in quarantine"
    known = {ours for reason in planted for ours in _REASONS_OF.get(reason, {reason})}
    for reason in quarantined.keys() - known:
        yield f"{quarantined[reason]} records are in quarantine for {reason}, which the PMS knows nothing of"


def _webhooks_differ(log: list[dict[str, Any]]) -> Iterator[str]:
    """Forged, stale and malformed deliveries are refused, and no true one is."""
    refusal = {"forged": 401, "stale": 401, "malformed": 400}
    for sent in log:
        expected = refusal.get(sent["kind"], 200)
        if sent["status"] != expected:
            yield f"a {sent['kind']} delivery was answered {sent['status']}, not {expected}"
