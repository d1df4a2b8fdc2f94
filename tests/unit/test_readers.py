"""Readers' names: what becomes a role and a secret, and that no two become one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Malformed
from shared.names import Names
from shared.storage.readers import role_of

pytestmark = pytest.mark.isolation

NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True)
DATABASES = st.text("ab._-", min_size=1, max_size=8)


@given(st.tuples(DATABASES, NAMES), st.tuples(DATABASES, NAMES))
def test_two_readers_are_never_one_role(one, other) -> None:
    """Roles are of the whole server: the reader of one database would see the hotels of the other's."""
    assert (role_of(*one) == role_of(*other)) == (one == other)


@pytest.mark.parametrize(
    "name", ["", "A", "lisboa.bi", "1st", "-x", "a/b", "../database", 'a"', "a;b", "a b", "é", "a\n", "a" * 32]
)
def test_what_could_be_more_than_a_name_is_none(name) -> None:
    with pytest.raises(Malformed):
        role_of("pousada", name)


def test_a_role_that_postgresql_would_cut_is_refused() -> None:
    assert len(role_of("d" * 31, "n" * 31)) == 63
    with pytest.raises(Malformed, match="63 bytes"):
        role_of("é" * 16, "n" * 31)


def test_a_readers_secret_lies_below_the_databases() -> None:
    names = Names("prod-eu-west-1")
    assert names.reader_secret("lisbon-bi") == f"{names.database_secret}/readers/lisbon-bi"
