"""A walk over the raw lake: what came on a day or later, without reading what lies before it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Protocol, TypeVar

from shared.pipeline import raw_keys


class RawObject(Protocol):
    @property
    def key(self) -> str: ...


Found = TypeVar("Found", bound=RawObject, covariant=True)


class Lake(Protocol[Found]):
    """``shared.storage.raw_lake.RawLake``."""

    def list(self, prefix: str, after: str = "") -> Iterator[Found]: ...


def objects_under(lake: Lake[Found], prefix: str, since: date | None = None, after: str = "") -> Iterator[Found]:
    """The raw objects under ``prefix`` and behind ``after``, from the day ``since`` on, in the keys' order.

    The day is the one that their keys name, which is when they came. Of each folder the days before are skipped: what a
    walk costs is what it yields, and a request for each folder.
    """
    start: str | None = after
    while start is not None:
        skip_to = None
        for found in lake.list(prefix, start):
            if since is not None and (day := raw_keys.day_of(found.key)) and day < since:
                # Never back, whatever is written where a day should be.
                skip_to = max(found.key, raw_keys.before_day(found.key, since))
                break
            yield found
        start = skip_to
