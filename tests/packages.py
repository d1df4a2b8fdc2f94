"""The functions' packages as Lambda would unpack them, of what is installed here: without what is pruned, and alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from infra.packages import PackageArchive
from infra.pruning import prune
from scripts.local.environment import ROOT

# What comes with Lambda's own Python.
_RUNTIME = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")


@dataclass(frozen=True)
class Unpacked:
    """``code``: as deployed. ``layers``: /opt of each archive. ``runtime``: Lambda's own packages."""

    code: Path
    layers: tuple[Path, ...]
    runtime: Path

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Python that sees these, the standard library, and nothing of what else is installed."""
        found = [self.code, *(layer / "python" for layer in self.layers), self.runtime]
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, found)), **environment}
        command = [sys.executable, "-S", "-s", "-c", script]
        return subprocess.run(command, env=variables, cwd=self.code, capture_output=True, text=True, check=False)


def unpack(folder: Path, archives: Iterable[PackageArchive], *code: str) -> Unpacked:
    """``code``: folders of the repository."""
    layers = tuple(_unpacked(folder / archive.what, archive) for archive in archives)
    for path in code:
        shutil.copytree(ROOT / path, folder / "code" / path, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "lambdas" / "__init__.py", folder / "code" / "lambdas")
    (folder / "runtime").mkdir()
    for source in (source for name in _RUNTIME for source in _installed(name)):
        (folder / "runtime" / source.name).symlink_to(source)
    return Unpacked(folder / "code", layers, folder / "runtime")


def _unpacked(layer: Path, archive: PackageArchive) -> Path:
    packages = layer / "python"
    packages.mkdir(parents=True)
    for package in archive.packages:
        for source in _installed(package.name):
            _take(source, packages / source.name)
    prune(packages, archive.unused, strict=sys.platform == "linux")
    return layer


def _installed(distribution: str) -> set[Path]:
    """The folders and modules of a distribution; its scripts lie elsewhere."""
    found = metadata.distribution(distribution)
    tops = {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
    return {Path(str(found.locate_file(top))) for top in tops}


def _take(source: Path, target: Path) -> None:
    """As a link where the two lie on one disk: 200 MB are not copied for a test. Bytecode comes along."""

    def link(one: str, other: str) -> None:
        try:
            os.link(one, other)
        except OSError:
            shutil.copy2(one, other)

    if source.is_dir():
        shutil.copytree(source, target, copy_function=link)
    else:
        link(str(source), str(target))
