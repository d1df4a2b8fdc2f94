"""Amounts are exact, and have their currency's own number of digits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from shared.model.money import amounts_in, is_currency, minor_digits

LARGEST = Decimal(10) ** 14
CODES = st.sampled_from([None, "EUR", "JPY", "KWD", "CLF", "XXX", "nonsense"])


@pytest.mark.parametrize(
    ("currency", "sent", "kept"),
    [
        ("EUR", "450", "450.00"),
        ("EUR", "450.00", "450.00"),
        ("EUR", "1E+2", "100.00"),
        ("EUR", "103.49999999", "103.50"),
        ("EUR", "0.005", "0.00"),
        ("EUR", "0.015", "0.02"),
        ("EUR", "-12.345", "-12.34"),
        ("EUR", "1e-9999999", "0.00"),
        ("JPY", "450.00", "450"),
        ("KWD", "1.5", "1.500"),
        ("CLF", "1.23456", "1.2346"),
        (None, "450", "450.00"),
    ],
)
def test_an_amount_gets_its_currency_s_digits(currency, sent, kept) -> None:
    assert str(amounts_in(currency)(Decimal(sent))) == kept


def test_no_amount_stays_none() -> None:
    assert amounts_in("EUR")(None) is None


@pytest.mark.parametrize(
    "sent", ["NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "1e14", "-1e14", "99999999999999.999", "1e9999999"]
)
def test_what_is_no_amount_is_refused(sent) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        amounts_in("EUR")(Decimal(sent))


@given(CODES, st.decimals(allow_nan=True, allow_infinity=True))
def test_any_decimal_is_kept_within_half_a_unit_or_refused(currency, amount) -> None:
    try:
        kept = amounts_in(currency)(amount)
    except ValueError:
        assert not amount.is_finite() or abs(amount) >= LARGEST - 1
        return
    unit = Decimal(1).scaleb(-minor_digits(currency))
    assert kept is not None
    assert kept.as_tuple().exponent == -minor_digits(currency)
    assert abs(kept - amount) * 2 <= unit
    assert abs(kept) < LARGEST


@given(st.integers(-(10**16) + 1, 10**16 - 1))
def test_cents_are_never_changed(cents) -> None:
    amount = Decimal(cents).scaleb(-2)
    assert str(amounts_in("EUR")(amount)) == str(amount)


@given(CODES, st.decimals(-(10**13), 10**13, places=4))
def test_putting_an_amount_in_its_digits_twice_changes_it_once(currency, amount) -> None:
    once = amounts_in(currency)(amount)
    assert str(amounts_in(currency)(once)) == str(once)


def test_every_iso_4217_code_is_a_currency_in_upper_case_alone() -> None:
    assert all(is_currency(currency.code) for currency in Currency)
    assert not any(map(is_currency, ("eur", "", "EURO", "€", "ABC", None)))
