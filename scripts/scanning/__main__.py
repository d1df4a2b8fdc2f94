"""``scripts/scan``: scanners over the stages as they would be deployed, the Python, and its packages."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from scripts.scanning.installation import install
from scripts.scanning.scanners import SCANNERS, Outcome, chosen, scan, synthesised

_ALL = "; ".join(f"{name}: {scanner.what}" for name, scanner in SCANNERS.items())


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"Only this scanner (repeatable). {_ALL}.")] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Ask PyPI for known vulnerabilities too; the others need no network.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the outcome there.")] = None,
) -> None:
    """Scan what would be deployed: every stage on AWS, the Python, and the packages it pins.

    What each scanner looks at, and every finding that stands with its reason: docs/security.md. The exit status is 1
    where there is a finding, or where a scanner could not do its work. The first run installs the scanners.

    **Example**: `scripts/scan --only checkov --json findings.json`
    """
    if unknown := set(only or ()) - set(SCANNERS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: the scanners are {', '.join(SCANNERS)}")
    say = partial(Console(stderr=True).print, markup=False, highlight=False, soft_wrap=True)
    with TemporaryDirectory(prefix="pousada-scan-") as folder:
        scene = synthesised(Path(folder), install(say))
        outcomes = []
        for name in chosen(only, online):
            say(f"{name}: {SCANNERS[name].what}")
            outcomes.append(scan(name, scene))
    _show(outcomes)
    if json_file:
        json_file.write_text(json.dumps([asdict(one) for one in outcomes], indent=2) + "\n", encoding="utf-8")
    raise typer.Exit(int(any(one.findings for one in outcomes)))


def _show(outcomes: list[Outcome]) -> None:
    grid = Table("scanner", "scanned", "findings", "seconds", box=None, header_style="bold")
    for one in outcomes:
        grid.add_row(one.scanner, f"{one.scanned:,}", str(len(one.findings)), f"{one.seconds:.0f}")
    out = Console()
    out.print(grid)
    for one in outcomes:
        for finding in one.findings:
            line = f"{one.scanner} {finding.rule}: {finding.where}: {finding.what}"
            out.print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
