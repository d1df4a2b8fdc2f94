"""Phones, e-mail addresses, countries and tax ids: normalised by well-kept libraries, with a fast road
for the plain case (a library's full parse costs 20 to 60 µs, a whole reservation's mapping 8)."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from operator import mul
from typing import Any

import phonenumbers
import pycountry
from email_validator import EmailNotValidError, validate_email
from stdnum.pt import nif

# A subset of what email_validator accepts, so that the fast road never says yes where it says no.
_PLAIN_EMAIL = re.compile(
    r"[A-Za-z0-9]++(?:[._+-][A-Za-z0-9]++)*+@(?:[a-z0-9]++(?:-[a-z0-9]++)*+\.)+"
    r"(?!(?:test|invalid|local|localhost|onion|arpa|alt)$)[a-z]{2,24}+",
    re.ASCII,
)
_E164 = re.compile(r"\+[0-9]{1,15}")
# Where most guests of the first market come from: their numbers' lengths are read from phonenumbers' own metadata.
_PLAIN_REGIONS = (
    *("PT", "ES", "BR", "FR", "GB", "DE", "IT", "IE", "NL"),
    *("BE", "CH", "AT", "SE", "NO", "DK", "PL", "AO", "US"),
)
_DIALLING_00 = frozenset(_PLAIN_REGIONS) - {"US", "BR"}
"""Where 00 is what one dials before a country's code."""
_NIF_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, 1)
_NIF_ZERO = 48 * sum(_NIF_WEIGHTS)  # an ASCII digit is 48 more than what it says
_ALPHA_2 = frozenset(country.alpha_2 for country in pycountry.countries)


def is_email(address: str) -> bool:
    """Whether ``address`` is well formed; nobody is asked whether it exists."""
    if len(address) <= 64 and _PLAIN_EMAIL.fullmatch(address):
        return True
    return _is_rare_email(address)


@lru_cache(maxsize=4096)
def _is_rare_email(address: str) -> bool:
    try:
        validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


def e164(phone: str, country: str | None) -> str | None:
    """``phone`` as E.164, read as a number of ``country`` (ISO alpha-2) where it has no prefix.

    None where it is no possible number, or a longer one than E.164 knows.
    """
    international = f"+{phone[2:]}" if phone[:2] == "00" and country in _DIALLING_00 else phone
    return international if _plain_phone().fullmatch(international) else _rare_e164(phone, country)


def is_e164(phone: str) -> bool:
    """Whether ``phone`` has E.164's form, as what ``e164`` gives back has: a plus, and at most 15 digits."""
    return _E164.fullmatch(phone) is not None


@cache
def _plain_phone() -> re.Pattern[str]:
    """International numbers of ``_PLAIN_REGIONS`` that phonenumbers would give back as they are: of a possible
    length, and not begun with what parsing takes off the national number's front. From its own metadata."""
    plans = {}
    for region in _PLAIN_REGIONS:
        metadata: Any = phonenumbers.PhoneMetadata.metadata_for_region(region)
        lengths = "|".join(rf"\d{{{length}}}" for length in sorted(metadata.general_desc.possible_length))
        trunks = "|".join(_trunks(metadata.national_prefix_for_parsing))
        plans[metadata.country_code] = rf"{metadata.country_code}(?!{trunks})(?:{lengths})"
    return re.compile(rf"\+(?:{'|'.join(plans.values())})", re.ASCII)


def _trunks(pattern: str | None) -> tuple[str, ...]:
    """The beginnings of what ``pattern`` can take off: ``0``, ``0|180020``, or Brazil's ``(?:0|90)(?:…carrier…)?``."""
    alternatives = re.match(r"(?:\(\?:)?([0-9|]+)", pattern or "")
    return tuple(alternatives[1].split("|")) if alternatives else ("0",)


@lru_cache(maxsize=4096)
def _rare_e164(phone: str, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    normalised = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return normalised if is_e164(normalised) else None  # Germany has numbers that are longer


def alpha_2(country: str) -> str | None:
    """ISO 3166-1 alpha-2 of a country's code or English name; None where there is none such."""
    return country if country in _ALPHA_2 else _rare_alpha_2(country)


@lru_cache(maxsize=1024)
def _rare_alpha_2(country: str) -> str | None:
    try:
        return str(pycountry.countries.lookup(country.strip()).alpha_2)
    except LookupError:
        return None


def is_nif(tax_id: str) -> bool:
    """Whether ``tax_id`` is a Portuguese NIF: nine digits, the last a check digit (modulo 11).

    Nine plain digits are summed here; any other spelling is python-stdnum's to judge.
    """
    if len(tax_id) != 9 or not (tax_id.isascii() and tax_id.isdigit()) or tax_id[0] == "0":
        return bool(nif.is_valid(tax_id))
    digits = tax_id.encode()
    remainder = (sum(map(mul, digits, _NIF_WEIGHTS)) - _NIF_ZERO) % 11
    # The check digit that would be 10 is written 0, and leaves 1 of the last weighted sum.
    return remainder == 0 or (remainder == 1 and digits[8] == 48)
