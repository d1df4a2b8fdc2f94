"""The parts of the proof: which tests, and what is counted of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory
from threading import Thread
from time import perf_counter
from typing import IO, NamedTuple
from xml.etree import ElementTree  # nosec B405 # reads our own run's report

from scripts.local.environment import ROOT


class Part(NamedTuple):
    what: str
    selection: tuple[str, ...]
    """pytest's arguments."""
    takes: str
    """How long, on two cores."""
    only_in_full: bool = False


PARTS: dict[str, Part] = {
    "crashes": Part(
        "a fault at every call of every function, before and after its effect",
        ("tests/integration/test_crash_sweep.py", "tests/unit/test_polling_crashes.py"),
        takes="two minutes",
    ),
    "order": Part(
        "every order of a booking's deliveries, divided between the two paths in every way",
        ("tests/integration/test_order_sweep.py",),
        takes="one minute",
    ),
    "ledger": Part(
        "the audit finds nothing where nothing is lost, and each kind of loss where it is planted",
        (
            "tests/integration/test_audit.py",
            "tests/integration/test_audit_function.py",
            "tests/unit/pipeline/test_daily_audit.py",
        ),
        takes="one minute",
    ),
    "inputs": Part(
        "any input, in any order: requests, payloads, records, histories",
        # The order sweep has its own part.
        (
            *("tests/unit", "tests/integration", "--ignore=tests/integration/test_order_sweep.py"),
            *("-m", "hypothesis and not isolation"),
        ),
        takes="three minutes, more with more --examples",
    ),
    "isolation": Part(
        "one hotel's secret opens nothing of another's, no key leaves its prefix, a reader sees its hotels alone",
        ("tests/unit", "tests/integration", "-m", "isolation"),
        takes="one minute, more with more --examples",
    ),
    "timing": Part(
        "verifying takes as long however much of a signature is right",
        ("tests/unit/test_timing.py",),
        takes="a quarter of a minute",
    ),
    "load": Part(
        "a hundred webhooks at once, a thousand in a minute, a poll of 10,000 records, a batch of 50,000",
        ("tests/load/test_load.py",),
        takes="six minutes",
        only_in_full=True,
    ),
    "soak": Part(
        "mixed traffic with trouble of every kind, each process killed; then equality with the truth, and memory",
        ("tests/load/test_soak.py",),
        takes="35 minutes, or five more than POUSADA_SOAK_MINUTES",
        only_in_full=True,
    ),
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    part: str
    tests: int
    failed: int
    points: int
    """Faults that were tried, each at one call; or orders, each divided between the paths in one way."""
    cases: int
    """Inputs that properties were tried on."""
    seconds: float
    seed: int
    output: str
    figures: dict[str, dict[str, str]] = field(default_factory=dict)
    """Test → what it recorded by ``record_property``, ``points`` aside."""


def chosen(only: Iterable[str] | None, full: bool) -> list[str]:
    """The parts named; none named, all of them, or all that a usual run has."""
    return list(only or ()) or [name for name, part in PARTS.items() if full or not part.only_in_full]


def run(name: str, examples: int, seed: int | None = None, say: Say = lambda line: None) -> Outcome:
    """Runs a part in a process of its own. ``examples``: cases for each property that does not say itself how many.

    ``say`` gets what a long test tells of its progress (its lines on stderr) as it comes.
    """
    seed = SystemRandom().randrange(2**32) if seed is None else seed
    with TemporaryDirectory(prefix="pousada-proof-") as folder:
        report = Path(folder) / "report.xml"
        command = [
            *(sys.executable, "-m", "pytest", "-q", "--no-cov", *PARTS[name].selection),
            *("-p", "no:randomly", f"--hypothesis-seed={seed}", "--hypothesis-show-statistics"),
            *(f"--junitxml={report}", "-o", "junit_family=xunit1", "--timeout=0"),
        ]
        began = perf_counter()
        environment = {**os.environ, "POUSADA_EXAMPLES": str(examples), "POUSADA_SOAK_SEED": str(seed)}
        with _heard(say) as (told, lines):
            done = subprocess.run(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=told, text=True, check=False
            )
        seconds = perf_counter() - began
        if not report.exists():
            raise RuntimeError(f"the proof of {name} did not run:\n{done.stdout[-2000:]}{''.join(lines)[-2000:]}")
        root = ElementTree.parse(report).getroot()  # nosec B314 # noqa: S314 - written by our own run
    counts = [(int(suite.get("tests", 0)), _bad(suite), _points(suite)) for suite in root.iter("testsuite")]
    tests, failed, points = (sum(column) for column in zip(*counts, strict=True))
    return Outcome(name, tests, failed, points, _cases(done.stdout), seconds, seed, done.stdout, _figures(root))


@contextmanager
def _heard(say: Say) -> Iterator[tuple[IO[str], list[str]]]:
    """What a process may write its stderr to, and the lines that came of it."""
    reading, writing = os.pipe()
    lines: list[str] = []

    def hear() -> None:
        with open(reading, encoding="utf-8", errors="replace") as told:
            for line in told:
                lines.append(line)
                say(line.rstrip())

    hearing = Thread(target=hear)
    hearing.start()
    try:
        with open(writing, "w", encoding="utf-8") as told:
            yield told, lines
    finally:
        hearing.join()


def _bad(suite: ElementTree.Element) -> int:
    return int(suite.get("failures", 0)) + int(suite.get("errors", 0))


def _points(suite: ElementTree.Element) -> int:
    found = suite.iterfind("./testcase/properties/property[@name='points']")
    return sum(int(one.get("value", 0)) for one in found)


def _figures(root: ElementTree.Element) -> dict[str, dict[str, str]]:
    figures: dict[str, dict[str, str]] = {}
    for case in root.iter("testcase"):
        for one in case.iterfind("./properties/property"):
            if one.get("name") != "points":
                figures.setdefault(case.get("name", ""), {})[one.get("name", "")] = one.get("value", "")
    return figures


def _cases(output: str) -> int:
    """From hypothesis's own statistics."""
    return sum(int(count) for count in re.findall(r"(\d+) passing, \d+ failing", output))
