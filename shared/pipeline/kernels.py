"""Functions whose values hardly repeat, on whole columns: ids, amounts, instants, nights.

Each is held by a test to the function that it stands for.
"""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from hashlib import sha1
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shared.errors import Unmappable
from shared.model.calendar import lead_time, nights, utc
from shared.model.identity import NAMESPACE, record_id
from shared.model.mapping import none_if_empty
from shared.model.money import minor_digits, read_amount
from shared.model.vectors import INSTANT, Mask, Vector, instants
from shared.pipeline.rules import is_normalised, is_not_negative, is_part_of, is_there_for, is_well_formed

_MONEY = pa.decimal128(18, 4)
_ZERO = pa.scalar(Decimal(0), _MONEY)
_LARGEST = 1e14
"""Amounts that the columns do not hold begin here."""
_EXACT = 2.0**50
"""Below this, what a float leaves out of a written number is far less than half of a whole."""
_NO_TEXT = pa.scalar(None, pa.string())
_DAY = 86_400_000_000
"""Microseconds."""


def record_ids(odd: Mask, source: Any, hotel_id: Any, entity: Any, external_id: Any) -> Vector | None:
    """``identity.record_id`` of one hotel's records."""
    if any(isinstance(value, Vector) for value in (source, hotel_id, entity)):
        return None
    prefix = NAMESPACE.bytes + f"{source}:{hotel_id}:{entity}:".encode()
    texts = external_id.rows()
    named = [text for text in texts if isinstance(text, str)]
    digests = b"".join([sha1(prefix + text.encode(), usedforsecurity=False).digest()[:16] for text in named])
    ids = _formatted(np.frombuffer(digests, np.uint8).reshape(-1, 16))
    if len(named) == len(texts):
        return Vector.of_array(ids)
    present = np.fromiter((isinstance(text, str) for text in texts), np.bool_, len(texts))
    places = pa.array(np.cumsum(present) - 1, mask=~present)
    return Vector.of_array(ids.take(places))


def _formatted(digests: npt.NDArray[np.uint8]) -> pa.Array:
    """``digests``, each 16 bytes, as the text of a UUID of version 5 (RFC 9562, 5.5)."""
    marked = digests.copy()
    marked[:, 6] = marked[:, 6] & 0x0F | 0x50
    marked[:, 8] = marked[:, 8] & 0x3F | 0x80
    digits = np.frombuffer(hexlify(marked.data), np.uint8).reshape(-1, 32)
    text = np.full((len(digits), 36), ord("-"), np.uint8)
    for start, end, shift in ((0, 8, 0), (8, 12, 1), (12, 16, 2), (16, 20, 3), (20, 32, 4)):
        text[:, start + shift : end + shift] = digits[:, start:end]
    ends = np.arange(len(text) + 1, dtype=np.int32) * 36
    return pa.StringArray.from_buffers(len(text), pa.py_buffer(ends), pa.py_buffer(text))


def amounts(odd: Mask, written: Any, currency: Any, field: str) -> Vector | None:
    """``money.read_amount``. A number that is the nearest float of some number of cents is that number of cents;
    whatever is not, is read as it is written."""
    if not isinstance(written, Vector):
        return None
    rows = written.rows()
    texts = _texts(rows)
    absent = pc.equal(texts, "null")
    numbers = pc.if_else(pc.or_(absent, pc.starts_with(texts, '"')), _NO_TEXT, texts)
    try:
        values = pc.cast(numbers, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    digits, currencies = _digits(currency, len(rows))
    with np.errstate(over="ignore"):
        whole = np.rint(values * 10.0**digits)
    exact = (whole / 10.0**digits == values) & (np.abs(whole) < _EXACT) & (np.abs(values) < _LARGEST)
    units = np.where(exact, whole, 0).astype(np.int64) * 10 ** (4 - digits)
    absent = absent.to_numpy(zero_copy_only=False).copy()
    for place in np.flatnonzero(~exact & ~absent).tolist():
        try:
            amount = read_amount(rows[place], currencies[place], field)
        except (Unmappable, ValueError):
            odd[place], amount = True, None
        absent[place] = amount is None
        units[place] = 0 if amount is None else int(amount.scaleb(4))
    return Vector.of_array(_decimals(units, absent))


def _texts(rows: Sequence[Any]) -> pa.Array:
    ends = np.zeros(len(rows) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, rows), np.int32, len(rows)), out=ends[1:])
    return pa.StringArray.from_buffers(len(rows), pa.py_buffer(ends), pa.py_buffer(b"".join(rows)))


def _digits(currency: Any, length: int) -> tuple[npt.NDArray[np.int64], Sequence[str | None]]:
    """Of each record: the digits of its currency, and the currency."""
    if not isinstance(currency, Vector):
        return np.full(length, minor_digits(currency)), [currency] * length
    return np.fromiter(map(minor_digits, currency.rows()), np.int64, length), currency.rows()


def _decimals(units: npt.NDArray[np.int64], absent: Mask) -> pa.Array:
    """``units`` of 0.0001 as the columns' decimals: 128 bits, of which the upper 64 repeat the sign."""
    words = np.stack([units, units >> 63], axis=1)
    validity = pa.array(~absent).buffers()[1]
    return pa.Array.from_buffers(_MONEY, len(units), [validity, pa.py_buffer(words)])


