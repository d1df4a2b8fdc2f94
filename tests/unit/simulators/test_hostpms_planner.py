"""From events to deliveries: each fault is what it says, and only what was asked for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scripts.simulators.hostpms.agenda import Event
from scripts.simulators.hostpms.faults import Faults
from scripts.simulators.hostpms.planner import Delivery, Planner, falsified

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(room: str = "R-101", minute: int = 0, **changes: Any) -> Event:
    at = NOON + timedelta(minutes=minute)
    record = {"room_id": room, "property_id": "PT-LIS-001", "estado": "sujo", "updated_at": at.isoformat()}
    return Event(at, "PT-LIS-001", "room.status_changed", "room", room, at, record, **changes)


def plan(events: Sequence[Event], **faults: float) -> list[Delivery]:
    planner = Planner(1, lambda: Faults(**faults))  # type: ignore[arg-type]
    return [*planner.plan(events, NOON), *planner.flush()]


MANY = [event(f"R-{number}") for number in range(400)]


def test_a_pms_without_faults_sends_every_event_once_and_in_order() -> None:
    planned = plan(MANY)
    assert [delivery.event for delivery in planned] == MANY
    assert {delivery.kind for delivery in planned} == {"valid"}


def test_bodies_are_wrapped_or_bare_and_hold_the_record() -> None:
    bodies = [json.loads(delivery.letter.body) for delivery in plan(MANY)]
    wrapped = [body for body in bodies if "event_id" in body]
    assert 0.5 < len(wrapped) / len(bodies) < 0.7
    assert {body["event"] for body in wrapped} == {"room.status_changed"}
    assert len({body["event_id"] for body in wrapped}) == len(wrapped)
    assert [body.get("data", body)["room_id"] for body in bodies] == [sent.record_id for sent in MANY]


def test_some_bodies_are_printed_over_several_lines() -> None:
    assert any(b"\n" in delivery.letter.body for delivery in plan(MANY))


def test_a_dropped_delivery_is_counted_and_never_sent() -> None:
    planner = Planner(1, lambda: Faults(drop=0.25))
    sent = planner.plan(MANY, NOON)
    assert planner.dropped["PT-LIS-001"] == 400 - len(sent)
    assert 60 < planner.dropped["PT-LIS-001"] < 140
    assert planner.flush() == []


def test_what_no_list_has_is_never_dropped_nor_held_back() -> None:
    only = [event(f"R-{number}", only_announced=True) for number in range(50)]
    assert [delivery.event for delivery in plan(only, drop=0.5, reorder=0.25, delay=0.25)] == only


def test_a_reordered_delivery_is_sent_after_a_later_one_of_its_record() -> None:
    planner = Planner(1, iter_faults := FaultsInTurn(Faults(reorder=1), Faults()))
    first = planner.plan([event(minute=0)], NOON)
    iter_faults.turn()
    second = planner.plan([event("R-999", minute=1), event(minute=2)], NOON)
    assert first == []
    assert [(sent.event.record_id, sent.event.at.minute, sent.kind) for sent in second] == [
        ("R-999", 1, "valid"),
        ("R-101", 2, "valid"),
        ("R-101", 0, "out_of_order"),
    ]


def test_a_reordered_delivery_that_nothing_follows_is_sent_late_and_is_valid() -> None:
    assert [delivery.kind for delivery in plan([event()], reorder=1)] == ["valid"]


def test_a_delayed_delivery_waits_for_its_day() -> None:
    planner = Planner(1, lambda: Faults(delay=1, delay_days=2))
    assert planner.plan([event()], NOON) == []
    assert planner.plan([], NOON + timedelta(days=1)) == []
    assert [delivery.kind for delivery in planner.plan([], NOON + timedelta(days=2))] == ["valid"]


def test_a_delayed_delivery_that_was_overtaken_is_out_of_order() -> None:
    planner = Planner(1, iter_faults := FaultsInTurn(Faults(delay=1), Faults()))
    planner.plan([event(minute=0)], NOON)
    iter_faults.turn()
    planner.plan([event(minute=5)], NOON)
    assert [delivery.kind for delivery in planner.flush()] == ["out_of_order"]


def test_a_duplicate_has_the_same_bytes_and_most_have_the_same_seal() -> None:
    planned = plan(MANY, duplicate=1)
    originals, copies = planned[::2], planned[1::2]
    assert Counter(delivery.kind for delivery in planned) == {"valid": 400, "duplicate": 400}
    assert all(copy.letter.body == original.letter.body for original, copy in zip(originals, copies, strict=True))
    same_seal = [copy.letter is original.letter for original, copy in zip(originals, copies, strict=True)]
    assert 0.5 < sum(same_seal) / 400 < 0.9
    # A bare body sealed anew could not be told from a second event.
    assert all(same for same, copy in zip(same_seal, copies, strict=True) if b"event_id" not in copy.letter.body)


def test_forgeries_lie_and_are_signed_wrongly_in_every_way() -> None:
    forged = [delivery for delivery in plan(MANY, forge=1) if delivery.kind == "forged"]
    ways = Counter(delivery.letter.hand.forgery for delivery in forged)
    assert set(ways) == {"wrong_secret", "tampered", "unsigned", "no_timestamp"}
    assert all(b"bloqueado" in delivery.letter.body for delivery in forged)


def test_a_stale_delivery_is_itself_more_than_five_minutes_off() -> None:
    planned = plan(MANY, stale=1)
    shifts = [delivery.letter.hand.clock_shift for delivery in planned if delivery.kind == "stale"]
    assert min(abs(shift) for shift in shifts) > 300
    assert min(shifts) < 0 < max(shifts)
    assert all(stale.letter.body == true.letter.body for true, stale in zip(planned[::2], planned[1::2], strict=True))


def test_a_malformed_body_is_no_json() -> None:
    malformed = [delivery for delivery in plan(MANY, malformed=1) if delivery.kind == "malformed"]
    assert len(malformed) == 400
    for delivery in malformed:
        with pytest.raises(ValueError):  # noqa: PT011 - JSONDecodeError or UnicodeDecodeError, whichever comes first
            json.loads(delivery.letter.body)


@pytest.mark.parametrize(
    ("entity", "record"),
    [
        ("booking", {"pricing": {"total": 450}, "dates": {"updated_at": "2026-03-01T12:00:00.000Z"}}),
        ("guest", {"email": "a@example.com", "updated_at": "2026-03-01T12:00:00.000Z"}),
        ("payment", {"valor": 12, "updated_at": "2026-03-01T12:00:00.000Z"}),
    ],
)
def test_a_falsified_record_claims_to_be_newer_and_leaves_the_true_one_alone(
    entity: str, record: dict[str, Any]
) -> None:
    before = json.dumps(record)
    false = falsified(entity, record, NOON)
    assert json.dumps(record) == before
    assert (false.get("dates") or false)["updated_at"] == "2026-03-01T12:01:00.000Z"
    assert false != record


def test_the_same_seed_makes_the_same_plan() -> None:
    knobs = {"drop": 0.1, "reorder": 0.1, "duplicate": 0.1, "forge": 0.1, "stale": 0.1, "malformed": 0.1}
    assert plan(MANY, **knobs) == plan(MANY, **knobs)


class FaultsInTurn:
    """One set of knobs after another."""

    def __init__(self, *sets: Faults) -> None:
        self._sets = list(sets)

    def __call__(self) -> Faults:
        return self._sets[0]

    def turn(self) -> None:
        self._sets.pop(0)
