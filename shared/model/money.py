"""Exact amounts in a currency's own number of digits (ISO 4217, from the ``iso4217`` package)."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import msgspec
from iso4217 import Currency

from shared.errors import Unmappable

# XXX, XTS and the metals have no minor unit; two digits keep what is sent.
_DEFAULT_DIGITS = 2
_DIGITS: dict[str | None, int] = {
    currency.code: _DEFAULT_DIGITS if currency.exponent is None else currency.exponent for currency in Currency
}
_QUANTA: dict[str | None, Decimal] = {code: Decimal(1).scaleb(-digits) for code, digits in _DIGITS.items()}
_DEFAULT_QUANTUM = Decimal(1).scaleb(-_DEFAULT_DIGITS)
_LARGEST_DIGITS = 14  # before the point: as many as decimal(18,4) holds


def is_currency(code: str | None) -> bool:
    """Whether ``code`` (upper case) is an ISO 4217 alphabetic code."""
    return code in _DIGITS


def minor_digits(currency: str | None) -> int:
    """Digits after the point: EUR 2, JPY 0, KWD 3; 2 where the currency is unknown."""
    return _DIGITS.get(currency, _DEFAULT_DIGITS)


def read_amount(written: msgspec.Raw, currency: str | None, field: str) -> Decimal | None:
    """The amount that a vendor's JSON holds at ``field``, in its currency's digits; None for null and an empty text.

    It may be a number, or a text with separators, of which the last is the decimal one: "450,00", "1.234,50",
    "1,234.50". Raises Unmappable (``malformed_field``) for anything else, and ValueError as ``amount_in`` does.
    """
    text = bytes(written).decode(errors="replace")
    if text == "null":
        return None
    try:
        if text.startswith('"') and not (text := _without_thousands(msgspec.json.decode(text))):
            return None
        amount = Decimal(text)
    except (ArithmeticError, msgspec.DecodeError):
        raise Unmappable(f"{field} is malformed", reason="malformed_field", field=field) from None
    return amount_in(amount, currency)


def _without_thousands(text: str) -> str:
    text = text.strip().replace(" ", "").replace("\u00a0", "")
    thousands, point = (".", ",") if text.rfind(",") > text.rfind(".") else (",", ".")
    return text.replace(thousands, "").replace(point, ".")


def amount_in(amount: Decimal, currency: str | None) -> Decimal:
    """``amount`` with the currency's number of digits: 450 EUR → 450.00, 450 JPY → 450.

    A vendor that computes in floats sends 103.49999999; it means 103.50 (half to even). Raises ValueError for
    what is no amount: NaN, infinities, 10**14 and more.
    """
    quantum = _QUANTA.get(currency, _DEFAULT_QUANTUM)
    # NaN and infinities have no quantum but their own.
    if amount.same_quantum(quantum) and amount.adjusted() < _LARGEST_DIGITS:
        return amount
    if not amount.is_finite() or amount.adjusted() > _LARGEST_DIGITS:
        raise ValueError("not an amount of money")
    with localcontext(prec=28):
        rounded = amount.quantize(quantum, rounding=ROUND_HALF_EVEN)
    if rounded.adjusted() >= _LARGEST_DIGITS:
        raise ValueError("not an amount of money that the columns hold")
    return rounded
