"""``python -m scripts.dependencies [--check]``: the licences and the bill of materials of what is locked.

Exit status 1, and a line for each finding: a licence that is not permitted, before which nothing is written; with
``--check`` also a file that is not what would be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.lock import LockUnreadable
from scripts.dependencies.bill_of_materials import bill_of_materials
from scripts.dependencies.inventory import Dependency, InstallationDiffers, inventory
from scripts.dependencies.licences import refusal
from scripts.dependencies.page import page
from scripts.local.environment import ROOT

PAGE = ROOT / "docs" / "dependencies.md"
BILL = ROOT / "docs" / "dependencies.cdx.json"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.dependencies", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; say what differs")
    check = parser.parse_args(arguments).check
    try:
        dependencies = inventory()
    except (InstallationDiffers, LockUnreadable) as error:
        print(error, file=sys.stderr)
        return 1
    findings = refusals(dependencies)
    if check:
        findings += differing(texts(dependencies))
    elif not findings:
        write(texts(dependencies))
    for finding in findings:
        print(finding, file=sys.stderr)
    return 1 if findings else 0


def refusals(dependencies: Sequence[Dependency]) -> list[str]:
    said = (refusal(it.name, it.licence, deployed=it.deployed) for it in dependencies)
    return [reason for reason in said if reason]


def texts(dependencies: Sequence[Dependency]) -> dict[Path, str]:
    """Each file with what it has to hold."""
    return {
        PAGE: page(PAGE.read_text(encoding="utf-8"), dependencies),
        BILL: bill_of_materials(dependencies),
    }


def differing(wanted: Mapping[Path, str]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)} is not what the locks say. Run: python -m scripts.dependencies"
        for file, text in wanted.items()
        if not file.exists() or file.read_text(encoding="utf-8") != text
    ]


def write(wanted: Mapping[Path, str]) -> None:
    for file, text in wanted.items():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
