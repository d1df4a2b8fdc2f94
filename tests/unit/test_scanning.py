"""scripts/scan: each scanner's answer is read as it is written, and a scanner that did not scan has not passed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infra.lock import read_lock
from scripts.local.environment import ROOT
from scripts.scanning import __main__ as command
from scripts.scanning import findings, installation, scanners
from scripts.scanning.findings import Finding, NotScanned, Report, Said
from scripts.scanning.scanners import MEANINGLESS, SCANNERS, Scene
from tests.infra.options import OPTED

TEMPLATE = "/tmp/x/assembly-prod-eu-west-1/prodeuwest1storage.template.json"
SHORT = "assembly-prod-eu-west-1/prodeuwest1storage.template.json"

NAG = {"constructs": 9, "findings": [{"rule": "AwsSolutions-SQS4", "where": "prod/Queue", "what": "no TLS"}]}
CFN_LINT = [
    {
        "Filename": TEMPLATE,
        "Level": "Error",
        "Location": {"Path": ["Resources", "Raw", "Properties", 0]},
        "Message": "'x' is not a 'boolean'",
        "Rule": {"Id": "E3012"},
    }
]
CHECKOV = {
    "check_type": "cloudformation",
    "results": {
        "failed_checks": [
            {
                "check_id": "CKV_AWS_18",
                "check_name": "Ensure the S3 bucket has access logging enabled",
                "file_path": TEMPLATE,
                "resource": "AWS::S3::Bucket.Raw",
            }
        ],
        "parsing_errors": [TEMPLATE],
    },
    "summary": {"resource_count": 7, "failed": 1, "parsing_errors": 1},
}
BANDIT = {
    "errors": [{"filename": "infra/x.py", "reason": "syntax error while parsing AST from file"}],
    "metrics": {"_totals": {"loc": 1234}},
    "results": [{"test_id": "B602", "filename": "infra/y.py", "line_number": 3, "issue_text": "shell=True"}],
}
PIP_AUDIT = {
    "dependencies": [
        {"name": "sound", "version": "1", "vulns": []},
        {"name": "hurt", "version": "2", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["3", "4"]}]},
        {"name": "lost", "version": "5", "vulns": [{"id": "PYSEC-2026-2", "fix_versions": []}]},
        {"name": "unheard", "skip_reason": "Dependency not found on PyPI"},
    ],
    "fixes": [],
}


@pytest.mark.parametrize(
    ("read", "answer", "expected"),
    [
        (findings.read_nag, NAG, Report(9, (Finding("AwsSolutions-SQS4", "prod/Queue", "no TLS"),))),
        (
            findings.read_cfn_lint,
            CFN_LINT,
            Report(2, (Finding("E3012", f"{SHORT}:Resources/Raw/Properties/0", "'x' is not a 'boolean'"),)),
        ),
        (
            findings.read_checkov,
            CHECKOV,
            Report(
                7,
                (
                    Finding(
                        "CKV_AWS_18",
                        f"{SHORT}:AWS::S3::Bucket.Raw",
                        "Ensure the S3 bucket has access logging enabled",
                    ),
                    Finding("parsing", SHORT, "checkov cannot read it"),
                ),
            ),
        ),
        (
            findings.read_bandit,
            BANDIT,
            Report(
                1234,
                (
                    Finding("B602", "infra/y.py:3", "shell=True"),
                    Finding("parsing", "infra/x.py", "syntax error while parsing AST from file"),
                ),
            ),
        ),
        (
            findings.read_pip_audit,
            PIP_AUDIT,
            Report(
                3,
                (
                    Finding("PYSEC-2026-1", "hurt 2", "mended in 3, 4"),
                    Finding("PYSEC-2026-2", "lost 5", "no version mends it yet"),
                    Finding("not audited", "unheard", "Dependency not found on PyPI"),
                ),
            ),
        ),
    ],
)
def test_a_finding_is_read(read: Callable[[Said], Report], answer: Any, expected: Report) -> None:
    asked = ("cfn-lint", "--", TEMPLATE, TEMPLATE.replace("storage", "ingest"))
    assert read(Said(json.dumps(answer), status=1, command=asked)) == expected


def test_of_checkov_the_reports_of_several_kinds_of_file_are_read() -> None:
    assert findings.read_checkov(Said(json.dumps([CHECKOV, CHECKOV]))).scanned == 14


def test_a_checkov_that_found_nothing_to_check_has_not_scanned() -> None:
    with pytest.raises(NotScanned, match="no resource"):
        findings.read_checkov(Said('{"passed": 0, "failed": 0, "resource_count": 0, "checkov_version": "3"}'))


@pytest.mark.parametrize(
    "read",
    [
        findings.read_nag,
        findings.read_cfn_lint,
        findings.read_checkov,
        findings.read_bandit,
        findings.read_pip_audit,
    ],
)
def test_an_answer_that_is_none_is_no_pass(read: Callable[[Said], Report]) -> None:
    with pytest.raises(NotScanned, match="exit status 2: unrecognised arguments"):
        read(Said("", "unrecognised arguments", 2))


def test_a_template_that_cannot_be_read_at_all_is_a_finding() -> None:
    whole = {**CFN_LINT[0], "Location": {"Path": None}, "Rule": {"Id": "E0000"}}
    (found,) = findings.read_cfn_lint(Said(json.dumps([whole]))).findings
    assert found.where == f"{SHORT}:"


def test_an_answer_of_another_shape_is_no_pass(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, json.dumps({"verdict": "fine"}))
    for name in SCANNERS:
        assert scanners.scan(name, scene).findings, name


def test_pins_are_counted_where_all_are_in_order() -> None:
    said = Said("", "INFO:pip_audit._audit:Dry run: would have audited 121 packages\n")
    assert findings.read_pins(said) == Report(121, ())


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("WARNING: x\nERROR:pip_audit._cli:requirement six is not hashed", "requirement six is not hashed"),
        ("nothing that is known here", "nothing that is known here"),
    ],
)
def test_a_package_without_a_hash_is_a_finding(told: str, expected: str) -> None:
    (found,) = findings.read_pins(Said("", told, 1)).findings
    assert expected in found.what


# -- The command -----------------------------------------------------------------------------------


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scene:
    """Two stages of one template each, no scanner installed, and none run."""
    templates = {name: [tmp_path / f"{name}.template.json"] for name in ("prod-a", "prod-b")}
    scene = Scene(tmp_path, templates, {"prod-a": "eu-west-1", "prod-b": "eu-south-2"})
    monkeypatch.setattr(command, "install", lambda say: tmp_path)
    monkeypatch.setattr(command, "synthesised", lambda folder, tools: scene)
    return scene


def answering(monkeypatch: pytest.MonkeyPatch, out: str, status: int = 0, error: str = "") -> list[list[str]]:
    """The commands that are run from now on; each answers so."""
    seen: list[list[str]] = []

    def run(line: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        seen.append(list(line))
        return subprocess.CompletedProcess(line, status, out, error)

    monkeypatch.setattr(scanners.subprocess, "run", run)
    return seen


def scan(*arguments: str) -> Any:
    app = command.typer.Typer()
    app.command()(command.main)
    return CliRunner().invoke(app, [*arguments])


def test_a_finding_ends_the_scan_with_status_1_and_is_shown_and_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answering(monkeypatch, json.dumps(NAG), 1)
    done = scan("--only", "nag", "--json", str(tmp_path / "out.json"))
    assert done.exit_code == 1
    assert "nag AwsSolutions-SQS4: prod/Queue: no TLS" in done.stdout
    (outcome,) = json.loads((tmp_path / "out.json").read_text())
    assert (outcome["scanner"], outcome["scanned"], outcome["findings"]) == ("nag", 9, NAG["findings"])


def test_no_finding_ends_it_with_status_0(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, json.dumps({**NAG, "findings": []}))
    assert scan("--only", "nag").exit_code == 0


def test_a_scanner_that_breaks_ends_it_with_status_1(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "", 2, "Traceback: no such module")
    done = scan("--only", "bandit")
    assert done.exit_code == 1
    assert "no such module" in done.stdout


def test_each_stage_is_linted_for_its_own_region(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = answering(monkeypatch, "[]")
    assert scanners.scan("cfn-lint", scene).scanned == 2
    assert [line[line.index("--regions") + 1] for line in seen] == ["eu-west-1", "eu-south-2"]
    assert all(Path(line[-1]).name.startswith(stage) for line, stage in zip(seen, scene.templates, strict=True))


@pytest.mark.parametrize(
    ("name", "nothing", "error"),
    [
        ("nag", {"constructs": 0, "findings": []}, ""),
        ("bandit", {"errors": [], "metrics": {"_totals": {"loc": 0}}, "results": []}, ""),
        ("pins", {}, "INFO:pip_audit._audit:Dry run: would have audited 0 packages"),
        ("pip-audit", {"dependencies": [], "fixes": []}, ""),
    ],
)
def test_a_scanner_that_looked_at_nothing_has_not_passed(
    name: str, nothing: Any, error: str, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, json.dumps(nothing), error=error)
    (found,) = scanners.scan(name, scene).findings
    assert (found.rule, found.what) == ("not scanned", "NotScanned: it looked at nothing")


def test_a_scanner_is_asked_for_all_that_it_finds(scene: Scene) -> None:
    """Of any severity, with no check left out but what has its reason, and no status that says all is well."""
    tools, (first, second) = scene.tools, scene.templates.values()
    asked = {name: [list(map(str, line)) for line in scanner.commands(scene)] for name, scanner in SCANNERS.items()}
    audit = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    assert asked["nag"] == [[sys.executable, "-m", "infra.findings"]]
    assert asked["cfn-lint"][0] == [
        *(str(tools / "cfn-lint"), "--format", "json", "--regions", "eu-west-1"),
        *("--ignore-checks", "W3005", "W3691", "--", str(first[0])),
    ]
    assert asked["checkov"] == [
        [
            *(str(tools / "checkov"), "--framework", "cloudformation", "--output", "json"),
            *("--quiet", "--compact", "--skip-download", "--file", str(first[0]), str(second[0])),
        ]
    ]
    assert asked["bandit"] == [
        [
            *(str(tools / "bandit"), "--quiet", "--format", "json", "-c", "pyproject.toml", "--recursive"),
            *("app.py", "infra", "lambdas", "glue_jobs", "shared", "scripts"),
        ]
    ]
    for name, more in (("pins", ["--dry-run"]), ("pip-audit", [])):
        assert asked[name] == [
            [str(tools / "pip-audit"), "--requirement", lock, *audit, *more] for lock in scanners.LOCKS
        ]


def test_what_may_be_switched_on_or_off_is_scanned_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a stack that is in another region than its stage, as that region's."""
    synthesising: list[dict[str, str]] = []

    def run(line: list[str], *, env: dict[str, str], **how: Any) -> None:
        synthesising.append(env)
        if "app.py" in line:
            assembly(Path(env["CDK_OUTDIR"]) / "assembly-prod-eu-west-1", storage="eu-west-1", copies="eu-south-2")
        else:
            for name in ("dev-eu-west-1", "prod-eu-west-1", "prod-eu-south-2"):
                assembly(tmp_path / f"assembly-{name}", storage=name.partition("-")[2])

    monkeypatch.setattr(scanners.subprocess, "run", run)
    scene = scanners.synthesised(tmp_path, tmp_path)
    assert scene.regions.keys() == scene.templates.keys()
    assert OPTED.keys() == {"every option", "no option"}
    for (how, options), env in zip(OPTED.items(), synthesising[1:], strict=True):
        opted = f"prod-eu-west-1, {how}"
        assert {name for name in scene.templates if name.startswith(opted)} == {
            f"{opted} in eu-west-1",
            f"{opted} in eu-south-2",
        }
        assert [path.name for path in scene.templates[f"{opted} in eu-south-2"]] == ["copies.template.json"]
        (stage,) = json.loads(env["CDK_CONTEXT_JSON"])["pousada"]["stages"].values()
        assert options.items() <= stage.items()


