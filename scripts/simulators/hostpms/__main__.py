"""``python -m scripts.simulators.hostpms``: the simulator as a process of its own."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from scripts.simulators.hostpms.bulk import reservations as bulk_reservations
from scripts.simulators.hostpms.deliveries import Courier
from scripts.simulators.hostpms.faults import DEMONSTRATION, Faults
from scripts.simulators.hostpms.server import serve_forever
from scripts.simulators.hostpms.world import World

cli = typer.Typer(add_completion=False, no_args_is_help=True, help="A simulated HostPMS: API, webhooks and faults.")


@cli.command()
def serve(
    property_ids: Annotated[
        list[str] | None, typer.Option("--property", help="A hotel, e.g. PT-LIS-001; may be repeated.")
    ] = None,
    port: Annotated[int, typer.Option(help="0: any free port.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed makes the same world.")] = 7,
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First lived day; default: 90 days ago.")
    ] = None,
    rooms: Annotated[int, typer.Option(min=1, help="Rooms of each hotel; 25 make some 600 bookings in 90 days.")] = 25,
    history_days: Annotated[int, typer.Option(min=0, help="Days that passed before anybody listened.")] = 60,
    demonstration: Annotated[
        bool,
        typer.Option("--faults/--no-faults", help="Every fault now and then. Else set them at /_simulator/faults."),
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="Deliveries under way at once.")] = 8,
    per_second: Annotated[float | None, typer.Option(help="At most so many deliveries a second.")] = None,
) -> None:
    """Serve the API at /v3 and the simulator's own doors at /_simulator, on loopback.

    Prints one line of JSON with base_url when it is ready; ends on SIGINT or SIGTERM.
    """
    first_day = start.date() if start else (datetime.now(UTC) - timedelta(days=90)).date()
    world = World(
        seed,
        property_ids or ["PT-LIS-001", "ES-MAD-001"],
        first_day,
        rooms=rooms,
        history_days=history_days,
        faults=DEMONSTRATION if demonstration else Faults(),
    )
    serve_forever(world, Courier(concurrency, per_second), port, ready=_say_ready)


@cli.command()
def reservations(
    count: Annotated[int, typer.Argument(min=0)],
    seed: Annotated[int, typer.Option()] = 7,
    property_id: Annotated[str, typer.Option("--property")] = "PT-LIS-001",
    updated_every: Annotated[int, typer.Option(min=0, help="Change every n-th as if it were polled again.")] = 0,
) -> None:
    """Print COUNT reservations as NDJSON, as the benchmarks read them."""
    for record in bulk_reservations(count, seed, property_id=property_id, updated_every=updated_every):
        sys.stdout.buffer.write(record + b"\n")


def _say_ready(origin: str, base_url: str) -> None:
    print(json.dumps({"origin": origin, "base_url": base_url}), flush=True)


if __name__ == "__main__":
    cli()
