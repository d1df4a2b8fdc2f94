"""A hotel with as many reservations in its books as a test asks for, and how its PMS tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import httpx
import msgspec

from scripts.simulators.hostpms import RunningSimulator, World, reservations
from scripts.simulators.hostpms.agenda import Event
from scripts.simulators.hostpms.bulk import INVALID_EVERY
from scripts.simulators.hostpms.deliveries import Courier, Sent
from scripts.simulators.hostpms.ledger import Refused, Version
from scripts.simulators.hostpms.quirks import Record

REFUSED_FOR = "check_out_not_after_check_in"
SEED = 7
_UNLIMITED = httpx.Limits(max_connections=None, max_keepalive_connections=None)


def records(count: int, property_id: str) -> Iterator[Record]:
    """``count`` reservations with the digits they are written with."""
    decoder = msgspec.json.Decoder(float_hook=Decimal)
    for text in reservations(count, SEED, property_id=property_id):
        yield decoder.decode(text)


def world_with(count: int, property_id: str) -> World:
    """A hotel that has ``count`` reservations on record, and nothing else."""
    world = World(SEED, [property_id], date(2026, 1, 1), rooms=1, history_days=0)
    ledger = world.hotel(property_id).ledger
    for number, record in enumerate(records(count, property_id), start=1):
        version = Version(record["reservation_id"], _updated_at(record), record)
        if number % INVALID_EVERY:
            ledger.put("booking", version)
        else:
            ledger.put_refused("booking", Refused(version, REFUSED_FOR, listed=True, announced=True))
    return world


def _updated_at(record: Record) -> datetime:
    return datetime.fromisoformat(record["dates"]["updated_at"]).astimezone(UTC)


def announced(pms: RunningSimulator, property_id: str, courier: Courier) -> list[Sent]:
    """Sends one webhook for each reservation in the books; what became of each, once all are answered."""
    simulator = pms.simulator
    simulator.deliveries._courier = courier
    before = len(simulator.deliveries.log)

    async def send() -> None:
        async with httpx.AsyncClient(limits=_UNLIMITED) as client:
            planned = simulator.planner.plan(_events(pms.world, property_id), simulator.world.now)
            await simulator.deliveries.send(planned, client)

    asyncio.run_coroutine_threadsafe(send(), simulator.loop).result()
    return simulator.deliveries.log[before:]


def _events(world: World, property_id: str) -> Iterator[Event]:
    for version in world.hotel(property_id).ledger.listed("booking"):
        yield Event(
            at=version.updated_at,
            property_id=property_id,
            name="reservation.created",
            entity="booking",
            record_id=version.id,
            updated_at=version.updated_at,
            record=version.record,
        )