def assembly(folder: Path, **stacks: str) -> None:
    folder.mkdir(parents=True)
    artifacts: dict[str, Any] = {
        stack: {
            "type": "aws:cloudformation:stack",
            "environment": f"aws://unknown-account/{region}",
            "properties": {"templateFile": f"{stack}.template.json"},
        }
        for stack, region in stacks.items()
    }
    artifacts["Tree"] = {"type": "cdk:tree"}
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))


def test_only_what_asks_outside_waits_to_be_asked_for() -> None:
    assert set(SCANNERS) - set(scanners.chosen(None, online=False)) == {"pip-audit"}
    assert scanners.chosen(None, online=True) == list(SCANNERS)
    assert scanners.chosen(["bandit"], online=True) == ["bandit"]


def test_an_unknown_scanner_is_refused_with_those_that_are_known(scene: Scene) -> None:
    done = scan("--only", "scanner")
    assert done.exit_code == 2
    assert "pip-audit" in re.sub(r"\W*\n\W*", " ", done.output)


def test_every_folder_of_python_is_scanned_and_every_lock() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert set(scanners.CODE) == folders | {"app.py"}
    locks = [*ROOT.glob("*.lock"), *(lock for folder in folders for lock in (ROOT / folder).rglob("*.lock"))]
    assert {lock.relative_to(ROOT).as_posix() for lock in locks} == set(scanners.LOCKS)


def test_the_scanners_are_pinned_by_hash_with_all_that_they_bring_along() -> None:
    locked = {package.name: package for package in read_lock(installation.LOCK)}
    asked = installation.LOCK.with_name("requirements.txt").read_text(encoding="utf-8").splitlines()
    for name, version in (line.split("==") for line in asked if "==" in line):
        assert locked[name].version == version
    assert all(package.hashes for package in locked.values())


def test_a_check_that_is_left_out_for_all_templates_has_a_reason() -> None:
    assert MEANINGLESS.keys() == {"W3005", "W3691"}
    assert all(len(reason.split()) > 10 for reason in MEANINGLESS.values())
