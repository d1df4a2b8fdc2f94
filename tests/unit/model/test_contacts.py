"""The fast roads say what the libraries say."""

from __future__ import annotations

import phonenumbers
import pycountry
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum.pt import nif

from shared.model import contacts

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)

# -- E-mail ----------------------------------------------------------------------------------------

PLAIN = st.from_regex(r"[A-Za-z0-9._+-]{1,20}@[a-z0-9.-]{1,20}\.[a-z]{2,8}", fullmatch=True)


def library_says_email(address: str) -> bool:
    try:
        validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


@given(PLAIN)
@example("a@xn--a.pt")
@example("a@b.invalid")
@example("a@b.local")
@example("a@b.home.arpa")
@example("a@b.example")
@example("a..b@example.pt")
@example("a" * 64 + "@example.pt")
def test_a_plain_address_is_judged_as_the_library_judges_it(address) -> None:
    assert contacts.is_email(address) == library_says_email(address)


@given(TEXTS | TEXTS.map(lambda text: f"{text}@example.pt") | TEXTS.map(lambda text: f"a@{text}"))
@example("joao@example.pt\n")
@example("joão@example.pt")
@example("a@" + "é" * 70 + ".pt")
@example("a@[127.0.0.1]")
def test_any_text_is_judged_and_as_the_library_judges_it(text) -> None:
    assert contacts.is_email(text) == library_says_email(text)


# -- Phone -----------------------------------------------------------------------------------------

COUNTRY_CODES = st.sampled_from(["351", "34", "33", "44", "49", "353", "31", "32", "41", "46", "45", "48", "1", "55"])
INTERNATIONAL = st.builds("+{}{}".format, COUNTRY_CODES, st.from_regex(r"[0-9]{3,13}", fullmatch=True))
NATIONAL = st.from_regex(r"[0-9() -]{3,16}", fullmatch=True)
COUNTRIES = st.sampled_from([None, "PT", "ES", "FR", "GB", "US", "BR", "DE", "AQ"])


def library_says_e164(phone: str, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    normalised = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return normalised if len(normalised) <= 16 else None  # as E.164 itself has it


@given(INTERNATIONAL | NATIONAL | TEXTS, COUNTRIES)
@example("+351912345678", "ES")
@example("912 345 678", "PT")
@example("00351912345678", "PT")
@example("+15551234567", None)
@example("+112345678901", None)
@example("+4408001111", None)
@example("+351912345678;ext=5", None)
@example("0000", "GB")
@example("10000000000000", "DE")
def test_a_phone_is_normalised_as_the_library_does(phone, country) -> None:
    assert contacts.e164(phone, country) == library_says_e164(phone, country)


@given(INTERNATIONAL | NATIONAL, COUNTRIES)
def test_what_was_normalised_has_e_164_s_form(phone, country) -> None:
    normalised = contacts.e164(phone, country)
    assert normalised is None or contacts.is_e164(normalised)


@pytest.mark.parametrize("phone", ["912345678", "+", "+351 912 345 678", "+3519123x", "+" + "1" * 16, "+٣٥١٩١٢٣٤٥٦٧٨"])
def test_other_spellings_do_not_have_the_form(phone) -> None:
    assert not contacts.is_e164(phone)


# -- Country ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("PT", "PT"),
        ("pt", "PT"),
        (" es ", "ES"),
        ("PRT", "PT"),
        ("Portugal", "PT"),
        ("620", "PT"),
        ("ZZ", None),
        (" ", None),
    ],
)
def test_a_country_is_known_by_code_or_name(sent, code) -> None:
    assert contacts.alpha_2(sent) == code


@given(TEXTS)
def test_any_text_is_an_iso_country_or_none(text) -> None:
    assert contacts.alpha_2(text) in {None, *(country.alpha_2 for country in pycountry.countries)}


# -- NIF -------------------------------------------------------------------------------------------

NINE = st.from_regex(r"[0-9]{9}", fullmatch=True)
VALID = st.from_regex(r"[1-9][0-9]{7}", fullmatch=True).map(lambda digits: digits + nif.calc_check_digit(digits))


@given(NINE | VALID | VALID.map(lambda number: f"PT {number}") | TEXTS)
@example("123456789")
@example("000000000")
@example("١٢٣٤٥٦٧٨٩")
@example("999999990")
def test_a_nif_is_judged_as_the_library_judges_it(tax_id) -> None:
    assert contacts.is_nif(tax_id) == nif.is_valid(tax_id)
