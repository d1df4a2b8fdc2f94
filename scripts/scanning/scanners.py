"""The scanners: what each looks at, by which command, and how its answer is read."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from scripts.local import environment
from scripts.local.deployment import CDK
from scripts.local.environment import ROOT
from scripts.scanning import findings
from scripts.scanning.findings import Finding, NotScanned, Report, Said

CODE = ("app.py", "infra", "lambdas", "glue_jobs", "shared", "scripts")
LOCKS = ("requirements.lock", "scripts/scanning/requirements.lock")

MEANINGLESS = {
    "W3005": "CDK names a role beside its policy, so that a function waits for both; the policy would imply the role",
    "W3691": "RDS takes a major version of PostgreSQL and chooses the minor; the check knows whole versions, and takes "
    "any other for one that is deprecated",
}
"""Checks that say nothing of a template that a program wrote → why. cfn-lint's alone."""


OPTIONS = ROOT / "tests" / "infra" / "options.py"
"""Whose ``OPTED`` is all that a stage may switch on, and off."""
_OPTED = "prod-eu-west-1"


@dataclass(frozen=True)
class Scene:
    """What there is to scan. ``templates``: of each stage on AWS, and of one with every option and with none, apart by
    region; ``regions``: where each belongs."""

    tools: Path
    templates: dict[str, list[Path]]
    regions: dict[str, str]


class Scanner(NamedTuple):
    what: str
    commands: Callable[[Scene], Iterator[Sequence[str]]]
    read: Callable[[Said], Report]
    online: bool = False
    """It asks a service outside."""


def _nag(scene: Scene) -> Iterator[Sequence[str]]:
    yield [sys.executable, "-m", "infra.findings"]


def _cfn_lint(scene: Scene) -> Iterator[Sequence[str]]:
    for region in dict.fromkeys(scene.regions.values()):
        templates = [file for name, files in scene.templates.items() if scene.regions[name] == region for file in files]
        options = ["--format", "json", "--regions", region, "--ignore-checks", *MEANINGLESS]
        yield [str(scene.tools / "cfn-lint"), *options, "--", *map(str, templates)]


def _checkov(scene: Scene) -> Iterator[Sequence[str]]:
    options = ["--framework", "cloudformation", "--output", "json", "--quiet", "--compact", "--skip-download"]
    templates = [str(file) for files in scene.templates.values() for file in files]
    yield [str(scene.tools / "checkov"), *options, "--file", *templates]


def _bandit(scene: Scene) -> Iterator[Sequence[str]]:
    yield [str(scene.tools / "bandit"), "--quiet", "--format", "json", "-c", "pyproject.toml", "--recursive", *CODE]


def _pip_audit(*more: str) -> Callable[[Scene], Iterator[Sequence[str]]]:
    def commands(scene: Scene) -> Iterator[Sequence[str]]:
        for lock in LOCKS:
            # Without pip, which would fetch the packages to see what they are: the lock says it.
            options = ["--requirement", lock, "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
            yield [str(scene.tools / "pip-audit"), *options, "--format", "json", *more]

    return commands


SCANNERS: dict[str, Scanner] = {
    "nag": Scanner("cdk-nag's packs AwsSolutions and Serverless over the constructs", _nag, findings.read_nag),
    "cfn-lint": Scanner(
        "the templates against the resources' schemas of their region", _cfn_lint, findings.read_cfn_lint
    ),
    "checkov": Scanner("the templates against checkov's policies", _checkov, findings.read_checkov),
    "bandit": Scanner("the Python that is deployed or deploys", _bandit, findings.read_bandit),
    "pins": Scanner("that every package is pinned by version and hash", _pip_audit("--dry-run"), findings.read_pins),
    "pip-audit": Scanner(
        "known vulnerabilities of the packages, from PyPI", _pip_audit(), findings.read_pip_audit, True
    ),
}


@dataclass(frozen=True)
class Outcome:
    scanner: str
    scanned: int
    findings: tuple[Finding, ...]
    seconds: float


def chosen(only: Sequence[str] | None, online: bool) -> list[str]:
    """The scanners named; none named, all that need nothing from outside, and with ``online`` the others too."""
    return list(only or ()) or [name for name, scanner in SCANNERS.items() if online or not scanner.online]


def scan(name: str, scene: Scene) -> Outcome:
    """Runs one scanner on all it looks at. One that does not do its work counts as a finding, never as passed."""
    began = perf_counter()
    try:
        reports = [_of_something(SCANNERS[name].read(_said(it))) for it in SCANNERS[name].commands(scene)]
    except (NotScanned, KeyError, TypeError) as error:
        # The latter two: an answer of another shape, of a version whose reading nobody has written.
        reports = [Report(0, (Finding("not scanned", name, f"{type(error).__name__}: {error}"),))]
    found = tuple(finding for report in reports for finding in report.findings)
    return Outcome(name, sum(report.scanned for report in reports), found, perf_counter() - began)


def _of_something(report: Report) -> Report:
    """Nothing is found where nothing is looked at."""
    if not (report.scanned or report.findings):
        raise NotScanned("it looked at nothing")
    return report


def _said(command: Sequence[str]) -> Said:
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False)
    return Said(done.stdout, done.stderr, done.returncode, tuple(command))


