"""The bulk generator: what benchmarks count on."""

from __future__ import annotations

import json
from datetime import date
from itertools import islice

from stdnum.pt import nif

from scripts.simulators.hostpms import reservations
from scripts.simulators.hostpms.bulk import INVALID_EVERY
from scripts.simulators.hostpms.records import encode
from shared.errors import Unmappable
from shared.model.mapping import MappingContext
from shared.pipeline.transform import map_payload
from tests.unit.simulators.conftest import Life

BULK = list(reservations(5000, seed=1))
RECORDS = [json.loads(record) for record in BULK]


def test_the_same_seed_gives_the_same_bytes_and_a_longer_run_begins_with_the_shorter() -> None:
    assert list(islice(reservations(10**9, seed=1), 5000)) == BULK
    assert list(reservations(10, seed=2)) != BULK[:10]


def test_ids_are_distinct_and_four_in_ten_guests_are_new() -> None:
    guests = {record["guest"].get("guest_id") or record["guest"]["email"] for record in RECORDS}
    assert len({record["reservation_id"] for record in RECORDS}) == 5000
    assert 0.37 < len(guests) / 5000 < 0.43


def test_a_bulk_record_has_the_shape_of_the_worlds_own(life: Life) -> None:
    def shape(record: dict[str, object]) -> set[str]:
        return {f"{name}.{inner}" for name, part in record.items() if isinstance(part, dict) for inner in part} | set(
            record
        )

    lived = [version.record for version in life.world.hotel("PT-LIS-001").ledger.versions("booking").values()]
    assert set.union(*map(shape, RECORDS)) == set.union(*(shape(json.loads(encode(record))) for record in lived))


def test_exactly_one_in_a_thousand_is_refused() -> None:
    context, refused = MappingContext.of("PT-LIS-001", "Europe/Lisbon"), []
    for number, record in enumerate(BULK):
        try:
            map_payload("hostpms", "booking", record, context)
        except Unmappable as error:
            refused.append((number, error.facts["reason"]))
    last = INVALID_EVERY - 1
    assert refused == [(number, "check_out_not_after_check_in") for number in range(last, 5000, INVALID_EVERY)]
    assert not context.warned


def test_all_tax_ids_are_right() -> None:
    tax_ids = {record["guest"]["nif"] for record in RECORDS} - {None}
    assert len(tax_ids) > 300
    assert all(nif.is_valid(tax_id) for tax_id in tax_ids)


def test_the_updated_variant_changes_price_status_and_time_of_every_second_record_alone() -> None:
    updated = [json.loads(record) for record in reservations(5000, seed=1, updated_every=2)]
    assert updated[1::2] == RECORDS[1::2]
    for before, after in zip(RECORDS[::2], updated[::2], strict=True):
        assert after["pricing"]["total"] != before["pricing"]["total"]
        assert after["status"] != before["status"]
        assert after["dates"]["updated_at"] > before["dates"]["updated_at"]
        assert (after["guest"], after["room"], after["channel"]) == (before["guest"], before["room"], before["channel"])


def test_a_spanish_property_has_spanish_words() -> None:
    records = [json.loads(record) for record in reservations(50, seed=1, property_id="ES-MAD-001")]
    assert {record["property_id"] for record in records} == {"ES-MAD-001"}
    assert any(record["room"]["type"].startswith("Habitación") for record in records)


def test_a_stay_is_booked_before_it_begins() -> None:
    assert all(
        date.fromisoformat(record["dates"]["created_at"][:10]) <= date.fromisoformat(record["dates"]["check_in"])
        for record in RECORDS
    )
