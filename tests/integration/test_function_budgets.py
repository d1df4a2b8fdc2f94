"""What a cold start costs each function: its size unpacked, and the time to import it, within a budget of its own.

Each is imported on the packages of its layers alone, without what is pruned of them. What an import costs is processor
time, beside importing boto3 and making two clients of it; the sizes are those of this machine's packages, whose
libraries are larger than those for arm64 (docs/cost.md has both).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from infra.packages import ARROW, LAMBDA_LIMIT_BYTES, LAYER, MIGRATIONS, PackageArchive
from infra.pruning import unpacked_bytes
from scripts.benchmarks.cold_start import BASELINE, ENVIRONMENT
from tests.packages import Unpacked, unpack


class Budget(NamedTuple):
    megabytes: float
    """Code and layers, unpacked."""
    imports: float
    """Of the baseline."""
    layers: tuple[PackageArchive, ...] = (LAYER,)
    more_code: tuple[str, ...] = ()


BUDGETS = {
    "apply": Budget(40, 2.2),
    "audit": Budget(40, 2.2),
    "dispatcher": Budget(40, 1.0),
    "etl": Budget(200, 3.2, (LAYER, ARROW), ("glue_jobs",)),
    "manifest": Budget(40, 1.0),
    "migrate": Budget(60, 2.7, (LAYER, MIGRATIONS)),
    "poller": Budget(40, 1.2),
    "rotate": Budget(40, 1.2),
    "watch": Budget(40, 1.5),
    "webhook": Budget(40, 1.5),
}
_RUNS, _RUNS_IN_TURNS = 3, 9


@pytest.fixture(scope="module")
def of_most(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """All functions on the layer that all of them have: their code is theirs, the packages are not imported twice."""
    folders = [f"lambdas/{name}" for name, budget in BUDGETS.items() if budget.layers == (LAYER,)]
    return unpack(tmp_path_factory.mktemp("most"), (LAYER,), "shared", *folders)


@pytest.fixture(scope="module")
def of_etl(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    return unpack(tmp_path_factory.mktemp("etl"), (LAYER, ARROW), "shared", "glue_jobs", "lambdas/etl")


@pytest.fixture(scope="module")
def of_migrate(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    return unpack(tmp_path_factory.mktemp("migrate"), (LAYER, MIGRATIONS), "shared", "lambdas/migrate")


@pytest.fixture
def unpacked(request: pytest.FixtureRequest, name: str) -> Unpacked:
    found: Unpacked = request.getfixturevalue(f"of_{name}" if name in ("etl", "migrate") else "of_most")
    return found


def seconds(place: Unpacked, statement: str) -> float:
    """Processor time of a fresh interpreter."""
    timed = f"import time; began = time.process_time(); {statement}; print(time.process_time() - began)"
    run = place.run(timed, **ENVIRONMENT)
    assert run.returncode == 0, run.stderr
    return float(run.stdout.split()[-1])


def quickest(place: Unpacked, statement: str) -> float:
    """Of some: what else the machine does only ever adds to it."""
    return min(seconds(place, statement) for _ in range(_RUNS))


@pytest.fixture(scope="module")
def baseline(of_most: Unpacked) -> float:
    return quickest(of_most, BASELINE)


def ratio_in_turns(place: Unpacked, statement: str, of_most: Unpacked) -> float:
    """Of the quickest of more, which the machine's other work adds to alike."""
    runs = [(seconds(place, statement), seconds(of_most, BASELINE)) for _ in range(_RUNS_IN_TURNS)]
    return min(own for own, _ in runs) / min(base for _, base in runs)


def test_every_function_has_a_budget() -> None:
    folders = {init.parent.name for init in (Path(__file__).parents[2] / "lambdas").glob("*/__init__.py")}
    assert folders == BUDGETS.keys()


@pytest.mark.parametrize("name", BUDGETS)
def test_a_function_is_as_small_as_its_budget(name: str, unpacked: Unpacked, record_property) -> None:
    budget = BUDGETS[name]
    code = [unpacked.code / folder for folder in ("shared", f"lambdas/{name}", *budget.more_code)]
    megabytes = sum(map(without_bytecode, (*code, *unpacked.layers))) / 1e6
    record_property("megabytes", round(megabytes, 1))
    assert budget.megabytes / 2 < megabytes <= budget.megabytes < LAMBDA_LIMIT_BYTES / 1e6


def without_bytecode(folder: Path) -> int:
    """Layers are built without; here some is left of earlier runs."""
    return unpacked_bytes(folder) - sum(path.stat().st_size for path in folder.rglob("*.pyc"))


@pytest.mark.parametrize("name", BUDGETS)
def test_a_function_is_imported_on_its_own_packages_within_its_budget(
    name: str, unpacked: Unpacked, of_most: Unpacked, baseline: float, record_property
) -> None:
    statement = f"import lambdas.{name}.handler"
    ratio = quickest(unpacked, statement) / baseline
    if ratio > BUDGETS[name].imports:
        # The machine may have more to do now than when the baseline was taken.
        ratio = ratio_in_turns(unpacked, statement, of_most)
    record_property("import_ratio", round(ratio, 2))
    assert BUDGETS[name].imports / 3 < ratio <= BUDGETS[name].imports


def test_what_is_pruned_is_missed_by_a_test(tmp_path: Path) -> None:
    """A package that is needed, left out: the import above would fail."""
    place = unpack(tmp_path, (LAYER,), "shared", "lambdas/etl", "glue_jobs")
    run = place.run("import lambdas.etl.handler", **ENVIRONMENT)
    assert "No module named 'pyarrow'" in run.stderr