def _environment() -> dict[str, str]:
    # checkov would tell its maker of each run, and write in colours.
    return {**os.environ, **environment.tools(), "CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false", "NO_COLOR": "1"}


def synthesised(folder: Path, tools: Path) -> Scene:
    """Every stage of cdk.json that goes to AWS, as ``cdk`` makes it, and one with all that may be switched on, or off.

    Raises CalledProcessError, and NotScanned where there is no template of a stage.
    """
    context = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    stages = context["pousada"]["stages"]
    names = [name for name, stage in stages.items() if stage.get("target", "aws") == "aws"]
    given = ["--context", f"stages={','.join(names)}", "--output", str(folder)]
    line = ["node", str(CDK), "synth", "--quiet", "--no-notices", "--no-color", *given]
    subprocess.run(line, cwd=ROOT, env={**os.environ, **environment.tools()}, check=True, stdout=sys.stderr)
    assemblies = {name: folder / f"assembly-{name}" for name in names}
    for how, options in runpy.run_path(str(OPTIONS))["OPTED"].items():
        assemblies[f"{_OPTED}, {how}"] = _opted(options, context, folder / how)
    found = [(name, region, files) for name, it in assemblies.items() for region, files in _by_region(it).items()]
    if empty := assemblies.keys() - {name for name, _, _ in found}:
        raise NotScanned(f"no template of {', '.join(sorted(empty))} was synthesised")
    templates = {f"{name} in {region}": files for name, region, files in found}
    return Scene(tools, templates, {f"{name} in {region}": region for name, region, _ in found})


def _opted(options: dict[str, Any], context: dict[str, Any], folder: Path) -> Path:
    """The assembly of the stage with ``options``, all at once."""
    document = context["pousada"]
    stage = {**document["stages"][_OPTED], **options}
    said = json.dumps({**context, "pousada": {**document, "stages": {_OPTED: stage}}})
    # What cdk hands to an app; on its command line a context has texts alone.
    handed = {"CDK_CONTEXT_JSON": said, "CDK_OUTDIR": str(folder), "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "app.py"]
    subprocess.run(line, cwd=ROOT, env={**os.environ, **environment.tools(), **handed}, check=True, stdout=sys.stderr)
    return folder / f"assembly-{_OPTED}"


def _by_region(assembly: Path) -> dict[str, list[Path]]:
    """The templates of an assembly: one stack of a stage may be in another region than the others."""
    found: dict[str, list[Path]] = {}
    for artifact in json.loads((assembly / "manifest.json").read_text(encoding="utf-8"))["artifacts"].values():
        if artifact["type"] == "aws:cloudformation:stack":
            region = artifact["environment"].rpartition("/")[2]
            found.setdefault(region, []).append(assembly / artifact["properties"]["templateFile"])
    return {region: sorted(files) for region, files in found.items()}
