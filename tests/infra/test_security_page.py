"""docs/security.md, held to what is synthesised."""

from __future__ import annotations

import re

import pytest

from scripts.scanning.scanners import MEANINGLESS, SCANNERS
from tests.infra.policies import read
from tests.infra.security_page import PAGE, rewritten
from tests.infra.templates import REPOSITORY, Synthesised

pytestmark = pytest.mark.infra

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_tables_are_as_the_stage_has_them(prod: Synthesised):
    assert rewritten(TEXT, prod) == TEXT, "write them anew: python -m tests.infra.security_page"


def test_a_table_that_is_not_as_it_should_be_would_be_found(prod: Synthesised):
    wrong = TEXT.replace("on `raw/hostpms/*/webhooks/*`", "on `raw/*`")
    assert wrong != TEXT
    assert rewritten(wrong, prod) == TEXT


def test_a_page_without_room_for_a_table_is_refused(prod: Synthesised):
    with pytest.raises(ValueError, match="has no <!-- keys -->"):
        rewritten(TEXT.replace("<!-- end of keys -->", ""), prod)


def test_every_role_has_its_row(prod: Synthesised):
    for holder in read(prod).holders():
        assert f"\n| {holder} | " in TEXT


def test_every_scanner_is_told_and_what_is_left_out_with_its_reason():
    _, _, section = TEXT.partition("| scanner | looks at | left out |")
    assert re.findall(r"^\| `([\w-]+)` \|", section.partition("\n\n")[0], re.MULTILINE) == list(SCANNERS)
    for check, reason in MEANINGLESS.items():
        assert f"`{check}` of all templates: {reason}" in section


def test_what_is_said_to_hold_a_threat_off_is_there():
    _, _, threats = TEXT.partition("## What it is to withstand")
    named = re.findall(r"tests/[\w/]+\.py", threats.partition("\n## ")[0])
    assert len(set(named)) > 5
    assert all((REPOSITORY / name).is_file() for name in named)
