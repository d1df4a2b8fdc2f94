"""Every hour: one order to the poll queue for each property and entity that is to be polled."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools.logging import Logger

from lambdas.dispatcher.orders import Selection, orders
from shared.errors import Misconfigured
from shared.settings import EnvironmentModel, read
from shared.storage.integrations import Integrations
from shared.storage.order_queue import OrderQueue

logger = Logger(service="pousada")


class Settings(EnvironmentModel, frozen=True):
    integrations_table: str
    poll_queue_url: str


@cache
def stores() -> tuple[Integrations, OrderQueue]:
    settings = read(Settings)
    table = boto3.resource("dynamodb").Table(settings.integrations_table)
    return Integrations(table), OrderQueue(settings.poll_queue_url, boto3.client("sqs"))


@logger.inject_lambda_context(log_event=False, clear_state=True)
def handle(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Returns ``{"orders": how many}``. Fails, after all else was ordered, where an integration cannot be read."""
    integrations, queue = stores()
    broken: list[Misconfigured] = []
    sent = queue.send_all(orders(integrations, msgspec.convert(event, Selection), broken))
    logger.info("polls ordered", extra={"orders": sent})
    for error in broken:
        raise error
    return {"orders": sent}
