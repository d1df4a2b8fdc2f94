"""What the mapping may know of a property is read once in a while, and never made up."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from shared.errors import NotFound, StoreUnavailable
from shared.storage.property_contexts import KEPT_SECONDS, PropertyContexts
from tests.fakes.lakes import FakeIntegrations
from tests.fakes.webhook import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_property_has_its_own_calendar(clock) -> None:
    contexts = PropertyContexts(FakeIntegrations({"PT": "Europe/Lisbon", "ES": "Europe/Madrid"}), clock)
    assert contexts("hostpms", "PT").time_zone == ZoneInfo("Europe/Lisbon")
    assert (contexts("hostpms", "ES").property_id, contexts("hostpms", "ES").time_zone) == (
        "ES",
        ZoneInfo("Europe/Madrid"),
    )


def test_two_mappings_do_not_count_their_warnings_together(clock) -> None:
    contexts = PropertyContexts(FakeIntegrations({"PT": "Europe/Lisbon"}), clock)
    contexts("hostpms", "PT").warned.unknown_word("booking", "status")
    assert not contexts("hostpms", "PT").warned


def test_it_is_read_again_after_a_while(clock) -> None:
    integrations = FakeIntegrations({"PT": "Europe/Lisbon"})
    contexts = PropertyContexts(integrations, clock)
    contexts("hostpms", "PT")
    integrations.zones["PT"] = "Atlantic/Azores"
    clock.advance(KEPT_SECONDS - 1)
    assert contexts.time_zone("hostpms", "PT") == "Europe/Lisbon"
    assert integrations.reads == 1
    clock.advance(2)
    assert contexts.time_zone("hostpms", "PT") == "Atlantic/Azores"


def test_who_is_onboarded_later_is_known_at_once(clock) -> None:
    integrations = FakeIntegrations({})
    contexts = PropertyContexts(integrations, clock)
    with pytest.raises(NotFound):
        contexts("hostpms", "PT")
    integrations.zones["PT"] = "Europe/Lisbon"
    assert contexts("hostpms", "PT").time_zone == ZoneInfo("Europe/Lisbon")


def test_a_table_that_does_not_answer_is_not_a_property_that_is_unknown(clock) -> None:
    contexts = PropertyContexts(FakeIntegrations({"PT": StoreUnavailable("throttled")}), clock)
    with pytest.raises(StoreUnavailable):
        contexts("hostpms", "PT")
