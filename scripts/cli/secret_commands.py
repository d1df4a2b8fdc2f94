"""``pousada secrets``: how old the hotels' secrets are, and another webhook secret for one. No value is ever shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from scripts.cli import output
from scripts.cli.queues import Queue
from scripts.cli.stage import Options, Stage
from shared.errors import Misconfigured, NotFound
from shared.hotel_secrets import OAuthCredentials, WebhookSecret
from shared.names import oauth_credentials_name, webhook_secret_name
from shared.pipeline.rotation import since
from shared.pipeline.rotation_orders import HotelRotation
from shared.storage.integrations import Integration
from shared.vendors.registry import VENDORS, part

app = typer.Typer(no_args_is_help=True, help="The hotels' secrets: how old they are, and another in place of one.")


class Row(msgspec.Struct):
    vendor: str
    property_id: str
    kind: str
    in_use_since: datetime | None
    """UTC; None: there is no such secret."""
    days: float | None
    rotation: str
    """Of a webhook secret: ``at work``, ``overlap`` (the one before verifies still), or empty."""


@app.command("list")
def list_secrets(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="As NDJSON.")] = False,
) -> None:
    """List every onboarded hotel's secrets, the oldest first: since when each is in use. Their values are not shown.

    **Example**: `scripts/pousada secrets list`

    **Example**: `scripts/pousada secrets list --json | jq 'select(.days > 90)'`
    """
    options: Options = context.obj
    stage, now = options.open(), datetime.now(UTC)
    rows = [row for one in stage.integrations.all() for row in _rows(stage, one, now)]
    rows.sort(key=lambda row: (row.in_use_since is not None, row.in_use_since or now))
    if as_json:
        for row in rows:
            output.line(row)
        return
    shown = ((row.vendor, row.property_id, row.kind, *_age(row), row.rotation) for row in rows)
    output.table("secrets", ("vendor", "property", "kind", "in use since", "days", "rotation"), shown)


def _rows(stage: Stage, one: Integration, now: datetime) -> Iterator[Row]:
    yield _webhook(stage, one, now)
    row = Row(one.vendor, one.property_id, "oauth-credentials", None, None, "")
    with suppress(NotFound):
        name = oauth_credentials_name(one.vendor, one.property_id)
        _date(row, stage.hotel_secrets.held(name, OAuthCredentials).changed_at, now)
    yield row


def _webhook(stage: Stage, one: Integration, now: datetime) -> Row:
    row = Row(one.vendor, one.property_id, "webhook-secret", None, None, "")
    with suppress(NotFound):
        held = stage.hotel_secrets.held(webhook_secret_name(one.vendor, one.property_id), WebhookSecret)
        _date(row, since(held), now)
        if held.secret.next:
            row.rotation = "at work"
        elif len(held.secret.verifying(now)) > 1:
            row.rotation = "overlap"
    return row


def _date(row: Row, in_use_since: datetime, now: datetime) -> None:
    row.in_use_since, row.days = in_use_since, round((now - in_use_since).total_seconds() / 86400, 1)


def _age(row: Row) -> tuple[str, str]:
    if row.in_use_since is None:
        return "missing", ""
    return row.in_use_since.isoformat(timespec="seconds"), str(row.days)


@app.command("rotate")
def rotate(
    context: typer.Context,
    property_id: Annotated[str, typer.Option(help="The hotel, as the vendor knows it.")],
    vendor: Annotated[str, typer.Option(help=f"{', '.join(VENDORS)}.")],
    forget_previous: Annotated[
        bool,
        typer.Option(
            "--forget-previous", help="The one before is to verify no more, within a minute: it may be stolen."
        ),
    ] = False,
) -> None:
    """Order a hotel's webhook secret to be rotated, whatever its age: the function `rotate` tells the vendor.

    It takes about a minute. The one before verifies for the overlap (three days, if not configured otherwise); with
    `--forget-previous` only for the minute that workers remember it, so that deliveries the vendor signed just before
    may be refused and come again.

    **Example**: `scripts/pousada secrets rotate --vendor hostpms --property-id PT-LIS-001`
    """
    options: Options = context.obj
    stage = options.open()
    _check(stage, vendor, property_id)
    order = HotelRotation(
        vendor=vendor, property_id=property_id, older_than=datetime.now(UTC), forget_previous=forget_previous
    )
    Queue(stage.client("sqs"), stage.names.rotate_queue).send(msgspec.json.encode(order))
    output.say(f"ordered; `scripts/pousada secrets list` tells when the secret of {property_id} is another")


def _check(stage: Stage, vendor: str, property_id: str) -> None:
    """Raises NotFound, or Misconfigured where nobody could be told."""
    by_hand = "set it at the vendor, and give it to `scripts/pousada onboard --webhook-secret`"
    if not part(vendor, "api").TAKES_NEW_SECRETS:
        raise Misconfigured(f"{vendor} has no call by which it takes a new secret", fix=by_hand)
    if stage.integrations.get(property_id, vendor).subscription_id is None:
        raise Misconfigured(f"{property_id} is not subscribed with {vendor}", fix="onboard it again, or " + by_hand)
