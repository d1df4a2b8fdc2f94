"""History's road: poll, raw pages, manifests, the Glue job on real Spark, Parquet and PostgreSQL, Athena."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from scripts.demonstration import analytics
from scripts.local.stack import LocalStack
from scripts.simulators.hostpms import Faults, World, running, truth_of
from shared.model.columns import ENTITIES, TABLES
from tests.e2e.hotels import pousada
from tests.e2e.simulated_hotels import SimulatedHotel
from tests.e2e.waiting import eventually, until_applied

PROPERTY = "PT-BRA-401"
JOB_SECONDS = 240.0


@pytest.fixture(scope="module")
def hotel(deployed: LocalStack) -> Iterator[SimulatedHotel]:
    """Polled by way of small faults, and batched. Its rows are the batch path's alone."""
    faults = Faults(rate_500=0.1, token_lifetime=20, unknown_words=0.05, missing_fields=0.1, invalid_records=0.2)
    world = World(41, [PROPERTY], date(2026, 1, 1), rooms=14, history_days=60, faults=faults)
    with running(world) as pms:
        hotel = SimulatedHotel(deployed, pms, PROPERTY).onboard()
        hotel.poll()
        until_applied(deployed)
        hotel.forget_rows()
        pousada(deployed, "etl", "--wait", "--timeout", str(JOB_SECONDS))
        yield hotel


def lake_files(local: LocalStack) -> dict[str, str]:
    """Every object of the processed bucket, and whether it was written again."""
    pages = local.client("s3").get_paginator("list_object_versions").paginate(Bucket=local.names.processed_bucket)
    return {item["Key"]: item["VersionId"] for page in pages for item in page.get("Versions", ()) if item["IsLatest"]}


def asked(hotel: SimulatedHotel, sql: str) -> list[dict[str, str | None]]:
    """Athena's answer, as far as it is about the hotel."""
    answer = analytics.ask(hotel.local.client("athena"), hotel.local.names, sql)
    return [row for row in answer if row["hotel_id"] == PROPERTY]


def saved(name: str) -> str:
    return analytics.saved_queries()[name].read_text(encoding="utf-8")


def versions(hotel: SimulatedHotel) -> dict[str, list[tuple[Any, ...]]]:
    """What a replay must leave as it is: every row whole, with its version and when it was accepted."""
    return {entity: [tuple(row.values()) for row in hotel.kept.rows(entity)] for entity in ENTITIES}


def test_the_history_is_more_than_one_page(hotel: SimulatedHotel) -> None:
    """Or the rest of this module would show less than it says."""
    run = hotel.last_run("booking")

    assert run is not None
    assert (run.status, run.pages > 1) == ("succeeded", True)
    assert sum("/polling/booking/" in key for key in hotel.kept.raw_objects()) == run.pages


def test_postgres_parquet_and_the_truth_agree_row_by_row(hotel: SimulatedHotel) -> None:
    agreement = hotel.agreement(lake=True)

    counts = truth_of(hotel.pms.world.hotel(PROPERTY)).counts
    assert agreement.mismatches == []
    assert agreement.truth == {TABLES[entity]: count for entity, count in counts.items()}


def test_every_invalid_record_is_in_the_lakes_quarantine_for_its_reason(hotel: SimulatedHotel) -> None:
    planted = truth_of(hotel.pms.world.hotel(PROPERTY)).refused
    answer = asked(
        hotel,
        "SELECT hotel_id, record_entity, reason, count(DISTINCT id) AS records FROM quarantine"
        " GROUP BY hotel_id, record_entity, reason",
    )

    found = Counter({(str(row["record_entity"]), str(row["reason"])): int(row["records"] or 0) for row in answer})

    expected = Counter((entity, reason) for entity, records in planted.items() for reason in records.values())
    # What the simulator calls so is two things to a reader: a field that is missing, and one that is no date.
    undated = expected.pop(("booking", "dates_missing"))
    found_undated = found.pop(("booking", "missing_field"), 0) + found.pop(("booking", "malformed_field"), 0)
    # Pages overlap: a record at the seam lies in two of them, and each of the two is held.
    assert found_undated >= undated > 0
    assert found.keys() == expected.keys()
    assert found >= expected


def test_a_saved_query_answers_for_the_hotel(hotel: SimulatedHotel) -> None:
    answer = asked(hotel, saved("channel_mix"))

    bookings = truth_of(hotel.pms.world.hotel(PROPERTY)).counts["booking"]
    assert sum(int(row["bookings"] or 0) for row in answer) == bookings
    assert {row["channel"] for row in answer} >= {"ota", "direct"}


def test_a_job_run_with_nothing_pending_does_nothing(hotel: SimulatedHotel) -> None:
    local, glue = hotel.local, hotel.local.client("glue")
    assert "nothing is pending" in pousada(local, "etl").stderr
    before = lake_files(local), versions(hotel)

    run = glue.start_job_run(JobName=local.names.glue_job)["JobRunId"]

    def state() -> str:
        return str(glue.get_job_run(JobName=local.names.glue_job, RunId=run)["JobRun"]["JobRunState"])

    eventually(lambda: state() not in ("STARTING", "RUNNING", "WAITING"), "the job's end", JOB_SECONDS)
    assert state() == "SUCCEEDED"
    assert (lake_files(local), versions(hotel)) == before


def test_a_replay_and_another_job_run_double_nothing(hotel: SimulatedHotel) -> None:
    local, query = hotel.local, saved("pick_up_by_lead_time")
    before, files, answer = versions(hotel), lake_files(local), asked(hotel, query)

    pousada(local, "replay", "--prefix", f"hostpms/{PROPERTY}/")
    until_applied(local)
    pousada(local, "etl", "--wait", "--timeout", str(JOB_SECONDS))

    assert versions(hotel) == before
    assert hotel.agreement(lake=True).mismatches == []
    assert asked(hotel, query) == answer
    # History is appended to, and no file of it is touched.
    assert lake_files(local).items() > files.items()
