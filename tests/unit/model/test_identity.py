"""Identity: the same id wherever it is computed, and never the same for two records."""

from __future__ import annotations

from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.identity import NAMESPACE, person_id, quarantine_id, record_id

SEGMENTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
EXTERNAL_IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
ENTITIES = st.sampled_from(["booking", "guest", "room", "payment"])
NAMES = st.tuples(SEGMENTS, SEGMENTS, ENTITIES, EXTERNAL_IDS)


def test_the_namespace_stays_what_it_is() -> None:
    assert UUID("5c1d6a0e-6f0b-5c86-9f0e-3a1d1c6c2b7e") == NAMESPACE
    known = record_id("hostpms", "PT-LIS-001", "booking", "RSV-12345")
    assert known == "ac812afa-6720-5a3f-ba11-be054fd8c3e9"


@given(NAMES)
def test_a_record_s_id_is_the_uuid5_of_its_name(name) -> None:
    assert record_id(*name) == str(uuid5(NAMESPACE, ":".join(name)))


@given(NAMES, NAMES)
def test_two_names_are_two_ids(one, other) -> None:
    assert (record_id(*one) == record_id(*other)) == (one == other)


def test_a_refused_record_is_known_by_its_object_and_line() -> None:
    ids = {quarantine_id(key, line) for key in ("a", "a:1", "b") for line in range(3)}
    assert len(ids) == 9
    assert quarantine_id("a", 1) == quarantine_id("a", 1)


# -- Guests whom the vendor gave no id -------------------------------------------------------------

JOAO = ("123456789", "joao@example.pt", "João Silva", "+351912345678")


def test_the_tax_id_comes_before_the_e_mail_and_that_before_name_and_phone() -> None:
    by_tax_id, by_email, by_name = person_id(*JOAO), person_id(None, *JOAO[1:]), person_id(None, None, *JOAO[2:])
    assert len({by_tax_id, by_email, by_name}) == 3
    assert by_tax_id == person_id(JOAO[0], "another@example.pt", "Another", None)
    assert by_email == person_id(None, JOAO[1], "Another", None)


def test_a_derived_id_says_so_and_tells_nothing_of_the_person() -> None:
    derived = person_id(*JOAO)
    assert derived is not None
    assert derived.startswith("derived:")
    assert not any(part in derived for part in JOAO)


@pytest.mark.parametrize(
    "other",
    [
        (" 123456789 ", "", None, ""),
        ("123456789", None, None, None),
    ],
)
def test_blanks_around_a_tax_id_do_not_make_another_person(other) -> None:
    assert person_id(*other) == person_id(*JOAO)


def test_case_and_spacing_do_not_make_another_person() -> None:
    assert person_id(None, "Joao@Example.PT ", None, None) == person_id(None, "joao@example.pt", None, None)
    assert person_id(None, None, " joão  SILVA", JOAO[3]) == person_id(None, None, "João Silva", JOAO[3])


@pytest.mark.parametrize(
    "nobody",
    [
        (None, None, None, None),
        ("", "", "", ""),
        ("  ", "\t", "João Silva", None),
        (None, None, None, "+351912345678"),
        (None, None, "João Silva", " "),
    ],
)
def test_what_identifies_nobody_has_no_id(nobody) -> None:
    assert person_id(*nobody) is None


def test_one_value_as_tax_id_and_as_e_mail_is_two_persons() -> None:
    assert person_id("x@example.pt", None, None, None) != person_id(None, "x@example.pt", None, None)
