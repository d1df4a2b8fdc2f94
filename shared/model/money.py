"""Exact amounts in a currency's own number of digits (ISO 4217, from the ``iso4217`` package)."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from iso4217 import Currency

# XXX, XTS and the metals have no minor unit; two digits keep what is sent.
_QUANTA: dict[str, Decimal] = {
    currency.code: Decimal(1).scaleb(-(2 if currency.exponent is None else currency.exponent)) for currency in Currency
}
_DEFAULT_QUANTUM = Decimal("0.01")
_LARGEST = Decimal(10) ** 14


def is_currency(code: str | None) -> bool:
    """Whether ``code`` (upper case) is an ISO 4217 alphabetic code."""
    return code in _QUANTA


def in_digits_of(currency: str | None, amount: Decimal | None) -> Decimal | None:
    """``amount`` with the currency's number of digits: 450 EUR → 450.00, 450 JPY → 450.

    A vendor that computes in floats sends 103.49999999; it means 103.50 (half to even). Raises
    ValueError for what is no amount: NaN, infinities, 10**14 and more.
    """
    if amount is None:
        return None
    quantum = _QUANTA.get(currency, _DEFAULT_QUANTUM) if currency else _DEFAULT_QUANTUM
    if amount.same_quantum(quantum) and -_LARGEST < amount < _LARGEST:
        return amount
    if not amount.is_finite() or abs(amount) >= _LARGEST:
        raise ValueError("not an amount of money")
    with localcontext(prec=28):
        return amount.quantize(quantum, rounding=ROUND_HALF_EVEN)
