"""What each scanner writes, read: findings, and how much was looked at.

A scanner that looked at nothing, or says that it could not read something, has not passed: that is a finding too, or
``NotScanned``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_AUDITED = re.compile(r"would have audited (\d+) packages")


class NotScanned(Exception):
    """A scanner did not do its work; the message has the end of what it said."""


@dataclass(frozen=True)
class Finding:
    """``rule``: the scanner's own name of it; ``where``: construct, resource, file and line, or package."""

    rule: str
    where: str
    what: str


@dataclass(frozen=True)
class Said:
    """What a scanner wrote. ``status``: its exit status; ``command``: what it was asked."""

    out: str
    error: str = ""
    status: int = 0
    command: tuple[str, ...] = ()

    def json(self) -> Any:
        try:
            return json.loads(self.out)
        except ValueError:
            raise NotScanned(f"exit status {self.status}: {(self.error or self.out)[-1500:]}") from None


@dataclass(frozen=True)
class Report:
    scanned: int
    findings: tuple[Finding, ...]


def read_nag(said: Said) -> Report:
    """``infra.findings``. Constructs are counted."""
    report = said.json()
    return Report(report["constructs"], tuple(Finding(**one) for one in report["findings"]))


def read_cfn_lint(said: Said) -> Report:
    """``cfn-lint --format json``. It names findings alone: the templates that it was given are counted."""
    found = tuple(
        Finding(one["Rule"]["Id"], f"{_file(one['Filename'])}:{_path(one['Location']['Path'])}", one["Message"])
        for one in said.json()
    )
    return Report(sum(argument.endswith(".template.json") for argument in said.command), found)


def read_checkov(said: Said) -> Report:
    """``checkov --output json``: one report, or one for each kind of file. Resources are counted."""
    reports = said.json()
    reports = reports if isinstance(reports, list) else [reports]
    if not (resources := sum(_summary(report).get("resource_count", 0) for report in reports)):
        raise NotScanned("checkov found no resource")
    return Report(resources, tuple(finding for report in reports for finding in _of_checkov(report)))


def _summary(report: dict[str, Any]) -> dict[str, Any]:
    summary: dict[str, Any] = report.get("summary", {})
    return summary


def _of_checkov(report: dict[str, Any]) -> Iterator[Finding]:
    results = report.get("results", {})
    for one in results.get("failed_checks", ()):
        yield Finding(one["check_id"], f"{_file(one['file_path'])}:{one['resource']}", one["check_name"])
    for file in results.get("parsing_errors", ()):
        yield Finding("parsing", _file(file), "checkov cannot read it")


def read_bandit(said: Said) -> Report:
    """``bandit --format json``. Lines of code are counted."""
    report = said.json()
    found = [
        Finding(one["test_id"], f"{one['filename']}:{one['line_number']}", one["issue_text"])
        for one in report["results"]
    ]
    unread = [Finding("parsing", one["filename"], one["reason"]) for one in report["errors"]]
    return Report(int(report["metrics"]["_totals"]["loc"]), (*found, *unread))


def read_pins(said: Said) -> Report:
    """``pip-audit --dry-run``: that every package is pinned, and by its hash. Packages are counted."""
    told = _AUDITED.search(said.error)
    if said.status or not told:
        line = next((one for one in said.error.splitlines() if one.startswith("ERROR")), said.error[-500:])
        return Report(0, (Finding("pin", "the lock", line),))
    return Report(int(told[1]), ())


def read_pip_audit(said: Said) -> Report:
    """``pip-audit --format json``. A package that the service does not know was not looked at: that is a finding."""
    packages = said.json()["dependencies"]
    known = [
        Finding(one["id"], f"{package['name']} {package['version']}", _mended(one["fix_versions"]))
        for package in packages
        for one in package.get("vulns", ())
    ]
    unknown = [
        Finding("not audited", package["name"], package["skip_reason"])
        for package in packages
        if "skip_reason" in package
    ]
    return Report(len(packages) - len(unknown), (*known, *unknown))


def _mended(versions: list[str]) -> str:
    return f"mended in {', '.join(versions)}" if versions else "no version mends it yet"


def _file(path: str) -> str:
    """A template's file, and the folder of its stage."""
    return "/".join(Path(path).parts[-2:])


def _path(parts: list[str | int] | None) -> str:
    """None where the whole file is meant."""
    return "/".join(map(str, parts or ()))
