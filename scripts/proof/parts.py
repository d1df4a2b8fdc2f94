"""The parts of the proof: which tests, and what is counted of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple
from xml.etree import ElementTree

from scripts.local.environment import ROOT


class Part(NamedTuple):
    what: str
    selection: tuple[str, ...]
    """pytest's arguments."""


PARTS: dict[str, Part] = {
    "crashes": Part(
        "a fault at every call of every function, before and after its effect",
        ("tests/integration/test_crash_sweep.py", "tests/unit/test_polling_crashes.py"),
    ),
    "order": Part(
        "every order of a booking's deliveries, divided between the two paths in every way",
        ("tests/integration/test_order_sweep.py",),
    ),
    "ledger": Part(
        "the audit finds nothing where nothing is lost, and each kind of loss where it is planted",
        (
            "tests/integration/test_audit.py",
            "tests/integration/test_audit_function.py",
            "tests/unit/pipeline/test_daily_audit.py",
        ),
    ),
    "inputs": Part(
        "any input, in any order: requests, payloads, records, histories",
        # The order sweep has its own part.
        (
            *("tests/unit", "tests/integration", "--ignore=tests/integration/test_order_sweep.py"),
            *("-m", "hypothesis and not isolation"),
        ),
    ),
    "isolation": Part(
        "one hotel's secret opens nothing of another's, no key leaves its prefix, a reader sees its hotels alone",
        ("tests/unit", "tests/integration", "-m", "isolation"),
    ),
    "timing": Part(
        "verifying takes as long however much of a signature is right",
        ("tests/unit/test_timing.py",),
    ),
}


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


def run(name: str, examples: int, seed: int | None = None) -> Outcome:
    """Runs a part in a process of its own. ``examples``: cases for each property that does not say itself how many."""
    seed = SystemRandom().randrange(2**32) if seed is None else seed
    with TemporaryDirectory(prefix="pousada-proof-") as folder:
        report = Path(folder) / "report.xml"
        command = [
            *(sys.executable, "-m", "pytest", "-q", "--no-cov", *PARTS[name].selection),
            *("-p", "no:randomly", f"--hypothesis-seed={seed}", "--hypothesis-show-statistics"),
            *(f"--junitxml={report}", "--timeout=0"),
        ]
        began = perf_counter()
        environment = {**os.environ, "POUSADA_EXAMPLES": str(examples)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        seconds = perf_counter() - began
        if not report.exists():
            raise RuntimeError(f"the proof of {name} did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314 - written by our own run
        counts = [(int(suite.get("tests", 0)), _bad(suite), _points(suite)) for suite in suites]
    tests, failed, points = (sum(column) for column in zip(*counts, strict=True))
    return Outcome(name, tests, failed, points, _cases(done.stdout), seconds, seed, done.stdout)


def _bad(suite: ElementTree.Element) -> int:
    return int(suite.get("failures", 0)) + int(suite.get("errors", 0))


def _points(suite: ElementTree.Element) -> int:
    found = suite.iterfind("./testcase/properties/property[@name='points']")
    return sum(int(one.get("value", 0)) for one in found)


def _cases(output: str) -> int:
    """From hypothesis's own statistics."""
    return sum(int(count) for count in re.findall(r"(\d+) passing, \d+ failing", output))
