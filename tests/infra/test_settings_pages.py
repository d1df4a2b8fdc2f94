"""The pages that list settings, held to the settings."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel

from infra.governance_config import Governance, Recovery
from infra.webhook_config import Webhooks
from tests.infra.templates import REPOSITORY

pytestmark = pytest.mark.infra


def table(page: str, heading: str) -> list[list[str]]:
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, heading
    lines = re.search(r"^\|.*\n\|[ -|]*\n((?:\|.*\n)+)", rest, re.MULTILINE)
    assert lines
    return [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in lines[1].splitlines()]


@pytest.mark.parametrize(
    ("page", "section"), [("edge.md", Webhooks), ("governance.md", Governance), ("recovery.md", Recovery)]
)
def test_a_page_has_every_setting_with_its_default(page: str, section: type[BaseModel]):
    shown = {row[0].strip("`"): row[1] for row in table(page, "## Settings")}
    assert list(shown) == list(section.model_fields)
    for name, field in section.model_fields.items():
        if isinstance(field.default, bool | int | str):
            assert shown[name] == str(field.default).lower(), name
