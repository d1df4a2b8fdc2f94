"""Exact amounts in a currency's own number of digits (ISO 4217, from the ``iso4217`` package)."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from iso4217 import Currency

# XXX, XTS and the metals have no minor unit; two digits keep what is sent.
_DEFAULT_DIGITS = 2
_DIGITS: dict[str | None, int] = {
    currency.code: _DEFAULT_DIGITS if currency.exponent is None else currency.exponent for currency in Currency
}
_QUANTA: dict[str | None, Decimal] = {code: Decimal(1).scaleb(-digits) for code, digits in _DIGITS.items()}
_DEFAULT_QUANTUM = Decimal(1).scaleb(-_DEFAULT_DIGITS)
_LARGEST = Decimal(10) ** 14


def is_currency(code: str | None) -> bool:
    """Whether ``code`` (upper case) is an ISO 4217 alphabetic code."""
    return code in _DIGITS


def minor_digits(currency: str | None) -> int:
    """Digits after the point: EUR 2, JPY 0, KWD 3; 2 where the currency is unknown."""
    return _DIGITS.get(currency, _DEFAULT_DIGITS)


def in_digits_of(currency: str | None, amount: Decimal | None) -> Decimal | None:
    """``amount`` with the currency's number of digits: 450 EUR → 450.00, 450 JPY → 450.

    A vendor that computes in floats sends 103.49999999; it means 103.50 (half to even). Raises
    ValueError for what is no amount: NaN, infinities, 10**14 and more.
    """
    if amount is None:
        return None
    quantum = _QUANTA.get(currency, _DEFAULT_QUANTUM)
    if amount.same_quantum(quantum) and -_LARGEST < amount < _LARGEST:
        return amount
    # Compared, not computed with: abs() of 1e9999999 overflows. And again below: 99999999999999.999 rounds up.
    if amount.is_finite() and -_LARGEST < amount < _LARGEST:
        with localcontext(prec=28):
            rounded = amount.quantize(quantum, rounding=ROUND_HALF_EVEN)
        if -_LARGEST < rounded < _LARGEST:
            return rounded
    raise ValueError("not an amount of money")
