"""The cost model on the synthesised stages: it knows all of them, and docs/cost.md says what it says."""

from __future__ import annotations

import pytest

from scripts.cost.estimate import estimate, traffic_of
from scripts.cost.page import page
from scripts.cost.templates import Resources
from tests.infra.templates import REPOSITORY, Synthesised

pytestmark = pytest.mark.infra


def resources(stage: Synthesised) -> Resources:
    return Resources.of_templates(stage.templates.values())


def test_everything_that_a_stage_has_is_priced_or_free_for_a_reason(aws_stage: Synthesised) -> None:
    found = resources(aws_stage)

    assert estimate(found, traffic_of(found, 100, 12)).usd > 0


def test_the_schedules_are_read_from_the_templates(prod: Synthesised) -> None:
    traffic = traffic_of(resources(prod), 100, 12)

    assert traffic.polls_an_hour == 1
    assert traffic.audited_days == prod.config.audit.days


def test_the_page_says_what_the_model_says(prod: Synthesised) -> None:
    text = (REPOSITORY / "docs" / "cost.md").read_text(encoding="utf-8")

    assert text == page(text, resources(prod)), "write it anew: python -m scripts.cost"


@pytest.mark.parametrize(("hotels", "most"), [(100, 1.50), (1_000, 0.50)])
def test_a_hotel_costs_no_more_than_it_may(prod: Synthesised, hotels: int, most: float) -> None:
    found = resources(prod)

    if found.table("hotel-secrets") is None:
        pytest.skip("its hotels' secrets lie in Secrets Manager: each of them costs more than that by itself")
    assert estimate(found, traffic_of(found, hotels, 12)).per_hotel < most
