"""``python -m scripts.cost``: writes the tables of docs/cost.md, from the stage prod-eu-west-1 as it is synthesised."""

from __future__ import annotations

from scripts.cost.page import page
from scripts.cost.templates import synthesised
from scripts.local.environment import ROOT

PAGE = ROOT / "docs" / "cost.md"
STAGE = "prod-eu-west-1"


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), synthesised(STAGE)), encoding="utf-8")


if __name__ == "__main__":
    main()
