"""The record of a sync run: what an operator is told about one poll of one stream."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from shared.errors import PousadaError
from shared.streams import Stream

Status = Literal["running", "continued", "succeeded", "failed"]


class SyncRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run, over all the invocations it takes; the counts add up over them."""

    vendor: str
    property_id: str
    entity: str
    run_id: str
    started_at: datetime
    """UTC."""
    status: Status = "running"
    """``continued``: its continuation waits in the poll queue."""
    finished_at: datetime | None = None
    fetched: int = 0
    """Records landed; one that was read twice counts twice."""
    unchanged: int = 0
    """Records read and not landed: they had landed just so (``cursors``)."""
    pages: int = 0
    """Raw objects written."""
    failed: int = 0
    """Records that were fetched and could not be landed."""
    waited_ms: int = 0
    """Spent waiting for the rate limit."""
    error: str | None = None

    @property
    def stream(self) -> Stream:
        return Stream(self.vendor, self.property_id, self.entity)


class Holder(NamedTuple):
    """Who holds a stream's lease: one invocation, and the run it works at."""

    owner: str
    """Unlike any other invocation's, also one that was given the same message."""
    run_id: str
    started_at: datetime


def described(error: BaseException) -> str:
    """Class and message; of an error that is not ours only the class, since its message may quote a payload."""
    kind = type(error).__name__
    return f"{kind}: {error}" if isinstance(error, PousadaError) else kind
