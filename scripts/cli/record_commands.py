"""``pousada map`` and ``pousada send``: single records, by hand. The integrator's tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import typer

from scripts.cli import output, payload_files
from scripts.cli.payload_files import FoundRecord
from scripts.cli.stage import Options, Stage
from shared.errors import Malformed, Misconfigured, NotFound, PousadaError
from shared.hotel_secrets import WebhookSecret
from shared.model.columns import columns
from shared.model.mapping import MappingContext, Row, Warned, is_time_zone
from shared.model.record import Sync
from shared.names import webhook_secret_name
from shared.pipeline.transform import map_payload
from shared.vendors.registry import part

# Not a Path: of the two, only this type takes - for standard input.
PayloadFile = Annotated[typer.FileBinaryRead, typer.Argument(metavar="FILE", help="A file; - is standard input.")]
Vendor = Annotated[str, typer.Option(help="The vendor's folder name: hostpms.")]
SECONDS = 30.0


def map_records(
    file: PayloadFile,
    vendor: Vendor,
    entity: Annotated[str, typer.Option(help="booking, guest, room or payment.")],
    property_id: Annotated[str | None, typer.Option(help="The hotel; left out, each record's own property_id.")] = None,
    timezone: Annotated[str, typer.Option(metavar="TZ", help="The hotel's, as IANA names it.")] = "UTC",
) -> None:
    """Show what becomes of a vendor's records: unified rows as NDJSON.

    FILE holds one record, a list, NDJSON, the vendor's own list response ({"data": […]}), or an object of the raw
    bucket; gzip is unpacked. Rows go to standard output, refused records and warnings to standard error, both as
    NDJSON. Nothing is stored. Exit status 1 if any record was refused.

    **Example**: `scripts/pousada map --vendor hostpms --entity booking --timezone Europe/Lisbon reservations.json`

    **Example**: `curl -s … | scripts/pousada map --vendor hostpms --entity booking - | jq .status`
    """
    part(vendor, "mapping")  # an unknown vendor is one mistake, not one for each record
    warned, refused = Warned(), 0
    for found in payload_files.records(file.read()):
        try:
            for kind, row in _rows(found, vendor, entity, property_id, timezone, warned):
                output.line(_shown(kind, row))
        except NotFound:
            raise
        except PousadaError as error:
            refused += 1
            output.line(_refusal(found, entity, error), to_errors=True)
    for (kind, rule, field), count in sorted(warned.items()):
        output.line({"warning": rule, "entity": kind, "field": field, "count": count}, to_errors=True)
    if refused:
        raise typer.Exit(1)


def _rows(
    found: FoundRecord | Malformed, vendor: str, entity: str, property_id: str | None, timezone: str, warned: Warned
) -> Iterator[tuple[str, Row]]:
    if isinstance(found, Malformed):
        raise found
    hotel = property_id or found.property_id
    if hotel is None:
        raise Misconfigured("the record names no property", fix="name one with --property-id", reason="no_property")
    if not is_time_zone(timezone):
        raise NotFound(f"unknown time zone {timezone}", fix="as IANA names it, e.g. Europe/Lisbon")
    context = MappingContext.of(hotel, timezone)
    context.warned = warned
    yield from map_payload(vendor, entity, found.payload, context)


def _shown(entity: str, row: Row) -> dict[str, Any]:
    """Identity and content; how and when it came has no meaning here."""
    names = (column.name for column in columns(entity) if column.name not in Sync.model_fields)
    return {"entity": entity, **{name: getattr(row, name) for name in names}}


def _refusal(found: FoundRecord | Malformed, entity: str, error: PousadaError) -> dict[str, Any]:
    number = found.number if isinstance(found, FoundRecord) else found.facts.get("record")
    reason, field = error.facts.get("reason"), error.facts.get("field")
    return {"record": number, "entity": entity, "reason": reason, "field": field, "message": str(error)}


def send(
    context: typer.Context,
    file: PayloadFile,
    vendor: Vendor,
    property_id: Annotated[str, typer.Option(help="An onboarded hotel.")],
    event: Annotated[str, typer.Option(help="The vendor's word: reservation.created, …")],
    at: Annotated[
        datetime | None, typer.Option(help="Signed at this instant (UTC) instead of now: to try a stale one.")
    ] = None,
) -> None:
    """Sign payloads as the vendor would, deliver them to the webhook's address, and print each answer.

    FILE as for `map`: each of its records is a delivery of its own. Exit status 1 if one was not taken.

    **Example**: `scripts/pousada send --vendor hostpms --property-id PT-LIS-001 --event reservation.created one.json`
    """
    options: Options = context.obj
    stage = options.open()
    webhook = part(vendor, "webhook")
    secret = _webhook_secret(stage, vendor, property_id)
    url = f"{stage.webhook_url}/{vendor}/{property_id}/{event}"
    statuses: Counter[int] = Counter()
    with httpx.Client(timeout=SECONDS, trust_env=stage.endpoint is None) as client:
        for body in _bodies(file.read()):
            headers = webhook.signed_headers(body, secret, at.replace(tzinfo=UTC) if at else datetime.now(UTC))
            answer = client.post(url, content=body, headers={"Content-Type": "application/json", **headers})
            statuses[answer.status_code] += 1
            output.line({"status": answer.status_code, "answer": answer.text})
    if any(status >= 300 for status in statuses):
        raise typer.Exit(1)


def _webhook_secret(stage: Stage, vendor: str, property_id: str) -> str:
    try:
        return stage.hotel_secrets.read(webhook_secret_name(vendor, property_id), WebhookSecret).current
    except NotFound:
        fix = "scripts/pousada onboard --help"
        raise NotFound(f"{property_id} is not onboarded with {vendor}", fix=fix) from None


def _bodies(content: bytes) -> Iterator[bytes]:
    for found in payload_files.records(content):
        if isinstance(found, Malformed):
            raise found
        yield found.payload
