"""Every package of requirements.lock and package-lock.json, with its hashes, its licence, and who uses it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from infra.lock import LockedPackage, brought_by, read_lock
from scripts.dependencies.licences import licence_of, normalised
from scripts.local.environment import ROOT

PYTHON_LOCK = ROOT / "requirements.lock"
NODE_LOCK = ROOT / "package-lock.json"
USES = {
    "functions": "lambdas/requirements.txt",
    "function etl": "lambdas/etl/requirements.txt",
    "function migrate": "lambdas/migrate/requirements.txt",
    "job": "glue_jobs/requirements.txt",
    "infra": "infra/requirements.txt",
    "scripts": "scripts/requirements.txt",
    "tests": "tests/requirements.txt",
}
"""Each use with the file of its direct requirements."""
DEPLOYED = frozenset({"functions", "function etl", "function migrate", "job"})


class InstallationDiffers(Exception):
    """A package is installed in another version than the lock's, so its licence cannot be asked."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """``hashes``: pairs of algorithm (``sha256``, ``sha512``) and hexadecimal digest; of a Python package one for each
    of its files. ``licence``: an SPDX expression, or None where nothing says it. ``direct``: one of our own lists names
    it. ``needed_by``: the names of packages of the same registry.
    """

    purl: PackageURL
    hashes: tuple[tuple[str, str], ...]
    licence: str | None
    uses: tuple[str, ...]
    direct: bool
    needed_by: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.purl.namespace}/{self.purl.name}" if self.purl.namespace else self.purl.name

    @property
    def version(self) -> str:
        return self.purl.version or ""

    @property
    def deployed(self) -> bool:
        return not DEPLOYED.isdisjoint(self.uses)


def inventory(python_lock: Path = PYTHON_LOCK, node_lock: Path = NODE_LOCK) -> list[Dependency]:
    """Python's packages, then Node's, each by name. Raises InstallationDiffers, LockUnreadable."""
    packages = read_lock(python_lock)
    uses = _uses(packages)
    python = [_of_python(package, uses[package.name]) for package in packages]
    return [*python, *_of_node(json.loads(node_lock.read_text(encoding="utf-8")))]


def _uses(packages: Sequence[LockedPackage]) -> Mapping[str, tuple[str, ...]]:
    brought = {use: {package.name for package in brought_by(file, packages)} for use, file in USES.items()}
    return {package.name: tuple(use for use in USES if package.name in brought[use]) for package in packages}


def _of_python(package: LockedPackage, uses: tuple[str, ...]) -> Dependency:
    lists = {f"-r {file}" for file in USES.values()}
    return Dependency(
        purl=PackageURL("pypi", None, package.name, package.version),
        hashes=tuple(
            (algorithm, digest) for algorithm, _, digest in (hash_.partition(":") for hash_ in package.hashes)
        ),
        licence=licence_of(package.name, _installed(package)),
        uses=uses,
        direct=not lists.isdisjoint(package.asked_for_by),
        needed_by=tuple(sorted(package.asked_for_by - lists)),
    )


def _installed(package: LockedPackage) -> metadata.PackageMetadata | None:
    """None for a package that this platform does not get."""
    try:
        found = metadata.distribution(package.name)
    except metadata.PackageNotFoundError:
        return None
    if found.version != package.version:
        raise InstallationDiffers(
            f"{package.name}: {found.version} is installed, and {package.version} locked. Run scripts/setup"
        )
    return found.metadata


def _of_node(lock: Mapping[str, Any]) -> Iterator[Dependency]:
    """npm holds every package to its ``integrity``; it writes the licence into the lock itself."""
    wanted = lock["packages"][""]["devDependencies"]
    for place, package in sorted(lock["packages"].items()):
        if not place:  # our own
            continue
        name = place.rpartition("node_modules/")[2]
        namespace, _, short = name.rpartition("/")
        algorithm, _, digest = str(package["integrity"]).partition("-")
        yield Dependency(
            purl=PackageURL("npm", namespace or None, short, str(package["version"])),
            hashes=((algorithm, base64.b64decode(digest).hex()),),
            licence=normalised(str(package.get("license", ""))),
            uses=("infra",),
            direct=name in wanted,
            needed_by=(),
        )
