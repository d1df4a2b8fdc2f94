"""A webhook secret rotated on the deployed stacks, by the operator's command, at the vendor's simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from scripts.local.stack import LocalStack
from scripts.simulators.hostpms import World, running
from shared.hotel_secrets import WebhookSecret
from shared.names import webhook_secret_name
from tests import factories
from tests.e2e.hotels import VENDOR, pousada
from tests.e2e.simulated_hotels import SimulatedHotel
from tests.e2e.waiting import eventually

PROPERTY = "PT-ROT-001"


@pytest.fixture(scope="module")
def hotel(deployed: LocalStack) -> Iterator[SimulatedHotel]:
    with running(World(73, [PROPERTY], date(2026, 1, 1), rooms=2, history_days=1)) as pms:
        yield SimulatedHotel(deployed, pms, PROPERTY).onboard("room")


def stored(hotel: SimulatedHotel) -> WebhookSecret:
    return hotel.kept.secrets.read(webhook_secret_name(VENDOR, PROPERTY), WebhookSecret)


def signs_with(hotel: SimulatedHotel) -> str:
    (known,) = hotel.pms.simulator.subscriptions.wanting(PROPERTY, "room.status_changed")
    return str(known.secret)


def rotate(hotel: SimulatedHotel, *options: str) -> WebhookSecret:
    before = stored(hotel).current
    pousada(hotel.local, "secrets", "rotate", "--vendor", VENDOR, "--property-id", PROPERTY, *options)
    return eventually(lambda: now if (now := stored(hotel)).current != before else None, "another secret")


def delivered(hotel: SimulatedHotel, number: int, secret: str) -> int:
    body = factories.text(factories.record("booking", reservation_id=f"RSV-{number}", property_id=PROPERTY))
    return hotel.kept.deliver(body, headers=hotel.kept.sign(body, secret=secret)).status_code


def listed(hotel: SimulatedHotel) -> dict[str, dict[str, Any]]:
    told = pousada(hotel.local, "secrets", "list", "--json").stdout
    rows = [json.loads(line) for line in told.splitlines()]
    assert stored(hotel).current not in told
    return {row["kind"]: row for row in rows if row["property_id"] == PROPERTY}


def test_a_rotated_secret_is_the_vendors_and_the_one_before_verifies_until_it_is_forgotten(
    hotel: SimulatedHotel,
) -> None:
    first = stored(hotel).current
    assert listed(hotel)["webhook-secret"]["rotation"] == ""

    second = rotate(hotel).current

    assert signs_with(hotel) == second
    assert [delivered(hotel, 1, second), delivered(hotel, 2, first), delivered(hotel, 3, "guessed")] == [200, 200, 401]
    assert listed(hotel)["webhook-secret"]["rotation"] == "overlap"
    assert listed(hotel)["oauth-credentials"]["days"] < 1

    third = rotate(hotel, "--forget-previous")

    assert (signs_with(hotel), third.previous) == (third.current, None)
