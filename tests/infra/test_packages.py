"""The layer and the wheels: as the lock has them, complete, and built only when they are published."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from infra import packages
from infra.lock import LockedPackage
from infra.packages import ARROW, LAMBDA_LIMIT_BYTES, LAYER, MIGRATIONS, WHEELS, PackageArchive
from tests.fakes.package_index import PackageIndex
from tests.infra.templates import REPOSITORY, Synthesised

pytestmark = pytest.mark.infra

FUNCTIONS_RUNTIME = {"boto3", "botocore"}
GLUE_RUNTIME = FUNCTIONS_RUNTIME | {"pyspark", "awsglue"}

both = pytest.mark.parametrize("archive", [LAYER, WHEELS], ids=lambda archive: archive.what)

each = pytest.mark.parametrize("archive", [LAYER, ARROW, MIGRATIONS, WHEELS], ids=lambda archive: archive.what)


@each
def test_every_package_is_pinned_to_what_the_tests_run_with(archive: PackageArchive):
    for name, version in _pins(archive).items():
        assert metadata.version(name) == version, f"{archive.what}: {name}"


@each
def test_what_a_package_brings_along_is_pinned_too(archive: PackageArchive):
    pinned = _pins(archive)
    for name in pinned:
        for needed in _requirements_of(name):
            assert needed in pinned, f"{name} needs {needed}"


# A vendor's modules are imported by name (shared/vendors/registry.py); a batch is mapped, and no vendor called.
FUNCTIONS = [f"{folder}/*.py" for folder in ("lambdas", "lambdas/[!m]*", "lambdas/manifest")]
BATCH = ["glue_jobs/etl.py", "glue_jobs/batch.py", "shared/vendors/*/mapping.py", "shared/vendors/*/payloads.py"]


@pytest.mark.parametrize(
    ("archives", "roots", "given"),
    [
        ([LAYER], [*FUNCTIONS, "shared/vendors/**/*.py"], FUNCTIONS_RUNTIME),
        ([LAYER, MIGRATIONS], ["lambdas/migrate/*.py", "shared/storage/migrations/**/*.py"], FUNCTIONS_RUNTIME),
        ([LAYER, ARROW], ["lambdas/etl/*.py", *BATCH], FUNCTIONS_RUNTIME | {"pyspark"}),
        ([WHEELS], ["glue_jobs/**/*.py", *BATCH], GLUE_RUNTIME),
    ],
    ids=["functions", "migrate", "etl", "job"],
)
def test_every_import_of_the_deployed_code_is_in_its_archives(
    archives: list[PackageArchive], roots: list[str], given: set[str]
):
    distributions = metadata.packages_distributions()
    pinned = {name for archive in archives for name in _pins(archive)}
    for module in sorted(_third_party(roots) - given):
        names = {_canonical(name) for name in distributions.get(module, [module])}
        assert names & pinned, f"{module} is imported and not in {[archive.what for archive in archives]}"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageIndex:
    """*inn* needs *linen*; *spa* has nothing to do with them."""
    index = PackageIndex(tmp_path / "index")
    index.lead(monkeypatch)
    monkeypatch.setattr(packages, "BUILT", tmp_path / "packages")
    index.publish("inn", needs=["linen"])
    index.publish("linen")
    index.publish("spa")
    return index


@each
def test_an_archive_holds_what_the_lock_says_its_list_brings_along(archive: PackageArchive, index: PackageIndex):
    lock = index.lock({"inn": f"-r {archive.requirements}", "linen": "inn", "spa": "-r tests/requirements.txt"})
    names = zipfile.ZipFile(replace(archive, lock=lock, unused=()).build()).namelist()
    assert [name for name in names if name.endswith((".py", ".whl"))] in (
        ["python/inn.py", "python/linen.py"],
        ["wheels/inn-1.0-py3-none-any.whl", "wheels/linen-1.0-py3-none-any.whl"],
    )


@each
def test_a_package_of_other_bytes_than_the_lock_says_is_refused(
    archive: PackageArchive, index: PackageIndex, capfd: pytest.CaptureFixture[str]
):
    lock = index.lock({"inn": f"-r {archive.requirements}", "linen": "inn"})
    index.publish("linen", content="changed = True")
    with pytest.raises(subprocess.CalledProcessError):
        replace(archive, lock=lock).build()
    assert re.search(r"linen.*hash|hash.*linen", capfd.readouterr().err, re.IGNORECASE | re.DOTALL)


@each
def test_a_package_that_another_needs_and_the_lock_lacks_is_refused(
    archive: PackageArchive, index: PackageIndex, capfd: pytest.CaptureFixture[str]
):
    with pytest.raises(subprocess.CalledProcessError):
        replace(archive, lock=index.lock({"inn": f"-r {archive.requirements}"})).build()
    assert "linen" in capfd.readouterr().err


def test_an_archive_is_named_by_its_packages_and_its_platform(index: PackageIndex):
    lock = index.lock({"inn": "-r lambdas/requirements.txt"})
    first = PackageArchive("layer", "lambdas/requirements.txt", "aarch64 3.13", ".zip", _fill, lock)
    before = first.file_name
    assert replace(first).file_name == before
    assert replace(first, platform="x86_64 3.13").file_name != before
    assert replace(first, unused=("package.py",)).file_name != before

    index.lock({"inn": "-r lambdas/requirements.txt", "spa": "-r tests/requirements.txt"})
    assert first.file_name == before  # what it does not hold does not matter

    index.publish("inn", content="changed = True")
    index.lock({"inn": "-r lambdas/requirements.txt"})
    assert first.file_name != before


def test_an_archive_is_built_once(index: PackageIndex):
    filled: list[Path] = []

    def fill(packages: list[LockedPackage], folder: Path) -> None:
        filled.append(folder)
        _fill(packages, folder)

    archive = PackageArchive("layer", "lambdas/requirements.txt", "aarch64", ".zip", fill)
    path = archive.build()
    assert archive.build() == path
    assert len(filled) == 1
    assert zipfile.ZipFile(path).namelist() == ["python/package.py"]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("unused", "budget_mb", "told"),
    [
        (("package.py",), 0.0, None),
        (("gone/*",), None, "gone/\\*: there is nothing"),
        ((), 0.0, "0.0 MB, and a budget"),
    ],
)
def test_an_archive_is_built_without_what_is_unused_and_within_its_budget(
    index: PackageIndex, unused: tuple[str, ...], budget_mb: float | None, told: str | None
):
    lock = index.lock({"inn": "-r lambdas/requirements.txt"})
    archive = PackageArchive(
        "layer", "lambdas/requirements.txt", "aarch64", ".zip", _fill, lock, unused=unused, budget_mb=budget_mb
    )
    if told:
        with pytest.raises(ValueError, match=told):
            archive.build()
        assert list(packages.BUILT.iterdir()) == []
    else:
        assert zipfile.ZipFile(archive.build()).namelist() == []


def test_the_layers_of_any_function_fit_into_lambda_with_room_for_its_code():
    assert LAYER.budget_mb
    assert ARROW.budget_mb
    assert (LAYER.budget_mb + ARROW.budget_mb) * 1e6 < 0.8 * LAMBDA_LIMIT_BYTES


def test_a_build_that_fails_leaves_no_archive(index: PackageIndex):
    def fail(packages: list[LockedPackage], folder: Path) -> None:
        _fill(packages, folder)
        raise subprocess.CalledProcessError(1, "uv")

    with pytest.raises(subprocess.CalledProcessError):
        PackageArchive("layer", "lambdas/requirements.txt", "aarch64", ".zip", fail).build()
    assert list(packages.BUILT.iterdir()) == []


def test_the_assembly_holds_the_command_and_not_the_archive(aws_stage: Synthesised):
    assets = Path(aws_stage.assembly.directory).glob("*.assets.json")
    text = " ".join(path.read_text() for path in assets)
    assert LAYER.file_name.removesuffix(".zip") in text
    assert ARROW.file_name.removesuffix(".zip") in text
    assert MIGRATIONS.file_name.removesuffix(".zip") in text
    assert WHEELS.file_name in text
    assert re.search(r'"executable": \[\s*"python3",\s*"-m",\s*"infra.packages",\s*"wheels"\s*\]', text)


def _fill(_packages: list[LockedPackage], folder: Path) -> None:
    (folder / "python").mkdir()
    (folder / "python" / "package.py").write_text("pass\n")


def _pins(archive: PackageArchive) -> dict[str, str]:
    return {package.name: package.version for package in archive.packages}


def _requirements_of(name: str) -> Iterator[str]:
    """What ``name`` needs on the runtimes' Python, extras aside."""
    for line in metadata.requires(name) or []:
        requirement, _, marker = line.partition(";")
        needed = _canonical(re.match(r"[\w.-]+", requirement)[0])  # type: ignore[index]
        if not any(word in marker for word in ("extra", "win32", "Windows", "python_version <", "implementation")):
            yield needed


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _third_party(roots: Iterable[str]) -> set[str]:
    """The packages that the modules matching ``roots`` import, and the modules of shared/ that those import."""
    waiting = [path for root in roots for path in REPOSITORY.glob(root)]
    seen: set[Path] = set()
    found: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen or not path.exists():
            continue
        seen.add(path)
        for module in _imports(path):
            top = module.partition(".")[0]
            if top == "shared":
                file = REPOSITORY / module.replace(".", "/")
                waiting += [file.with_suffix(".py"), file / "__init__.py"]
            elif top not in sys.stdlib_module_names and top not in ("lambdas", "glue_jobs"):
                found.add(top)
    return found


def _imports(path: Path) -> Iterator[str]:
    """Also those within functions; not those for the type checker alone."""
    for node in ast.walk(_without_type_checking(ast.parse(path.read_text()))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


class _Dropping(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> ast.AST | None:
        named = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if named else self.generic_visit(node)


def _without_type_checking(tree: ast.Module) -> ast.AST:
    return _Dropping().visit(tree)  # type: ignore[no-any-return]
