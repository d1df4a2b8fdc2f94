"""The inventory as the tables of docs/dependencies.md, each between the marks that the page has for it."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.dependencies.inventory import Dependency
from scripts.dependencies.licences import ACCEPTED, PERMITTED


def page(text: str, dependencies: Sequence[Dependency]) -> str:
    """``text`` of the page, its tables written anew. Raises ValueError if it has lost a mark."""
    text = _between("permitted", text, f"{', '.join(f'`{licence}`' for licence in sorted(PERMITTED))}.\n")
    text = _between("accepted", text, _accepted())
    return _between("packages", text, _packages(dependencies))


def _between(mark: str, text: str, content: str) -> str:
    before, opened, rest = text.partition(f"<!-- {mark} -->\n")
    _, closed, after = rest.partition(f"<!-- end of {mark} -->\n")
    if not opened or not closed:
        raise ValueError(
            f"docs/dependencies.md has no place for the {mark}: the mark <!-- {mark} --> or its end is gone"
        )
    return "".join((before, opened, content, closed, after))


def _accepted() -> str:
    return _table(
        ("package", "licence", "deployed", "why it is accepted"),
        [
            (f"`{name}`", f"`{accepted.licence}`", "yes" if accepted.deployed else "no", accepted.reason)
            for name, accepted in sorted(ACCEPTED.items())
        ],
    )


def _packages(dependencies: Sequence[Dependency]) -> str:
    return _table(
        ("package", "version", "licence", "used by"),
        [
            (
                f"`{dependency.name}`" + (" (npm)" if dependency.purl.type == "npm" else ""),
                dependency.version,
                f"`{dependency.licence}`",
                ", ".join(dependency.uses),
            )
            for dependency in dependencies
        ],
    )


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
