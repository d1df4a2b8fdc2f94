"""Exact amounts in a currency's own number of digits (ISO 4217, from the ``iso4217`` package)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import lru_cache

from iso4217 import Currency

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


@lru_cache(maxsize=512)
def amounts_in(currency: str | None) -> Callable[[Decimal | None], Decimal | None]:
    """Gives an amount the currency's number of digits: 450 EUR → 450.00, 450 JPY → 450.

    A vendor that computes in floats sends 103.49999999; it means 103.50 (half to even). The function raises
    ValueError for what is no amount: NaN, infinities, 10**14 and more.
    """
    quantum = _QUANTA.get(currency, _DEFAULT_QUANTUM)

    def in_digits(amount: Decimal | None) -> Decimal | None:
        # NaN and infinities have no quantum but their own.
        if amount is None or (amount.same_quantum(quantum) and amount.adjusted() < _LARGEST_DIGITS):
            return amount
        if not amount.is_finite() or amount.adjusted() > _LARGEST_DIGITS:
            raise ValueError("not an amount of money")
        with localcontext(prec=28):
            rounded = amount.quantize(quantum, rounding=ROUND_HALF_EVEN)
        if rounded.adjusted() >= _LARGEST_DIGITS:
            raise ValueError("not an amount of money that the columns hold")
        return rounded

    return in_digits
