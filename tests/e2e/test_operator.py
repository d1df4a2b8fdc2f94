"""An operator's day with the command line: a hotel taken in, polled, delivered to, batched, mended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from scripts.cli.app import app
from scripts.local.stack import LocalStack
from scripts.simulators.hostpms.server import RunningSimulator, running
from scripts.simulators.hostpms.world import World
from shared.model.columns import TABLES
from shared.pipeline.audit_orders import EveryHotel, HotelAudit, Order
from shared.storage import postgres
from tests.e2e import waiting
from tests.e2e.hotels import Hotel
from tests.e2e.logs import log_lines

PROPERTY = "PT-FAO-077"
SECONDS = 120.0


@dataclass
class Operator:
    local: LocalStack
    pms: RunningSimulator

    def run(self, *arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(app, ["--endpoint-url", self.local.endpoint, *arguments], env=environment)

    def onboard(self) -> Result:
        client = self.pms.world.credentials(PROPERTY)
        who = ("--vendor", "hostpms", "--property-id", PROPERTY, "--time-zone", "Europe/Lisbon")
        where = ("--base-url", self.pms.base_url, "--client-id", client.client_id)
        return self.run("onboard", *who, *where, POUSADA_CLIENT_SECRET=client.client_secret)

    def send(self, payload: Path, *options: str) -> Result:
        where = ("--vendor", "hostpms", "--property-id", PROPERTY, "--event", "reservation.created")
        return self.run("send", *where, *options, str(payload))

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.run("status", "--property-id", PROPERTY, "--json").stdout))

    def audited_as_daily(self, prefix: str) -> list[dict[str, Any]]:
        """What the deployed function tells of the raw objects below ``prefix`` when the hotel's audit is ordered."""
        ordered = self.order(hotel_audit(PROPERTY))
        lines = self.audit_log(lambda line: line["message_id"] == ordered)
        findings = [line for line in lines if line["message"] == "not accounted for"]
        return [line for line in findings if line["raw_key"].startswith(prefix)]

    def audited_with_every_hotel(self) -> dict[str, Any]:
        """What it tells of the hotel when the day's order comes."""
        self.order(EveryHotel())
        lines = self.audit_log(lambda line: line.get("property_id") == PROPERTY)
        return next(line for line in lines if line["message"] == "audit succeeded")

    def audit_log(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """The lines of an audit, once it has come to its end."""

        def lines() -> list[dict[str, Any]]:
            # The embedded AWS keeps a worker's last lines back until its next invocation.
            self.order(hotel_audit("NOBODY"))
            found = [line for line in log_lines(self.local, "audit") if "message_id" in line and wanted(line)]
            return found if any(line["message"] == "audit succeeded" for line in found) else []

        return waiting.eventually(lines, "the audit to be told")

    def order(self, order: Order) -> str:
        """The message's id."""
        sqs = self.local.client("sqs")
        url = sqs.get_queue_url(QueueName=self.local.names.audit_queue)["QueueUrl"]
        return str(sqs.send_message(QueueUrl=url, MessageBody=msgspec.json.encode(order).decode())["MessageId"])

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.local.dsn) as connection:
            return connection.execute(statement).fetchall()


def hotel_audit(property_id: str) -> HotelAudit:
    since, now = date(2026, 1, 1), datetime.now(UTC)
    return HotelAudit(vendor="hostpms", property_id=property_id, since=since, settled_before=now)


@pytest.fixture(scope="module")
def operator(deployed: LocalStack) -> Iterator[Operator]:
    world = World(7, [PROPERTY], date(2026, 1, 1), rooms=6, history_days=30)
    with running(world) as pms:
        operator = Operator(deployed, pms)
        result = operator.onboard()
        assert result.exit_code == 0, result.stderr
        yield operator


