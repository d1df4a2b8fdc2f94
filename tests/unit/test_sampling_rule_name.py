"""X-Ray takes no name of more than 32 characters, and an account has one rule of a name in a region."""

from __future__ import annotations

import pytest

from shared.names import Names

LONG = "prod-ap-southeast-2"


@pytest.mark.parametrize("stage", ["dev-eu-west-1", "prod-eu-south-2", LONG])
def test_a_short_name_is_the_stages_own(stage: str) -> None:
    assert Names(stage).sampling_rule == f"pousada-{stage}"


def test_a_long_name_is_cut_and_still_no_other_stages() -> None:
    prefix = "hotelsofthenorth"
    names = [Names(f"{it}-ap-southeast-2", prefix).sampling_rule for it in ("prod", "prof", "staging")]

    assert [len(name) for name in names] == [32] * 3
    assert len(set(names)) == 3
    assert all(name.startswith("hotelsofthenorth-pro") for name in names[:2])
