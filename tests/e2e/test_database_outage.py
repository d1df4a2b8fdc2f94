"""PostgreSQL out of reach while webhooks come in: what lies in the raw bucket is accepted, and becomes rows later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from scripts.cli.queues import Queue
from scripts.local import processes
from scripts.local.stack import LocalStack
from shared.names import WRITER_LOGIN
from tests.e2e.hotels import Hotel
from tests.e2e.logs import log_lines
from tests.e2e.waiting import eventually, until_applied
from tests.factories import record, text

PROPERTY = "PT-SNT-601"
RESERVATIONS = [f"RSV-{number}" for number in range(1, 6)]
REDELIVERY_SECONDS = 6


@contextmanager
def database_out_of_reach(local: LocalStack) -> Iterator[None]:
    """Nothing answers where the secret of the live path leads, and the connections there are break."""
    secrets, name = local.client("secretsmanager"), local.names.login_secret(WRITER_LOGIN)
    right = secrets.get_secret_value(SecretId=name)["SecretString"]
    wrong = json.loads(right) | {"port": processes.free_port()}
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps(wrong))
    try:
        with psycopg.connect(local.dsn) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pousada-%'"
            )
        yield
    finally:
        secrets.put_secret_value(SecretId=name, SecretString=right)


@contextmanager
def redelivering_soon(local: LocalStack) -> Iterator[None]:
    """What fails on the live path comes back in seconds, not in a minute."""
    sqs = local.client("sqs")
    url = sqs.get_queue_url(QueueName=local.names.live_queue)["QueueUrl"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(REDELIVERY_SECONDS)})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


def test_deliveries_are_accepted_without_postgresql_and_become_rows_when_it_is_back(deployed: LocalStack) -> None:
    hotel = Hotel(deployed, PROPERTY).take_in()
    # With a connection open, so that one breaks.
    hotel.accepts(text(record("booking", reservation_id="RSV-BEFORE", property_id=PROPERTY)))
    eventually(lambda: hotel.row("booking", "RSV-BEFORE"), "the row before the outage")
    landed_before = hotel.raw_objects().keys()

    def given_up() -> set[str]:
        lines = log_lines(deployed, "apply")
        return {str(line["raw_key"]) for line in lines if line.get("message") == "not applied"}

    def booked() -> set[str]:
        return {row["external_id"] for row in hotel.rows("booking")}

    with redelivering_soon(deployed):
        with database_out_of_reach(deployed):
            for name in RESERVATIONS:
                hotel.accepts(text(record("booking", reservation_id=name, property_id=PROPERTY)))
            landed = hotel.raw_objects().keys() - landed_before
            eventually(lambda: landed <= given_up(), "every delivery to have been tried in vain")
            assert booked() == {"RSV-BEFORE"}

        eventually(lambda: {"RSV-BEFORE", *RESERVATIONS} == booked(), "every delivery's row after the outage")
        until_applied(deployed)

    assert len(landed) == len(RESERVATIONS)
    sqs, names = deployed.client("sqs"), deployed.names
    assert Queue(sqs, names.dead_letters_of(names.live_queue)).depth().total == 0
