"""The layer and the wheels: pinned, complete, and built only when they are published."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from infra import packages
from infra.packages import ARROW, LAMBDA_LIMIT_BYTES, LAYER, WHEELS, PackageArchive
from tests.infra.templates import REPOSITORY, Synthesised

pytestmark = pytest.mark.infra

FUNCTIONS_RUNTIME = {"boto3", "botocore"}
GLUE_RUNTIME = FUNCTIONS_RUNTIME | {"pyspark", "awsglue"}


@pytest.mark.parametrize("archive", [LAYER, ARROW, WHEELS], ids=lambda archive: archive.what)
def test_every_package_is_pinned_to_what_the_tests_run_with(archive: PackageArchive):
    for name, version in _pins(archive.requirements).items():
        assert metadata.version(name) == version, f"{archive.requirements.name}: {name}"


@pytest.mark.parametrize("archive", [LAYER, ARROW, WHEELS], ids=lambda archive: archive.what)
def test_what_a_package_brings_along_is_pinned_too(archive: PackageArchive):
    """Installed without resolving: what is not listed would not be there."""
    pinned = _pins(archive.requirements)
    for name in pinned:
        for needed in _requirements_of(name):
            assert needed in pinned, f"{name} needs {needed}"


# A vendor's modules are imported by name (shared/vendors/registry.py); a batch is mapped, and no vendor called.
BATCH = ["glue_jobs/etl.py", "glue_jobs/batch.py", "shared/vendors/*/mapping.py", "shared/vendors/*/payloads.py"]


@pytest.mark.parametrize(
    ("archives", "roots", "given"),
    [
        ([LAYER], ["lambdas/**/*.py", "shared/vendors/**/*.py"], FUNCTIONS_RUNTIME),
        ([LAYER, ARROW], ["lambdas/etl/*.py", *BATCH], FUNCTIONS_RUNTIME | {"pyspark"}),
        ([WHEELS], ["glue_jobs/**/*.py", *BATCH], GLUE_RUNTIME),
    ],
    ids=["functions", "etl", "job"],
)
def test_every_import_of_the_deployed_code_is_in_its_archives(
    archives: list[PackageArchive], roots: list[str], given: set[str]
):
    distributions = metadata.packages_distributions()
    pinned = {name for archive in archives for name in _pins(archive.requirements)}
    for module in sorted(_third_party(roots) - given):
        names = {_canonical(name) for name in distributions.get(module, [module])}
        assert names & pinned, f"{module} is imported and not in {[archive.what for archive in archives]}"


def test_an_archive_is_named_by_its_requirements_and_platform(tmp_path: Path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("msgspec==0.22.0\n")
    first = PackageArchive("layer", requirements, "aarch64 3.13", ".zip", _fill)
    assert first.file_name == PackageArchive("layer", requirements, "aarch64 3.13", ".zip", _fill).file_name
    assert first.file_name != PackageArchive("layer", requirements, "x86_64 3.13", ".zip", _fill).file_name
    pruned = PackageArchive("layer", requirements, "aarch64 3.13", ".zip", _fill, ("package.py",))
    assert first.file_name != pruned.file_name, "another pruning is another archive"
    before = first.file_name
    requirements.write_text("msgspec==0.23.0\n")
    assert first.file_name != before


def test_an_archive_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packages, "BUILT", tmp_path / "packages")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("msgspec==0.22.0\n")
    filled: list[Path] = []

    def fill(requirements: Path, folder: Path) -> None:
        filled.append(folder)
        _fill(requirements, folder)

    archive = PackageArchive("layer", requirements, "aarch64", ".zip", fill)
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused: tuple[str, ...], budget_mb: float | None, told: str | None
):
    monkeypatch.setattr(packages, "BUILT", tmp_path / "packages")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("msgspec==0.22.0\n")
    archive = PackageArchive("layer", requirements, "aarch64", ".zip", _fill, unused, budget_mb)
    if told:
        with pytest.raises(ValueError, match=told):
            archive.build()
        assert list((tmp_path / "packages").iterdir()) == []
    else:
        assert zipfile.ZipFile(archive.build()).namelist() == []


def test_the_layers_of_any_function_fit_into_lambda_with_room_for_its_code():
    assert LAYER.budget_mb
    assert ARROW.budget_mb
    assert (LAYER.budget_mb + ARROW.budget_mb) * 1e6 < 0.8 * LAMBDA_LIMIT_BYTES


def test_a_build_that_fails_leaves_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packages, "BUILT", tmp_path / "packages")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("msgspec==0.22.0\n")

    def fail(requirements: Path, folder: Path) -> None:
        _fill(requirements, folder)
        raise subprocess.CalledProcessError(1, "uv")

    with pytest.raises(subprocess.CalledProcessError):
        PackageArchive("layer", requirements, "aarch64", ".zip", fail).build()
    assert list((tmp_path / "packages").iterdir()) == []


def test_the_assembly_holds_the_command_and_not_the_archive(aws_stage: Synthesised):
    assets = Path(aws_stage.assembly.directory).glob("*.assets.json")
    text = " ".join(path.read_text() for path in assets)
    assert LAYER.file_name.removesuffix(".zip") in text
    assert ARROW.file_name.removesuffix(".zip") in text
    assert WHEELS.file_name in text
    assert re.search(r'"executable": \[\s*"python3",\s*"-m",\s*"infra.packages",\s*"wheels"\s*\]', text)


def _fill(_requirements: Path, folder: Path) -> None:
    (folder / "python").mkdir()
    (folder / "python" / "package.py").write_text("pass\n")


def _pins(requirements: Path) -> dict[str, str]:
    lines = [line for line in requirements.read_text().splitlines() if line and not line.startswith("#")]
    pairs = [re.fullmatch(r"([\w.-]+)(?:\[\w+\])?==([\w.]+)", line) for line in lines]
    assert all(pairs), "every line pins one version"
    return {_canonical(pair[1]): pair[2] for pair in pairs if pair}


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
