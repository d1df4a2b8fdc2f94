"""docs/cost.md, held to what is deployed: its arithmetic, the switch, the functions' sizes."""

from __future__ import annotations

import re

import pytest

from infra.config import Etl
from tests.infra.templates import REPOSITORY, Synthesised
from tests.integration.test_function_budgets import BUDGETS

pytestmark = pytest.mark.infra

PAGE = (REPOSITORY / "docs" / "cost.md").read_text(encoding="utf-8")
DPU_HOUR, GB_SECOND, CALL = 0.44, 0.0000133334, 0.0000002
RUNS = 24 * 30


def rows(below: str) -> list[list[str]]:
    _, found, rest = PAGE.partition(f"\n{below}\n")
    assert found
    table = re.search(r"^\|.*\n\|[ -|]*\n((?:\|.*\n)+)", rest, re.MULTILINE)
    assert table
    return [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in table[1].splitlines()]


@pytest.fixture
def glue_month(prod: Synthesised) -> float:
    job = prod.named("AWS::Glue::Job", prod.config.names.glue_job)
    assert job["WorkerType"] == "G.1X", "one DPU for each worker"
    return float(job["NumberOfWorkers"]) / 60 * DPU_HOUR * RUNS


def test_the_prices_are_those_that_are_reckoned_with() -> None:
    assert f"{DPU_HOUR} USD for a DPU-hour" in PAGE
    assert f"{GB_SECOND:.10f} USD for a GB-second" in PAGE
    assert f"{CALL * 1e6:.2f} USD for a million calls" in PAGE


def test_a_month_of_the_job_is_what_its_workers_cost(glue_month: float) -> None:
    assert f"**{glue_month:.2f} USD a month**" in PAGE


def test_a_month_of_the_function_follows_from_its_seconds_and_memory(prod: Synthesised, glue_month: float) -> None:
    memory = prod.named("AWS::Lambda::Function", prod.config.names.function("etl"))["MemorySize"]
    assert f"memory is {memory:,} MB" in PAGE
    table = rows("## What it saves")
    assert len(table) == 6
    for _, init, work, processor, peak, gb_seconds, month, saved in table:
        used = (float(init) + float(work)) * memory / 1024
        cost = (used * GB_SECOND + CALL) * RUNS
        assert (gb_seconds, month, saved) == (f"{used:.1f}", f"{cost:.2f}", f"{glue_month - cost:.2f}")
        assert float(work) < float(processor) < 2 * (float(init) + float(work))
        assert float(peak) < memory / 3, "the function's memory has room"


def test_the_switch_is_as_it_is_told() -> None:
    assert f'"etl": {{"small_batch_mib": {Etl().small_batch_mib}}}` is the default' in " ".join(PAGE.split())
    with pytest.raises(ValueError, match="less than or equal to 32"):
        Etl(small_batch_mib=33)
    assert "32 is the most" in " ".join(PAGE.split())


def test_every_function_is_listed_with_its_budget() -> None:
    listed = {row[0].strip("`"): (float(row[3]), float(row[5])) for row in rows("## A cold start's size and imports")}
    assert listed == {name: (budget.megabytes, budget.imports) for name, budget in BUDGETS.items()}
    for _, size, layers, most, ratio, budget in rows("## A cold start's size and imports"):
        assert sum(map(float, layers.split(" + "))) < float(size) <= float(most)
        assert float(ratio) <= float(budget)
