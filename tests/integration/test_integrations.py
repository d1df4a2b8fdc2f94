"""The integrations table (moto)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared.errors import Misconfigured, NotFound
from shared.storage.integrations import Integration, Integrations
from shared.streams import Stream
from tests.fakes.polling import START
from tests.integration.polling_aws import INTEGRATIONS_TABLE, polling_aws, table

LISBON = Integration(
    property_id="PT-LIS-001",
    vendor="hostpms",
    time_zone="Europe/Lisbon",
    base_url="https://api.hostpms.example/v3",
    entities=("booking", "guest"),
    subscription_id="sub-9",
    onboarded_at=START,
)


@pytest.fixture
def integrations() -> Iterator[Integrations]:
    with polling_aws():
        yield Integrations(table(INTEGRATIONS_TABLE))


def another(number: int, **changes: Any) -> Integration:
    fields = {name: getattr(LISBON, name) for name in LISBON.__struct_fields__}
    return Integration(**{**fields, "property_id": f"PT-LIS-{number:04d}", **changes})


def test_an_integration_comes_back_as_it_was_put(integrations: Integrations) -> None:
    bare = another(2, subscription_id=None, onboarded_at=None, status="paused")
    integrations.put(LISBON)
    integrations.put(bare)

    assert integrations.get("PT-LIS-001", "hostpms") == LISBON
    assert integrations.get("PT-LIS-0002", "hostpms") == bare


@pytest.mark.parametrize(("property_id", "vendor"), [("PT-LIS-002", "hostpms"), ("PT-LIS-001", "mews")])
def test_an_integration_that_is_not_there_is_not_found(
    integrations: Integrations, property_id: str, vendor: str
) -> None:
    integrations.put(LISBON)

    with pytest.raises(NotFound, match="onboard"):
        integrations.get(property_id, vendor)


def test_only_the_active_ones_are_polled(integrations: Integrations) -> None:
    integrations.put(LISBON)
    integrations.put(another(2, status="paused"))

    assert list(integrations.active()) == [LISBON]
    assert len(list(integrations.all())) == 2


def test_pausing_and_resuming(integrations: Integrations) -> None:
    integrations.put(LISBON)

    integrations.set_status("PT-LIS-001", "hostpms", "paused")
    assert list(integrations.active()) == []
    assert integrations.get("PT-LIS-001", "hostpms").subscription_id == "sub-9"

    integrations.set_status("PT-LIS-001", "hostpms", "active")
    assert list(integrations.active()) == [LISBON]


def test_what_is_not_there_cannot_be_paused(integrations: Integrations) -> None:
    with pytest.raises(NotFound):
        integrations.set_status("PT-LIS-001", "hostpms", "paused")
    assert list(integrations.all()) == []


def test_thousands_of_hotels_are_read_whole(integrations: Integrations) -> None:
    # More than one megabyte, the most that one scan answers.
    long = "https://api.hostpms.example/" + "v" * 2000
    with table(INTEGRATIONS_TABLE).batch_writer() as batch:
        for number in range(1200):
            batch.put_item(Item={**ITEM, "property_id": f"PT-LIS-{number:04d}", "base_url": long})

    assert len({found.property_id for found in integrations.active()}) == 1200


def test_one_item_that_cannot_be_read_stops_no_other_hotel(integrations: Integrations) -> None:
    table(INTEGRATIONS_TABLE).put_item(Item={**ITEM, "property_id": "broken", "entities": "booking"})
    for number in range(5):
        integrations.put(another(number))
    found: list[Integration] = []

    with pytest.raises(Misconfigured, match="broken with hostpms"):
        found.extend(integrations.active())

    assert len(found) == 5


def test_a_stream_for_each_entity() -> None:
    assert LISBON.streams == (Stream("hostpms", "PT-LIS-001", "booking"), Stream("hostpms", "PT-LIS-001", "guest"))


ITEM = {
    "vendor": "hostpms",
    "status": "active",
    "time_zone": "Europe/Lisbon",
    "base_url": "https://api.hostpms.example/v3",
    "entities": ["booking"],
}
