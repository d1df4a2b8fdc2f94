"""Third-party packages as archives: the functions' layers, the Glue job's wheels.

Building one needs the package index, and synthesising must not. So the assembly holds only the command
(an asset may name an executable in place of a file): the CDK CLI runs it when it publishes, and only where
no archive of the same digest lies in the account yet. The digest is of the packages' lines in requirements.lock, of
the platform and of what is left out. What is not in the lock, or has other bytes than the lock says, is refused.

    python3 -m infra.packages layer|arrow|migrations|wheels      builds, and prints the archive's path
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aws_cdk import FileAssetLocation, Stack

from infra import pruning
from infra.lock import LockedPackage, as_requirements, brought_by, read_lock
from infra.paths import (
    ETL_FUNCTION_REQUIREMENTS,
    FUNCTION_REQUIREMENTS,
    JOB_REQUIREMENTS,
    LOCK,
    MIGRATE_FUNCTION_REQUIREMENTS,
    ROOT,
)

BUILT = ROOT / "cdk.out" / "packages"

# The interpreter of the functions (infra/capabilities/function.py) and that of Glue 5.1, both on Amazon Linux 2023.
_FUNCTION_PYTHON = "3.13"
_JOB_PYTHON = "3.11"
# What Lambda lets a function unpack, its code and all its layers together.
LAMBDA_LIMIT_BYTES = 250 * 1024 * 1024
# Both resolve, although the lock has everything: a package that another needs and the lock lacks is then refused.
_CHECKED = ("--require-hashes", "--only-binary", ":all:")
# A zip's own earliest date: equal contents give an equal archive.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class PackageArchive:
    """``what``: its name on the command line. ``requirements``: the file whose packages it holds, by its path in the
    repository. ``suffix``: how the object's key must end.
    """

    what: str
    requirements: str
    platform: str
    suffix: str
    fill: Callable[[list[LockedPackage], Path], None]
    lock: Path = LOCK
    unused: tuple[str, ...] = ()
    """What of the packages is left out (infra/pruning.py)."""
    budget_mb: float | None = None
    """Megabytes unpacked, at most: what is larger is not built."""

    @property
    def packages(self) -> list[LockedPackage]:
        return brought_by(self.requirements, read_lock(self.lock))

    @property
    def file_name(self) -> str:
        described = "\n".join([f"{self.what} {self.platform}", *self.unused, as_requirements(self.packages)])
        return sha256(described.encode()).hexdigest() + self.suffix

    def publish_with(self, stack: Stack) -> FileAssetLocation:
        return stack.synthesizer.add_file_asset(
            source_hash=self.file_name,
            executable=["python3", "-m", "infra.packages", self.what],
            display_name=f"Packages ({self.what})",
        )

    def build(self) -> Path:
        """The archive's path; built before of the same packages, it is not built again."""
        archive = BUILT / self.file_name
        if not archive.exists():
            BUILT.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=BUILT) as folder:
                self.fill(self.packages, Path(folder))
                pruning.prune(Path(folder) / "python", self.unused)
                self._weigh(Path(folder))
                unfinished = _zipped(Path(folder), archive.with_suffix(".unfinished"))
            unfinished.rename(archive)
        return archive

    def _weigh(self, folder: Path) -> None:
        megabytes = pruning.unpacked_bytes(folder) / 1e6
        print(f"{self.what}: {megabytes:.1f} MB unpacked", file=sys.stderr)
        if self.budget_mb is not None and megabytes > self.budget_mb:
            budget = f"{self.what} has {megabytes:.1f} MB, and a budget of {self.budget_mb} MB"
            raise ValueError(f"{budget}; leave out more (infra/pruning.py), or raise the budget and say why")


def _install_layer(packages: list[LockedPackage], folder: Path) -> None:
    """``python/`` is where Lambda looks in a layer."""
    with _requirements_file(packages) as requirements:
        _run(
            *("uv", "pip", "install", "--quiet", "--no-compile-bytecode", *_CHECKED),
            *("--python-platform", "aarch64-manylinux_2_28", "--python-version", _FUNCTION_PYTHON),
            *("--target", str(folder / "python"), "--requirements", requirements),
        )


def _download_wheels(packages: list[LockedPackage], folder: Path) -> None:
    """Glue's *zip of wheels*: ``wheels/`` with the wheels and their requirements.txt."""
    wheels = folder / "wheels"
    wheels.mkdir()
    pins = "".join(f"{package.name}=={package.version}\n" for package in packages)
    (wheels / "requirements.txt").write_text(pins)
    with _requirements_file(packages) as requirements:
        _run(
            *("pip", "download", "--quiet", "--disable-pip-version-check", *_CHECKED),
            *("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64"),
            *("--implementation", "cp", "--python-version", _JOB_PYTHON),
            *("--dest", str(wheels), "--requirement", requirements),
        )


@contextmanager
def _requirements_file(packages: list[LockedPackage]) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(as_requirements(packages))
        file.flush()
        yield file.name


def _run(module: str, *arguments: str) -> None:
    # Standard output is the CDK CLI's: it reads the archive's path there and nothing else.
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, stdout=sys.stderr)


def _zipped(folder: Path, archive: Path) -> Path:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            zipped.writestr(entry, file.read_bytes())
    return archive


_FUNCTIONS = f"aarch64 {_FUNCTION_PYTHON}"
LAYER = PackageArchive(
    "layer", FUNCTION_REQUIREMENTS, _FUNCTIONS, ".zip", _install_layer, unused=pruning.COMMON, budget_mb=40
)
ARROW = PackageArchive(
    "arrow", ETL_FUNCTION_REQUIREMENTS, _FUNCTIONS, ".zip", _install_layer, unused=pruning.ARROW, budget_mb=160
)
MIGRATIONS = PackageArchive(
    "migrations",
    MIGRATE_FUNCTION_REQUIREMENTS,
    _FUNCTIONS,
    ".zip",
    _install_layer,
    unused=pruning.MIGRATIONS,
    budget_mb=25,
)
# Glue knows a zip of wheels by this ending alone.
WHEELS = PackageArchive("wheels", JOB_REQUIREMENTS, f"x86_64 {_JOB_PYTHON}", ".gluewheels.zip", _download_wheels)

if __name__ == "__main__":
    print({archive.what: archive for archive in (LAYER, ARROW, MIGRATIONS, WHEELS)}[sys.argv[1]].build())
