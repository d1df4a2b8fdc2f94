"""What is no new delivery changes nothing: repeated ones are answered so, false ones leave no trace in the lake."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from scripts.local.stack import LocalStack
from tests.e2e.hotels import Hotel
from tests.e2e.waiting import eventually, until_applied
from tests.factories import record, text

REPEATING, REFUSED, NOBODYS = "PT-AVR-201", "PT-AVR-202", "PT-AVR-203"
MARKER = "Hermengarda"
"""A guest's name, of which no answer may hold anything."""
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def hotel(deployed: LocalStack) -> Hotel:
    return Hotel(deployed, REPEATING).take_in()


@pytest.fixture(scope="module")
def mistrusted(deployed: LocalStack) -> Hotel:
    """A hotel whose deliveries are none of its vendor's."""
    return Hotel(deployed, REFUSED).take_in()


def reservation(name: str, hotel: Hotel, **changes: object) -> bytes:
    guest = {"guest_id": f"G-{name}", "name": f"{MARKER} Exemplo"}
    return text(record("booking", reservation_id=name, property_id=hotel.property_id, guest=guest, **changes))


def test_a_duplicate_is_answered_so_and_changes_nothing(hotel: Hotel) -> None:
    body = reservation("RSV-TWICE", hotel)
    headers = hotel.sign(body)
    first = hotel.deliver(body, headers=headers)
    before = eventually(lambda: hotel.row("booking", "RSV-TWICE"), "the first delivery's row"), hotel.raw_objects()

    second = hotel.deliver(body, headers=headers)
    until_applied(hotel.local)

    assert (first.json(), second.json()) == ({"result": "accepted"}, {"result": "duplicate"})
    assert (first.status_code, second.status_code) == (200, 200)
    assert (hotel.row("booking", "RSV-TWICE"), hotel.raw_objects()) == before


def test_a_named_delivery_signed_anew_is_a_duplicate_all_the_same(hotel: Hotel) -> None:
    data = record("booking", reservation_id="RSV-NAMED", property_id=hotel.property_id)
    body = text({"event_id": "EVT-201", "event": "reservation.created", "data": data})
    signed_at = datetime.now(UTC)

    answers = [hotel.deliver(body, headers=hotel.sign(body, signed_at - timedelta(seconds=s))) for s in (60, 0)]

    assert [answer.json()["result"] for answer in answers] == ["accepted", "duplicate"]
    assert sum("/EVT-201-" in key for key in hotel.raw_objects()) == 1


def test_one_delivery_sent_by_many_at_once_lands_in_one_object_and_one_row(hotel: Hotel) -> None:
    body = reservation("RSV-MANY", hotel)
    headers = hotel.sign(body)
    before = hotel.raw_objects().keys()

    with ThreadPoolExecutor(4) as senders:
        answers = list(senders.map(lambda _: hotel.deliver(body, headers=headers), range(4)))

    # Who meets another at work writes too, onto the same object, for the other may yet die.
    assert {answer.status_code for answer in answers} == {200}
    assert "accepted" in {answer.json()["result"] for answer in answers}
    assert len(hotel.raw_objects().keys() - before) == 1
    row = eventually(lambda: hotel.row("booking", "RSV-MANY"), "the row")
    assert row["version"] == 1


def landed(hotel: Hotel) -> dict[str, str]:
    """Wherever a false delivery could have been put."""
    elsewhere = hotel.raw_objects(property_id=NOBODYS) | hotel.raw_objects(vendor="nopms")
    return hotel.raw_objects() | elsewhere


def _forged(hotel: Hotel, body: bytes) -> httpx.Response:
    return hotel.deliver(body, headers=hotel.sign(body, secret="another hotel's secret"))


def _tampered(hotel: Hotel, body: bytes) -> httpx.Response:
    return hotel.deliver(body, headers=hotel.sign(body.replace(b"450.0", b"1.0")))


def _unsigned(hotel: Hotel, body: bytes) -> httpx.Response:
    return hotel.deliver(body, headers={})


def _stale(hotel: Hotel, body: bytes) -> httpx.Response:
    return hotel.deliver(body, headers=hotel.sign(body, datetime.now(UTC) - timedelta(minutes=6)))


def _ahead(hotel: Hotel, body: bytes) -> httpx.Response:
    return hotel.deliver(body, headers=hotel.sign(body, datetime.now(UTC) + timedelta(minutes=6)))


def _malformed(hotel: Hotel, body: bytes) -> httpx.Response:
    return hotel.deliver(body[:-20])


def _of_an_unknown_property(hotel: Hotel, body: bytes) -> httpx.Response:
    return hotel.deliver(body, property_id=NOBODYS)


def _of_an_unknown_event(hotel: Hotel, body: bytes) -> httpx.Response:
    return hotel.deliver(body, "reservation.dreamt")


def _of_an_unknown_vendor(hotel: Hotel, body: bytes) -> httpx.Response:
    return hotel.deliver(body, vendor="nopms")


def _too_large(hotel: Hotel, body: bytes) -> httpx.Response:
    return hotel.deliver(body + b" " * MIB)


@pytest.mark.parametrize(
    ("sent", "status", "word"),
    [
        (_forged, 401, "unauthenticated"),
        (_tampered, 401, "unauthenticated"),
        (_unsigned, 401, "unauthenticated"),
        (_stale, 401, "unauthenticated"),
        (_ahead, 401, "unauthenticated"),
        (_malformed, 400, "malformed"),
        (_of_an_unknown_property, 404, "not_found"),
        (_of_an_unknown_event, 404, "not_found"),
        (_of_an_unknown_vendor, 404, "not_found"),
        (_too_large, 413, "too_large"),
    ],
    ids=[
        *("forged", "tampered", "unsigned", "stale", "ahead", "malformed"),
        *("unknown property", "unknown event", "unknown vendor", "too large"),
    ],
)
def test_a_false_delivery_is_refused_leaves_nothing_and_is_told_nothing(
    mistrusted: Hotel, sent: Callable[[Hotel, bytes], httpx.Response], status: int, word: str
) -> None:
    body, before = reservation("RSV-FALSE", mistrusted), landed(mistrusted)

    answer = sent(mistrusted, body)

    assert (answer.status_code, answer.json()) == (status, {"error": word})
    assert MARKER not in answer.text + str(answer.headers)
    assert landed(mistrusted) == before