def are_well_formed(odd: Mask, email: Vector) -> Vector:
    """``rules.is_well_formed``: the plain ones are told here, and the others one by one."""
    texts = email.array(pa.string())
    plain = pc.and_(pc.match_substring_regex(texts, _PLAIN_EMAIL), pc.less_equal(pc.utf8_length(texts), 64))
    plain = pc.and_not(plain, pc.match_substring_regex(texts, _RESERVED))
    good = pc.fill_null(plain, True).to_numpy(zero_copy_only=False).copy()
    for place in np.flatnonzero(~good).tolist():
        good[place] = is_well_formed(texts[place].as_py())
    return Vector.of_array(pa.array(good))


# As ``contacts`` has it, for a matcher without look-ahead.
_PLAIN_EMAIL = r"^[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,24}$"
_RESERVED = r"\.(?:test|invalid|local|localhost|onion|arpa|alt)$"


def are_normalised(odd: Mask, phone: Vector) -> Vector:
    """``rules.is_normalised``."""
    return Vector.of_array(pc.fill_null(pc.match_substring_regex(phone.array(pa.string()), _E164_OR_NONE), True))


_E164_OR_NONE = r"^(?:\+[0-9]{1,15})?$"


def are_not_negative(odd: Mask, amount: Vector) -> Vector:
    """``rules.is_not_negative``."""
    return Vector.of_array(pc.fill_null(pc.greater_equal(amount.array(_MONEY), _ZERO), True))


def are_part_of(odd: Mask, tax: Any, total: Any) -> Vector | None:
    """``rules.is_part_of``."""
    if not (isinstance(tax, Vector) and isinstance(total, Vector)):
        return None
    return Vector.of_array(pc.fill_null(pc.less_equal(tax.array(_MONEY), total.array(_MONEY)), True))


def are_there_for(odd: Mask, currency: Any, amount: Any) -> bool | None:
    """``rules.is_there_for``: one currency does for all."""
    return True if isinstance(currency, str) else None


def utc_of(odd: Mask, instant: Vector) -> Vector | None:
    """``calendar.utc``: Arrow's instants are in UTC anyway."""
    array = instants(instant.rows())
    return None if array is None else Vector.of_array(array, instant.rows())


def texts_of(odd: Mask, text: Vector) -> Vector | None:
    """``mapping.none_if_empty`` of texts that are not."""
    return None if text.distinct() or "" in text.rows() else text


def nights_of(odd: Mask, check_in: Any, check_out: Any) -> Vector | None:
    """``calendar.nights``."""
    arrival, departure = _days(check_in), _days(check_out)
    return None if arrival is None or departure is None else Vector.of_array(pa.array(departure - arrival))


def lead_times(odd: Mask, check_in: Any, booked_at: Any, time_zone: tzinfo) -> Vector | None:
    """``calendar.lead_time``: a day on which the hotel's clocks do not change has one offset from UTC."""
    arrival, booked = _days(check_in), _microseconds(booked_at)
    if arrival is None or booked is None:
        return None
    days, which = np.unique(booked // _DAY, return_inverse=True)
    offsets = np.array([_offset(int(day), time_zone) for day in days], np.int64)[which]
    local = (booked + offsets) // _DAY
    for place in np.flatnonzero(offsets == _CHANGES).tolist():
        try:
            local[place] = (booked_at.rows()[place].astimezone(time_zone).date() - _EPOCH).days
        except OverflowError:
            odd[place] = True
    return Vector.of_array(pa.array((arrival - local).astype(np.int32)))


_EPOCH = date(1970, 1, 1)
_CHANGES = 2**61
"""No offset, for a day on which there are two."""


@lru_cache(maxsize=65_536)
def _offset(day: int, time_zone: tzinfo) -> int:
    """Microseconds that the zone is ahead of UTC all through the UTC day (from 1970-01-01), or ``_CHANGES``."""
    try:
        start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
        offsets = {
            (start + timedelta(hours=hour)).astimezone(time_zone).utcoffset() or timedelta(0) for hour in range(25)
        }
    except OverflowError:
        return _CHANGES
    return offsets.pop() // timedelta(microseconds=1) if len(offsets) == 1 else _CHANGES


def _days(values: Any) -> npt.NDArray[np.int32] | np.int32 | None:
    """Days since 1970-01-01; None where a date is missing."""
    if not isinstance(values, Vector):
        return None if values is None else np.int32((values - _EPOCH).days)
    array = values.array(pa.date32())
    return None if array.null_count else array.view(pa.int32()).to_numpy()


def _microseconds(values: Any) -> npt.NDArray[np.int64] | None:
    """Since 1970-01-01 UTC; None where an instant is missing."""
    if not isinstance(values, Vector):
        return None
    array = values.array(INSTANT)
    return None if array.null_count else array.view(pa.int64()).to_numpy()


KERNELS: dict[Callable[..., Any], Callable[..., Vector | bool | None]] = {
    read_amount: amounts,
    is_well_formed: are_well_formed,
    is_normalised: are_normalised,
    is_not_negative: are_not_negative,
    is_part_of: are_part_of,
    is_there_for: are_there_for,
    record_id: record_ids,
    none_if_empty: texts_of,
    utc: utc_of,
    nights: nights_of,
    lead_time: lead_times,
}
"""A function → the same on whole columns, given first which records are odd; None where this chunk's values do not
allow it."""
