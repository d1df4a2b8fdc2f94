"""requirements.lock: every package of a clone, pinned by version and by hash.

uv writes it (its first lines say how), and below each package who asked for it: a file of direct requirements, or
another package. From these notes follows what one such file brings along, so that the layer and the wheels need no
lock of their own. The standard library alone is imported: scripts/local/installation.py reads the lock before anything
is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_STANZA = re.compile(r"^[^\s#].*(?:\n .*)*", re.MULTILINE)
_PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)(?: ; .+)? \\")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


class LockUnreadable(Exception):
    """A line of the lock is not a pin with its hashes: the lock was edited by hand, or made in another way."""


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """``requirement``: its lines as pip and uv read them, with marker and hashes.

    ``hashes``: of each file of this version, as ``sha256:…``. ``asked_for_by``: names of packages, and files of direct
    requirements as ``-r lambdas/requirements.txt``.
    """

    name: str
    version: str
    requirement: str
    hashes: tuple[str, ...]
    asked_for_by: frozenset[str]


def read_lock(lock: Path) -> list[LockedPackage]:
    """Its packages, in the lock's order. Raises LockUnreadable."""
    return [_package(stanza) for stanza in _STANZA.findall(lock.read_text(encoding="utf-8"))]


def _package(stanza: str) -> LockedPackage:
    requirement, _, notes = stanza.partition("\n    # via")
    pin = _PIN.match(requirement)
    hashes = tuple(_HASH.findall(requirement))
    if not pin or not hashes:
        raise LockUnreadable(f"{stanza.splitlines()[0]}: no pin with hashes; make the lock anew as its first lines say")
    askers = frozenset(line.strip(" #") for line in notes.splitlines()) - {""}
    return LockedPackage(pin["name"], pin["version"], requirement, hashes, askers)


def brought_by(requirements: str, packages: Iterable[LockedPackage]) -> list[LockedPackage]:
    """The packages that the file ``requirements`` (``lambdas/requirements.txt``) names, and what they bring along."""
    waiting = list(packages)
    askers = {f"-r {requirements}"}
    found: list[LockedPackage] = []
    while asked_for := [package for package in waiting if package.asked_for_by & askers]:
        found += asked_for
        waiting = [package for package in waiting if package not in asked_for]
        askers = {package.name for package in asked_for}
    return sorted(found, key=lambda package: package.name)


def as_requirements(packages: Iterable[LockedPackage]) -> str:
    """The text of a file that pip and uv install exactly ``packages`` from."""
    return "".join(f"{package.requirement}\n" for package in packages)
