"""Amounts are exact, and have their currency's own number of digits."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from shared.errors import Unmappable
from shared.model.money import amount_in, is_currency, minor_digits, read_amount

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
    assert str(amount_in(Decimal(sent), currency)) == kept


@pytest.mark.parametrize(
    "sent", ["NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "1e14", "-1e14", "99999999999999.999", "1e9999999"]
)
def test_what_is_no_amount_is_refused(sent) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        amount_in(Decimal(sent), "EUR")


@given(CODES, st.decimals(allow_nan=True, allow_infinity=True))
def test_any_decimal_is_kept_within_half_a_unit_or_refused(currency, amount) -> None:
    try:
        kept = amount_in(amount, currency)
    except ValueError:
        assert not amount.is_finite() or abs(amount) >= LARGEST - 1
        return
    unit = Decimal(1).scaleb(-minor_digits(currency))
    assert kept.as_tuple().exponent == -minor_digits(currency)
    assert abs(kept - amount) * 2 <= unit
    assert abs(kept) < LARGEST


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("450.0", "450.00"),
        ("450", "450.00"),
        ("4.5e2", "450.00"),
        ("-0.5", "-0.50"),
        ('"450.00"', "450.00"),
        ('"450,00"', "450.00"),
        ('"1.234,50"', "1234.50"),
        ('"1,234.50"', "1234.50"),
        ('"1 234,50"', "1234.50"),
        ('"1\u00a0234,50"', "1234.50"),
        ('"1\\u00a0234,50"', "1234.50"),
        ('" 450,00 "', "450.00"),
        ('"-12,5"', "-12.50"),
        ('"1.234.567,89"', "1234567.89"),
        ('"0,1"', "0.10"),
        ("12345678901234.123456789012345678", "12345678901234.12"),
    ],
)
def test_an_amount_is_read_as_a_number_or_a_text_with_separators(written, amount) -> None:
    assert str(read_amount(msgspec.Raw(written.encode()), "EUR", "total")) == amount


@pytest.mark.parametrize("written", ["null", '""', '"  "', '"\\t"'])
def test_null_and_an_empty_text_are_no_amount(written) -> None:
    assert read_amount(msgspec.Raw(written.encode()), "EUR", "total") is None


@pytest.mark.parametrize(
    "written", ['"quatrocentos"', '"450,00 €"', '"1.2.3"', '"--1"', "true", "[]", "{}", "[1]", "1e99999999999999999999"]
)
def test_what_is_no_number_is_malformed_and_told_by_its_field(written) -> None:
    with pytest.raises(Unmappable) as caught:
        read_amount(msgspec.Raw(written.encode()), "EUR", "pricing.total")
    assert caught.value.facts == {"reason": "malformed_field", "field": "pricing.total"}
    assert "450" not in str(caught.value)


@given(st.binary(max_size=20).map(lambda text: b'"%b"' % text) | st.floats(allow_nan=False).map(lambda x: b"%r" % x))
def test_whatever_is_written_is_an_amount_or_refused(written) -> None:
    try:
        amount = read_amount(msgspec.Raw(written), "EUR", "total")
    except (Unmappable, ValueError):
        return
    assert amount is None or abs(amount) < LARGEST


@given(st.integers(-(10**16) + 1, 10**16 - 1))
def test_cents_are_never_changed(cents) -> None:
    amount = Decimal(cents).scaleb(-2)
    assert str(amount_in(amount, "EUR")) == str(amount)


@given(CODES, st.decimals(-(10**13), 10**13, places=4))
def test_putting_an_amount_in_its_digits_twice_changes_it_once(currency, amount) -> None:
    once = amount_in(amount, currency)
    assert str(amount_in(once, currency)) == str(once)


def test_every_iso_4217_code_is_a_currency_in_upper_case_alone() -> None:
    assert all(is_currency(currency.code) for currency in Currency)
    assert not any(map(is_currency, ("eur", "", "EURO", "€", "ABC", None)))
