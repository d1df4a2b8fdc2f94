"""A page of docs/ with tables that a program writes, each between two marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence


def rewritten(text: str, tables: Mapping[str, Callable[[], str]], page: str) -> str:
    """``text`` with every table of ``tables`` in its place. Raises ValueError where ``page`` has lost a mark."""
    for mark, write in tables.items():
        text = _between(mark, text, write(), page)
    return text


def _between(mark: str, text: str, content: str, page: str) -> str:
    before, opened, rest = text.partition(f"<!-- {mark} -->\n")
    _, closed, after = rest.partition(f"<!-- end of {mark} -->\n")
    if not opened or not closed:
        raise ValueError(f"{page} has no place for {mark}: the mark <!-- {mark} --> or its end is gone")
    return "".join((before, opened, content, closed, after))


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"
