"""``pousada map``: rows on standard output, refusals on standard error, the exit status says whether there were any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from scripts.cli.app import app

RESERVATION: dict[str, Any] = {
    "reservation_id": "RSV-12345",
    "property_id": "PT-LIS-001",
    "guest": {"guest_id": "G-77", "name": "João Silva", "email": "joao.silva@example.pt", "country": "PT"},
    "room": {"type": "Quarto Duplo", "number": "201", "floor": 2},
    "dates": {
        "check_in": "2024-03-20",
        "check_out": "2024-03-25",
        "created_at": "2024-03-01T10:30:00Z",
        "updated_at": "2024-03-01T10:30:00Z",
    },
    "pricing": {"total": 450.00, "currency": "EUR", "iva": 103.50},
    "status": "confirmado",
    "channel": "booking_com",
}
LEAVES_BEFORE_ARRIVING = RESERVATION | {
    "reservation_id": "RSV-666",
    "dates": {"check_in": "2024-03-20", "check_out": "2024-03-19"},
}


def run(content: object, *options: str, entity: str = "booking", vendor: str = "hostpms") -> Result:
    arguments = ["map", "--vendor", vendor, "--entity", entity, *options, "-"]
    text = content if isinstance(content, str) else json.dumps(content)
    return CliRunner().invoke(app, arguments, input=text.encode())


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_reservation_becomes_a_booking_and_its_guest() -> None:
    result = run(RESERVATION)

    booking, guest = lines(result.stdout)
    assert result.exit_code == 0
    assert (booking["entity"], booking["status"], booking["channel"]) == ("booking", "confirmed", "ota")
    assert (booking["total_amount"], booking["check_in_date"], booking["room_type"]) == (
        "450.00",
        "2024-03-20",
        "Double Room",
    )
    assert (guest["entity"], guest["external_id"], guest["id"]) == ("guest", "G-77", booking["guest_id"])


def test_how_and_when_a_row_came_is_not_shown_since_it_came_from_nowhere() -> None:
    (booking, _) = lines(run(RESERVATION).stdout)

    assert {"id", "hotel_id", "guest_name"} <= booking.keys()
    assert not {"raw_key", "version", "synced_at", "content_hash"} & booking.keys()


def test_a_refused_record_is_told_on_standard_error_and_the_others_are_mapped() -> None:
    result = run([RESERVATION, LEAVES_BEFORE_ARRIVING, RESERVATION])

    (refusal,) = lines(result.stderr)
    assert result.exit_code == 1
    assert [row["external_id"] for row in lines(result.stdout) if row["entity"] == "booking"] == ["RSV-12345"] * 2
    assert (refusal["record"], refusal["reason"]) == (2, "check_out_not_after_check_in")


def test_warnings_are_counted_and_are_no_failure() -> None:
    odd = RESERVATION | {"channel": "carrier pigeon"}

    result = run([odd, odd])

    assert result.exit_code == 0
    assert {"warning": "unknown_word", "entity": "booking", "field": "channel", "count": 2} in lines(result.stderr)


def test_a_refusal_quotes_nothing_of_the_record() -> None:
    result = run(LEAVES_BEFORE_ARRIVING)

    assert "João" not in result.stderr
    assert "example.pt" not in result.stderr


def test_a_record_of_another_property_is_refused_where_one_is_named() -> None:
    (refusal,) = lines(run(RESERVATION, "--property-id", "PT-OPO-002").stderr)

    assert refusal["reason"] == "property_mismatch"


def test_a_record_that_names_no_property_needs_one_named() -> None:
    anonymous = {name: value for name, value in RESERVATION.items() if name != "property_id"}

    (refusal,) = lines(run(anonymous).stderr)

    assert refusal["reason"] == "no_property"
    assert run(anonymous, "--property-id", "PT-LIS-001").exit_code == 0


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"vendor": "mews-xyz"}, "the known are hostpms"),
        ({"entity": "bookings"}, "the known are booking, guest, room, payment"),
    ],
)
def test_an_unknown_word_lists_the_known_ones(how: dict[str, str], said: str) -> None:
    result = run(RESERVATION, **how)

    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stdout == ""


def test_an_unknown_time_zone_is_one_mistake_and_not_one_for_each_record() -> None:
    result = run([RESERVATION, RESERVATION], "--timezone", "Europe/Atlantis")

    assert result.exit_code == 1
    assert result.stderr.count("Europe/Atlantis") == 1


def test_a_file_is_read_as_standard_input_is(tmp_path: Path) -> None:
    path = tmp_path / "reservations.json"
    path.write_text(json.dumps([RESERVATION]))

    result = CliRunner().invoke(app, ["map", "--vendor", "hostpms", "--entity", "booking", str(path)])

    assert result.stdout == run([RESERVATION]).stdout