def eventually(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def reservation(name: str, check_out: str = "2026-03-25") -> dict[str, Any]:
    stamp = datetime.now(UTC).isoformat()
    return {
        "reservation_id": name,
        "property_id": PROPERTY,
        "guest": {"guest_id": f"G-{name}", "name": "Rui Exemplo"},
        "dates": {"check_in": "2026-03-20", "check_out": check_out, "created_at": stamp, "updated_at": stamp},
        "pricing": {"total": 450.00, "currency": "EUR"},
        "status": "confirmado",
    }


def test_a_hotel_onboarded_again_keeps_its_subscription(operator: Operator) -> None:
    result = operator.onboard()

    assert result.exit_code == 0, result.stderr
    assert "as before" in result.stderr


def test_a_poll_and_the_batch_job_bring_the_hotels_history(operator: Operator) -> None:
    polled = operator.run("poll", "--property-id", PROPERTY, "--wait", "--timeout", "240")
    assert polled.exit_code == 0, polled.stderr
    batched = operator.run("etl", "--wait", "--timeout", "240")
    assert batched.exit_code == 0, batched.stderr

    rows = {stream["entity"]: stream["rows"] for stream in operator.status()["streams"]}

    assert rows["room"] == 6
    assert rows["booking"] > 0
    assert operator.status()["pending_manifests"] == 0
    accounted_for_and_a_planted_loss_is_found(operator)


def test_a_poll_after_a_poll_finds_nothing_new_and_lands_nothing(operator: Operator) -> None:
    def poll() -> list[dict[str, Any]]:
        polled = operator.run("poll", "--property-id", PROPERTY, "--wait", "--timeout", "240")
        assert polled.exit_code == 0, polled.stderr
        return [stream["last_run"] for stream in operator.status()["streams"]]

    poll()
    landed = Hotel(operator.local, PROPERTY).raw_objects()
    runs = poll()

    assert Hotel(operator.local, PROPERTY).raw_objects() == landed
    assert {(run["status"], run["fetched"], run["pages"]) for run in runs} == {("succeeded", 0, 0)}
    assert all(run["unchanged"] for run in runs)


def accounted_for_and_a_planted_loss_is_found(operator: Operator) -> None:
    polled = f"hostpms/{PROPERTY}/polling/"
    audit = ("audit", "--since", "2026-01-01", "--prefix", polled, "--grace", "0")
    whole = operator.run(*audit, "--json")
    assert (whole.exit_code, json.loads(whole.stdout)["findings"]) == (0, [])
    assert json.loads(whole.stdout)["records"] > 6
    assert "nothing lost" in operator.run(*audit).stderr
    # Which judges nothing that has only just come.
    daily = operator.audited_with_every_hotel()
    assert daily["young"] == daily["objects"] > 0
    assert operator.audited_as_daily(polled) == []

    with psycopg.connect(operator.local.dsn) as connection:
        connection.execute("DELETE FROM hotel.rooms WHERE hotel_id = %s AND number LIKE '%%1'", (PROPERTY,))
    lost = operator.run(*audit)
    assert lost.exit_code == 1
    assert "row_missing" in lost.stdout
    found = operator.audited_as_daily(polled)
    assert {(line["kind"], line["entity"]) for line in found} == {("row_missing", "room")}

    assert operator.run("replay", "--prefix", f"{polled}room/").exit_code == 0
    eventually(lambda: operator.run(*audit).exit_code == 0, "the row again, by replay")


def test_a_delivery_sent_by_hand_becomes_a_row_and_a_stale_one_is_refused(operator: Operator, tmp_path: Path) -> None:
    payload = tmp_path / "one.json"
    payload.write_text(json.dumps(reservation("RSV-HAND")))

    taken = operator.send(payload)
    stale = operator.send(payload, "--at", "2020-01-01")

    assert json.loads(taken.stdout) == {"status": 200, "answer": '{"result": "accepted"}'}
    assert (stale.exit_code, json.loads(stale.stdout)["status"]) == (1, 401)
    eventually(
        lambda: operator.query("SELECT 1 FROM hotel.bookings WHERE external_id = 'RSV-HAND'"), "the delivery's row"
    )


def test_a_refused_record_is_quarantined_and_can_be_retried(operator: Operator, tmp_path: Path) -> None:
    payload = tmp_path / "bad.json"
    payload.write_text(json.dumps(reservation("RSV-BAD", check_out="2026-03-19")))
    assert operator.send(payload).exit_code == 0
    listing = ("quarantine", "list", "--property-id", PROPERTY)
    eventually(lambda: "check_out_not_after_check_in" in operator.run(*listing).stdout, "the quarantined record")

    retried = operator.run("quarantine", "retry", "--property-id", PROPERTY)

    assert retried.exit_code == 0, retried.stderr
    # Nothing was mended, so it is refused again: still one record, and none lost.
    eventually(lambda: operator.status()["queues"][0]["in_flight"] == 0, "the replay")
    assert len(operator.run(*listing, "--json").stdout.splitlines()) == 1


def test_a_hotels_reader_sees_the_rows_of_its_hotel_alone(operator: Operator) -> None:
    with psycopg.connect(operator.local.dsn) as connection:
        connection.execute(
            """INSERT INTO hotel.quarantine (id, source, hotel_id, record_entity, reason, raw_key, mapping_version)
            VALUES (gen_random_uuid(), 'hostpms', 'PT-FAO-078', 'booking', 'malformed_json', 'k', 1)"""
        )
    added = operator.run("database", "reader", "add", "faro-bi", "--hotel", PROPERTY)
    assert added.exit_code == 0, added.stderr

    secret = operator.local.client("secretsmanager").get_secret_value(SecretId=added.stdout.strip())
    with psycopg.connect(postgres.conninfo(secret["SecretString"])) as reader:
        reader.autocommit = True
        for table in TABLES.values():
            count = f"SELECT count(*), count(*) FILTER (WHERE hotel_id <> '{PROPERTY}') FROM hotel.{table}"
            own = f"SELECT count(*), 0 FROM hotel.{table} WHERE hotel_id = '{PROPERTY}'"
            # Rows may still be coming in.
            eventually(lambda c=count, o=own: reader.execute(c).fetchall() == operator.query(o), f"its rows of {table}")

    assert operator.run("database", "reader", "remove", "faro-bi").exit_code == 0
    with psycopg.connect(operator.local.dsn) as connection:
        connection.execute("DELETE FROM hotel.quarantine WHERE hotel_id = 'PT-FAO-078'")
