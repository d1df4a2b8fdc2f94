"""A chunk of records by column: what a mapper is given in a batch (``shared.pipeline.by_column``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec.structs import astuple

Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

INSTANT = pa.timestamp("us", tz="UTC")
_SAMPLE = 128
_FAR = 2**32
"""Seconds from 1970: until the year 2106."""
FAILED: Any = object()
"""Stands in a column for what a function raised on."""


class Vector:
    """One value for each record of a chunk: as they are, or as distinct values and which of them each record has.

    Python's own operators would work on the column and not on its values: they are refused.
    """

    __slots__ = ("_array", "_codes", "_kept", "_rows", "_values")

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows: Sequence[Any] | None = rows
        self._values: list[Any] | None = None
        self._codes: Codes | None = None
        self._array: pa.Array | None = None
        self._kept: tuple[Any, pa.Array] | None = None

    @classmethod
    def coded(cls, values: list[Any], codes: Codes) -> Vector:
        """``values[codes[n]]`` is the value of record ``n``."""
        made = cls(())
        made._rows, made._values, made._codes = None, values, codes
        return made

    @classmethod
    def of_array(cls, array: pa.Array, rows: Sequence[Any] | None = None) -> Vector:
        """``rows``: the same values as Python's own, where they are at hand."""
        made = cls(())
        made._rows, made._array = rows, array
        return made

    def rows(self) -> Sequence[Any]:
        """The value of each record."""
        if self._rows is None:
            if self._values is not None and self._codes is not None:
                self._rows = list(map(self._values.__getitem__, self._codes.tolist()))
            elif self._array is not None:
                self._rows = self._array.to_pylist()
        return self._rows  # type: ignore[return-value]

    def distinct(self) -> tuple[list[Any], Codes] | None:
        """The distinct values, and which of them each record has; None where the values hardly repeat."""
        if self._values is None and self._rows is not None and _repeat(self._rows):
            numbers = _Numbers()
            try:
                self._codes = np.fromiter(map(numbers.__getitem__, self._rows), np.int32, len(self._rows))
            except TypeError:  # a value without a hash, beyond the sample
                return None
            self._values = list(numbers)
        if self._values is None or self._codes is None:
            return None
        return self._values, self._codes

    def array(self, kind: pa.DataType) -> pa.Array:
        """As an Arrow array of ``kind``."""
        if self._array is None:
            if self._values is not None and self._codes is not None:
                self._array = _array(self._values, kind).take(pa.array(self._codes))
            else:
                self._array = _array(self.rows(), kind)
        return self._array

    def kept(self, kind: pa.DataType, keep: npt.NDArray[np.int64]) -> pa.Array:
        """``array`` of the records ``keep`` alone, given by number."""
        if self._kept is None or self._kept[0] is not keep:
            if self._array is None and self._values is not None and self._codes is not None:
                made = _array(self._values, kind).take(pa.array(self._codes[keep]))
            else:
                made = self.array(kind).take(pa.array(keep))
            self._kept = keep, made
        return self._kept[1]

    def mask(self) -> Mask:
        """Which records' value is True."""
        if self._array is not None:
            return np.asarray(self._array.to_numpy(zero_copy_only=False), np.bool_)
        found = self.distinct()
        values = self.rows() if found is None else found[0]
        true = np.fromiter((value is True for value in values), np.bool_, len(values))
        return true if found is None else true[found[1]]

    def __bool__(self) -> NoReturn:
        raise TypeError("a column has no one value: write each(function, value)")

    def _refuse(self, other: object) -> NoReturn:
        bool(self)
        raise AssertionError

    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = None  # type: ignore[assignment]


class _Numbers(dict[Any, int]):
    """Each value that is asked for, numbered as it comes."""

    def __missing__(self, value: Any) -> int:
        number = self[value] = len(self)
        return number


def _repeat(rows: Sequence[Any]) -> bool:
    sample = rows[:_SAMPLE]
    try:
        return len(set(sample)) <= len(sample) // 2
    except TypeError:  # lists have no hash, nor has a Decimal that is a signalling NaN
        return False


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        if not any(value is FAILED for value in values):
            raise
        return pa.array([None if value is FAILED else value for value in values], kind)


def instants(values: Sequence[datetime | None]) -> pa.Array | None:
    """Aware datetimes as an array of ``INSTANT``, in half the time that Arrow takes; None where one is so far away
    that a float of its seconds does not tell microseconds apart."""
    absent = None
    try:
        seconds = np.fromiter(map(datetime.timestamp, values), np.float64, len(values))  # type: ignore[arg-type]
    except TypeError:  # some are missing
        absent = np.fromiter((not isinstance(value, datetime) for value in values), np.bool_, len(values))
        seconds = np.array([value.timestamp() if isinstance(value, datetime) else 0.0 for value in values])
    if not (np.abs(seconds) < _FAR).all():
        return None
    return pa.array(np.rint(seconds * 1e6).astype(np.int64), mask=absent).view(INSTANT)


def column(rows: Sequence[Any]) -> Any:
    """A ``Vector`` of ``rows`` (at least one), or the one value that all of them are."""
    first = rows[0]
    try:
        alike = rows[-1] == first and rows.count(first) == len(rows)
    except ArithmeticError:  # a signalling NaN cannot even be compared
        alike = False
    return first if alike else Vector(rows)


class Records:
    """A chunk's records (at least one, all of one type) as if they were one: a field is a column, or the one value of
    all.

    A structure that some of the records lack counts there as one without any field. Raises ValueError where there can
    be none such.
    """

    def __init__(self, records: Sequence[msgspec.Struct]) -> None:
        for name, values in zip(records[0].__struct_fields__, zip(*map(astuple, records), strict=True), strict=True):
            sample = next((value for value in values if value is not None), None)
            inner = isinstance(sample, msgspec.Struct)
            setattr(self, name, Records(_filled(values, type(sample))) if inner else column(values))

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def _filled(structures: Sequence[Any], kind: type[Any]) -> Sequence[Any]:
    if None not in structures:
        return structures
    try:
        empty = kind()
    except TypeError:
        raise ValueError("the structure has fields that it must have") from None
    return [empty if structure is None else structure for structure in structures]
