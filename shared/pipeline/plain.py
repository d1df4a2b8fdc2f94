"""Plain records: those whose envelope says of itself what the raw key promises. Of these the batch path reads many at
once; all others go one by one through ``transform``, which decides what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.decoding import UNREADABLE
from shared.errors import Unmappable
from shared.pipeline.envelope import record_decoder
from shared.vendors.registry import part

NUL = rb"\u0000"


class Plain:
    """Of some lines, the records that are what their raw key promises, typed."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.received: list[datetime] = []
        self.places: list[int] = []
        """Where among the lines each record stood."""

    def add(self, place: int, record: Any, received_at: datetime) -> None:
        self.places.append(place)
        self.records.append(record)
        self.received.append(received_at)


class Page:
    """The lines of one page differ in their records alone: around them stands the same envelope.

    So a line that begins and ends like another, with one JSON value between, is that envelope around this value.
    """

    def __init__(self, before: bytes, after: bytes, received_at: datetime, vendor: str, entity: str) -> None:
        self._received_at = received_at
        self._before, self._after = before, after
        self._inside = slice(len(before), -len(after))
        self._entity = entity
        self._payloads = part(vendor, "payloads")
        self._decode = record_decoder(self._payloads.RECORDS[entity]).decode

    def read(self, lines: Sequence[bytes]) -> Plain:
        """The records of lines of the page; not of those that have another envelope, or whose record is unreadable."""
        before, after, inside, decode = self._before, self._after, self._inside, self._decode
        plain, received_at = Plain(), self._received_at
        for place, line in enumerate(lines):
            # One byte is found far sooner than six: where nothing is escaped, NUL is not.
            if line.startswith(before) and line.endswith(after) and not (b"\\" in line and NUL in line):
                try:
                    record = decode(line[inside])
                except UNREADABLE:
                    record = self._put_right(line[inside])
                if record is not None:
                    plain.add(place, record, received_at)
        return plain

    def _put_right(self, payload: bytes) -> Any:
        try:
            return self._payloads.decode(payload, self._entity)
        except Unmappable:
            return None
