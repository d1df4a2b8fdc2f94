"""Hotels that the HostPMS simulator keeps the books of: polled, and held against the simulator's own truth."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import psycopg
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scripts.demonstration import comparison, observation
from scripts.demonstration.comparison import Agreement, Rows
from scripts.local.stack import LocalStack
from scripts.simulators.hostpms import RunningSimulator, truth_of
from shared.model.columns import ENTITIES, TABLES
from shared.pipeline.sync_runs import SyncRun
from shared.storage.sync_state import SyncRuns
from tests.e2e.hotels import VENDOR, Hotel, pousada

TIME_ZONE = "Europe/Lisbon"


@dataclass
class SimulatedHotel:
    local: LocalStack
    pms: RunningSimulator
    property_id: str

    def onboard(self, *entities: str) -> SimulatedHotel:
        """``entities``: what is polled; none named, all."""
        client = self.pms.world.credentials(self.property_id)
        polled = [option for entity in entities for option in ("--entity", entity)]
        pousada(
            self.local,
            "onboard",
            *("--vendor", VENDOR, "--property-id", self.property_id, "--time-zone", TIME_ZONE),
            *("--base-url", self.pms.base_url, "--client-id", client.client_id, *polled),
            POUSADA_CLIENT_SECRET=client.client_secret,
        )
        return self

    def poll(self, *, wait: bool = True) -> None:
        waiting = ("--wait", "--timeout", "240") if wait else ()
        pousada(self.local, "poll", "--property-id", self.property_id, *waiting)

    def last_run(self, entity: str) -> SyncRun | None:
        runs = SyncRuns(self.local_table(self.local.names.sync_state_table), lambda: datetime.now(UTC))
        return runs.last_run(VENDOR, self.property_id, entity)

    def has_run(self, status: str, *entities: str) -> bool:
        """Whether the last run of each entity is at ``status``."""
        runs = [self.last_run(entity) for entity in entities or ENTITIES]
        return all(run is not None and run.status == status for run in runs)

    def local_table(self, name: str) -> Any:
        return self.local.session().resource("dynamodb", endpoint_url=self.local.endpoint).Table(name)

    @cached_property
    def kept(self) -> Hotel:
        """What is kept of it in the deployed stacks."""
        return Hotel(self.local, self.property_id)

    # -- Against the truth ---------------------------------------------------------------------
    def expected(self) -> dict[str, Rows]:
        truth = truth_of(self.pms.world.hotel(self.property_id)).as_json()
        return comparison.expected_rows({self.property_id: (truth, TIME_ZONE)})

    def agreement(self, *entities: str, lake: bool = False) -> Agreement:
        """Of PostgreSQL and the truth; with ``lake``, of Parquet as well."""
        expected, agreement = self.expected(), Agreement()
        for entity in entities or ENTITIES:
            rows = self._postgres_rows(entity)
            agreement.compare(entity, expected[entity], rows, self._lake_rows(entity) if lake else rows)
        return agreement

    def _postgres_rows(self, entity: str) -> Rows:
        ours = {str(row["id"]) for row in self.kept.rows(entity)}
        with psycopg.connect(self.local.dsn) as connection:
            return {id_: row for id_, row in comparison.postgres_rows(connection, entity).items() if id_ in ours}

    def _lake_rows(self, entity: str) -> Rows:
        return comparison.parquet_rows(self.files_of_its_own(entity), entity)

    def files_of_its_own(self, entity: str) -> Iterator[bytes]:
        """The table's files, with what is other hotels' left out."""
        for body in observation.parquet_bodies(self.local.client("s3"), self.local.names, entity):
            table = pq.read_table(io.BytesIO(body))
            ours = io.BytesIO()
            pq.write_table(table.filter(pc.field("hotel_id") == self.property_id), ours)
            yield ours.getvalue()

    def lose_files(self) -> None:
        """Its rows, out of every Parquet file: its own are deleted, those of several hotels written anew."""
        s3, bucket = self.local.client("s3"), self.local.names.processed_bucket
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for key in (item["Key"] for item in page.get("Contents", ()) if item["Key"].endswith(".parquet")):
                table = pq.read_table(io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
                others = table.filter(pc.field("hotel_id") != self.property_id)
                if not others.num_rows:
                    s3.delete_object(Bucket=bucket, Key=key)
                elif others.num_rows < table.num_rows:
                    kept = io.BytesIO()
                    pq.write_table(others, kept)
                    s3.put_object(Bucket=bucket, Key=key, Body=kept.getvalue())

    def forget_rows(self) -> None:
        """Empties PostgreSQL of it, as if the live path had never been."""
        with psycopg.connect(self.local.dsn) as connection:
            for table in TABLES.values():
                connection.execute(f"DELETE FROM hotel.{table} WHERE hotel_id = %s", [self.property_id])
