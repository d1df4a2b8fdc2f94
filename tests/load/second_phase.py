"""The second phase of a load: everything was sent, and now the truth is asked for every single id."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec
import psycopg

from scripts.demonstration import analytics
from shared.pipeline import envelope
from shared.storage.raw_lake import RawLake
from tests.e2e.simulated_hotels import SimulatedHotel
from tests.load.books import REFUSED_FOR

_CURRENT = """
    SELECT external_id FROM (
        SELECT hotel_id, external_id, row_number() OVER (
            PARTITION BY id ORDER BY source_updated_at DESC NULLS LAST, raw_received_at DESC NULLS LAST,
            mapping_version DESC NULLS LAST, raw_key DESC NULLS LAST, raw_line DESC NULLS LAST
        ) AS recency FROM bookings
    ) AS versions WHERE recency = 1 AND hotel_id = '{hotel_id}'
"""


Place = tuple[str, int]
"""A raw object's key, and a line in it."""


def amiss(hotel: SimulatedHotel, *, lake: bool = False, once: bool = False) -> list[str]:
    """What is not as the PMS's truth has it, in words; nothing where every id is right.

    ``lake``: the batch job has run, so Parquet is asked too. ``once``: each id was sent in one delivery, so that
    exactly one raw record is its; of a poll, whose pages overlap, at least one is.
    """
    holders = _holders(hotel)
    return [
        *hotel.agreement("booking", "guest", lake=lake).mismatches,
        *_raw_objects_amiss(hotel, holders, once),
        *_rows_amiss(hotel, holders),
        *_quarantine_amiss(hotel, holders),
        *(_athena_amiss(hotel) if lake else ()),
    ]


def _ids(hotel: SimulatedHotel) -> tuple[set[str], set[str]]:
    """The sound reservations on record, and those that must be refused."""
    ledger = hotel.pms.world.hotel(hotel.property_id).ledger
    return set(ledger.versions("booking")), set(ledger.refused("booking"))


def _holders(hotel: SimulatedHotel) -> dict[str, list[Place]]:
    """Reservation → where it lies in the raw bucket, by reading every object there."""
    lake = RawLake(hotel.local.names.raw_bucket, hotel.local.client("s3"))
    keys = [found.key for found in lake.list(f"hostpms/{hotel.property_id}/")]
    holders: dict[str, list[Place]] = defaultdict(list)
    for key, body in lake.many(keys):
        assert isinstance(body, bytes), f"{key}: {body}"
        for number, line in enumerate(envelope.lines(key, body)):
            payload = msgspec.json.decode(envelope.decode(line).payload)
            holders[payload.get("data", payload)["reservation_id"]].append((key, number))
    return holders


def _raw_objects_amiss(hotel: SimulatedHotel, holders: dict[str, list[Place]], once: bool) -> Iterator[str]:
    sound, refused = _ids(hotel)
    for id_ in sorted((sound | refused) ^ holders.keys()):
        yield f"{id_} was {'never sent' if id_ in holders else 'sent, and lies in no raw object'}"
    if once:
        yield from (f"{id_} lies in {len(places)} places" for id_, places in holders.items() if len(places) > 1)


def _rows_amiss(hotel: SimulatedHotel, holders: dict[str, list[Place]]) -> Iterator[str]:
    """Each row names a raw record of its own id, and there is one row for it."""
    rows = hotel.kept.rows("booking")
    for row in rows:
        if (row["raw_key"], row["raw_line"]) not in holders.get(row["external_id"], []):
            yield f"{row['external_id']} has a row that names another's raw record"
    doubled = Counter(row["external_id"] for row in rows)
    yield from (f"{id_} has {count} rows" for id_, count in doubled.items() if count > 1)


def _quarantine_amiss(hotel: SimulatedHotel, holders: dict[str, list[Place]]) -> Iterator[str]:
    """Exactly the raw records that must be refused are held, each for the reason that it was made for."""
    query = "SELECT raw_key, raw_line, reason FROM hotel.quarantine WHERE hotel_id = %s AND resolved_at IS NULL"
    with psycopg.connect(hotel.local.dsn) as connection:
        held = set(connection.execute(query, (hotel.property_id,)))
    _, refused = _ids(hotel)
    expected = {(*place, REFUSED_FOR) for id_ in refused for place in holders.get(id_, ())}
    yield from (f"{one} should be in the quarantine" for one in sorted(expected - held))
    yield from (f"{one} should not be in the quarantine" for one in sorted(held - expected))


def _athena_amiss(hotel: SimulatedHotel) -> Iterator[str]:
    """``bookings_current`` has each id once."""
    sound, _ = _ids(hotel)
    asked = analytics.ask(hotel.local.client("athena"), hotel.local.names, _CURRENT.format(hotel_id=hotel.property_id))
    found = Counter(str(row["external_id"]) for row in asked)
    yield from (f"Athena: {id_} is {'invented' if id_ in found else 'missing'}" for id_ in sorted(sound ^ found.keys()))
    yield from (f"Athena: {id_} is there {count} times" for id_, count in found.items() if count > 1)
