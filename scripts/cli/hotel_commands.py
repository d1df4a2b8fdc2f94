"""``pousada onboard``, ``pause`` and ``resume``: a hotel in, its polls off and on."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from scripts.cli import output, vendor_clients
from scripts.cli.onboarding import Hotel, Reception
from scripts.cli.stage import Options
from shared.storage.integrations import Status
from shared.vendors.registry import VENDORS


def onboard(
    context: typer.Context,
    property_id: Annotated[str, typer.Option(help="The hotel, as the vendor knows it.")],
    vendor: Annotated[str, typer.Option(help=f"{', '.join(VENDORS)}.")],
    base_url: Annotated[str, typer.Option(help="The vendor's API.")],
    time_zone: Annotated[str, typer.Option(help="The hotel's, as IANA names it: Europe/Lisbon.")],
    client_id: Annotated[str, typer.Option(envvar="POUSADA_CLIENT_ID", help="OAuth client of this hotel.")],
    client_secret: Annotated[
        str,
        typer.Option(
            envvar="POUSADA_CLIENT_SECRET", prompt=True, hide_input=True, help="Better not as an argument: asked for."
        ),
    ],
    webhook_secret: Annotated[
        str | None,
        typer.Option(
            envvar="POUSADA_WEBHOOK_SECRET",
            help="Left out: the one there is, else a new one. Another than before rotates it: both verify.",
        ),
    ] = None,
    entity: Annotated[
        list[str] | None, typer.Option(help="What to poll; may be given several times. Left out: all.")
    ] = None,
    resubscribe: Annotated[
        bool, typer.Option("--resubscribe", help="Subscribe anew, e.g. since the webhook's address has changed.")
    ] = False,
) -> None:
    """Take a hotel in: store its secrets, register the integration, subscribe to the vendor's webhooks.

    May be run again, with the same or changed values; nothing is done twice. The next poll fetches all history.

    **Example**: `scripts/pousada onboard --vendor hostpms --property-id PT-LIS-001 --time-zone Europe/Lisbon
    --base-url https://api.hostpms.com/v3 --client-id pousada-lisboa`
    """
    options: Options = context.obj
    stage = options.open()
    reception = Reception(
        secrets=stage.hotel_secrets,
        integrations=stage.integrations,
        webhook_url=stage.webhook_url,
        connect=partial(vendor_clients.connect, vendor),
        clock=lambda: datetime.now(UTC),
        overlap=stage.of_hotels.overlap,
        keep_rotating=stage.keep_rotating,
    )
    hotel = Hotel(
        vendor=vendor,
        property_id=property_id,
        base_url=base_url,
        time_zone=time_zone,
        client_id=client_id,
        client_secret=client_secret,
        webhook_secret=webhook_secret,
        entities=entity or (),
    )
    done = reception.take_in(hotel, resubscribe)
    output.say(f"{property_id} is onboarded with {vendor}; polled are {', '.join(done.integration.entities)}")
    output.say(f"webhook subscription {done.integration.subscription_id} ({'new' if done.subscribed else 'as before'})")
    if done.rotated:
        hours = stage.of_hotels.overlap_hours
        output.say(f"the webhook secret is rotated: the one before verifies too, for {hours} hours")


Property = Annotated[str, typer.Option("--property-id", help="The hotel, as the vendor knows it.")]
Vendor = Annotated[str, typer.Option("--vendor", help=f"{', '.join(VENDORS)}.")]


def pause(context: typer.Context, property_id: Property, vendor: Vendor) -> None:
    """Poll a hotel no more, until `resume`. Its deliveries are still accepted and applied.

    **Example**: `scripts/pousada pause --vendor hostpms --property-id PT-LIS-001`
    """
    _set_status(context, property_id, vendor, "paused")


def resume(context: typer.Context, property_id: Property, vendor: Vendor) -> None:
    """Poll a paused hotel again: the next poll fetches what has changed since.

    **Example**: `scripts/pousada resume --vendor hostpms --property-id PT-LIS-001`
    """
    _set_status(context, property_id, vendor, "active")


def _set_status(context: typer.Context, property_id: str, vendor: str, status: Status) -> None:
    options: Options = context.obj
    options.open().integrations.set_status(property_id, vendor, status)
    output.say(f"{property_id} with {vendor} is {status}")
