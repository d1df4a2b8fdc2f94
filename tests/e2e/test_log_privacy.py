"""What was delivered, polled and refused leaves no personal datum and no secret in any function's log."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from scripts.local.stack import LocalStack
from scripts.simulators.hostpms import Faults, World, running, truth_of
from shared.hotel_secrets import WebhookSecret
from shared.names import LOGINS, webhook_secret_name
from shared.storage.secret_stores import SecretTable
from shared.storage.secrets import Secrets
from tests.e2e.hotels import VENDOR, Hotel
from tests.e2e.logs import log_lines, log_text
from tests.e2e.simulated_hotels import SimulatedHotel
from tests.e2e.waiting import eventually, until_applied
from tests.factories import record, text

PROPERTY = "PT-GMR-701"
PERSONAL = ("name", "primeiro_nome", "apelido", "email", "phone", "telefone", "nif", "special_requests")
FAULTS = Faults(forge=0.2, stale=0.2, malformed=0.2, duplicate=0.2, invalid_records=0.3, token_lifetime=10)
HERS = {
    "guest_id": "G-701",
    "name": "Hermengarda Invenção",
    "email": "hermengarda@exemplo.invalid",
    "phone": "+351961234567",
    "country": "PT",
    "nif": "504917951",
}

_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}")


@dataclass
class Told:
    """What the pipeline was given to keep to itself, and where it was given it."""

    hotel: SimulatedHotel
    personal: set[str]
    secrets: set[str]


@pytest.fixture(scope="module")
def told(deployed: LocalStack) -> Iterator[Told]:
    """A hotel polled and delivered of, by way of every fault; and deliveries that go wrong in every place."""
    world = World(71, [PROPERTY], date(2026, 1, 1), rooms=4, history_days=20, faults=FAULTS)
    with running(world) as pms:
        hotel = SimulatedHotel(deployed, pms, PROPERTY).onboard()
        hotel.poll()
        pms.advance(4)
        go_wrong(hotel.kept, webhook_secret(deployed))
        hotel.poll()
        until_applied(deployed)
        yield Told(hotel, personal_data_of(world) | set(HERS.values()) - {"PT", "G-701"}, secrets_of(hotel))


def go_wrong(hotel: Hotel, secret: str) -> None:
    """Each with a guest who may be found nowhere: forged, cut off, against the rules, not of the promised shape."""
    told: dict[str, Any] = {"property_id": PROPERTY, "guest": HERS}
    sound = text(record("booking", reservation_id="RSV-HERS", **told))
    assert hotel.deliver(sound, headers=hotel.sign(sound, secret="no hotel's secret")).status_code == 401
    cut = sound[:-10]
    assert hotel.deliver(cut, headers=hotel.sign(cut, secret=secret)).status_code == 400
    for wrong in (
        {"dates": {"check_out": "2024-03-20"}},
        {"dates": {"check_in": HERS["name"]}},
        {"pricing": {"total": HERS["email"]}},
        {"status": HERS["phone"]},
        {"guest": HERS | {"email": {"nested": HERS["email"]}}},
    ):
        body = text(record("booking", reservation_id="RSV-HERS", **(told | wrong)))
        assert hotel.deliver(body, headers=hotel.sign(body, secret=secret)).status_code == 200


def personal_data_of(world: World) -> set[str]:
    """Of every guest of the world: full names and what identifies a person; a first name alone is a common word."""
    records = truth_of(world.hotel(PROPERTY)).records
    people = [booking["guest"] for booking in records["booking"].values()] + list(records["guest"].values())
    requests = [booking.get("special_requests") for booking in records["booking"].values()]
    found = {str(person[field]) for person in people for field in PERSONAL if person.get(field)} | set(requests)
    return {datum for datum in found if datum and len(datum) >= 8}


def webhook_secret(local: LocalStack) -> str:
    store = SecretTable(lambda: local.client("dynamodb"), local.names.hotel_secrets_table)
    return Secrets(store).read(webhook_secret_name(VENDOR, PROPERTY), WebhookSecret).current


def secrets_of(hotel: SimulatedHotel) -> set[str]:
    local = hotel.local
    vault = local.client("secretsmanager")
    names = (local.names.database_secret, *map(local.names.login_secret, LOGINS))
    passwords = {json.loads(vault.get_secret_value(SecretId=name)["SecretString"])["password"] for name in names}
    # As the vendor gave them: out of our table the last one goes some time after its end.
    tokens = hotel.pms.simulator.tokens.issued
    assert tokens
    client = hotel.pms.world.credentials(PROPERTY)
    return {webhook_secret(local), client.client_secret} | tokens | passwords


def found_in_the_logs(local: LocalStack, what: set[str]) -> set[str]:
    # Whole: nine digits of a tax id may well stand within a longer number.
    marked = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(what)))})(?!\w)", re.IGNORECASE)
    return {found for line in log_text(local) for text in readings(line) for found in marked.findall(text)}


def readings(line: str) -> Iterator[str]:
    """A line as it is, and as what it may hold in other clothes: JSON escapes an accent, API Gateway encodes a body."""
    yield _ESCAPED.sub(lambda code: chr(int(code[1], 16)), line)
    for run in _BASE64.findall(line):
        # A cut off run is read as far as it goes.
        yield base64.b64decode(run[: len(run) // 4 * 4]).decode("utf-8", "replace")


def test_no_log_holds_a_personal_datum_or_a_secret(told: Told) -> None:
    assert len(told.personal) > 50
    assert found_in_the_logs(told.hotel.local, told.personal) == set()
    assert found_in_the_logs(told.hotel.local, told.secrets) == set()


def test_the_logs_hold_what_an_operator_needs_instead(told: Told) -> None:
    """Were they empty, the test above would show nothing."""
    local = told.hotel.local

    def messages(function: str) -> set[str]:
        of_ours = (line for line in log_lines(local, function) if PROPERTY in json.dumps(line))
        return {str(line.get("message")) for line in of_ours}

    eventually(lambda: messages("webhook") >= {"delivery accepted", "delivery refused"}, "the webhook's log")
    eventually(lambda: "quarantined" in messages("apply"), "the apply function's log")
    eventually(lambda: "poll succeeded" in messages("poller"), "the poller's log")
