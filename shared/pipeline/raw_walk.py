"""A walk over the raw lake: what came on a day or later, without reading what lies before it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Protocol, TypeVar

from shared.pipeline import raw_keys

FEW, MANY = 100, 1_000
"""Keys that a request asks for. S3 bills it alike for one and for a thousand, which is the most; but a thousand are
50 ms of processor to read, and where a folder's days are skipped few of them are wanted."""


class RawObject(Protocol):
    @property
    def key(self) -> str: ...


Found = TypeVar("Found", bound=RawObject, covariant=True)


class Lake(Protocol[Found]):
    """``shared.storage.raw_lake.RawLake``."""

    def list(self, prefix: str, after: str = "", at_once: int = MANY) -> Iterator[Found]: ...


def objects_under(lake: Lake[Found], prefix: str, since: date | None = None, after: str = "") -> Iterator[Found]:
    """The raw objects under ``prefix`` and behind ``after``, from the day ``since`` on, in the keys' order.

    The day is the one that their keys name, which is when they came. Of each folder the days before are skipped: what a
    walk costs is what it yields, and a request for each folder at the most. What a request has brought besides, the
    days before in the next folders or all there is of a small one, is passed over without another.
    """
    start: str | None = after
    at_once = MANY if since is None else FEW
    while start is not None:
        skip_to, listed = "", lake.list(prefix, start, at_once)
        start = None
        for number, found in enumerate(listed, 1):
            if found.key > skip_to:
                if since is not None and (day := raw_keys.day_of(found.key)) and day < since:
                    # Never back, whatever is written where a day should be.
                    skip_to = max(found.key, raw_keys.before_day(found.key, since))
                else:
                    yield found
            if number % at_once:
                continue
            if found.key <= skip_to:
                start, at_once = skip_to, FEW
                break
            if at_once != MANY:
                # A busy folder: from here on as many as S3 gives.
                start, at_once = found.key, MANY
                break
