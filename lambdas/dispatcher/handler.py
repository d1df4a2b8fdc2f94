"""Every hour: one order to the poll queue for each property and entity that is to be polled."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools.logging import Logger

from shared.errors import Misconfigured
from shared.pipeline.poll_orders import PollOrder
from shared.settings import EnvironmentModel, read
from shared.storage.integrations import Integrations
from shared.storage.poll_queue import PollQueue
from shared.streams import Stream

logger = Logger(service="pousada")


class Settings(EnvironmentModel, frozen=True):
    integrations_table: str
    poll_queue_url: str


class Selection(msgspec.Struct, frozen=True):
    """What the event may narrow the dispatch to; the schedule's event names nothing and means all."""

    vendor: str | None = None
    property_id: str | None = None
    entity: str | None = None

    def takes(self, stream: Stream) -> bool:
        wanted = (self.vendor, self.property_id, self.entity)
        return all(want in (None, has) for want, has in zip(wanted, stream, strict=True))


@cache
def stores() -> tuple[Integrations, PollQueue]:
    settings = read(Settings)
    table = boto3.resource("dynamodb").Table(settings.integrations_table)
    return Integrations(table), PollQueue(settings.poll_queue_url, boto3.client("sqs"))


@logger.inject_lambda_context(log_event=False, clear_state=True)
def handle(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Returns ``{"orders": how many}``. Fails, after all else was ordered, where an integration cannot be read."""
    integrations, queue = stores()
    broken: list[Misconfigured] = []
    sent = queue.send_all(_orders(integrations, msgspec.convert(event, Selection), broken))
    logger.info("polls ordered", orders=sent)
    for error in broken:
        raise error
    return {"orders": sent}


def _orders(integrations: Integrations, selection: Selection, broken: list[Misconfigured]) -> Iterator[PollOrder]:
    try:
        for integration in integrations.active():
            yield from (PollOrder(**s._asdict()) for s in integration.streams if selection.takes(s))
    except Misconfigured as error:
        broken.append(error)
