"""One order of the poll queue: poll that stream until its end, or until the time is up."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from lambdas.poller import telemetry
from lambdas.poller.workplace import workplace
from shared.errors import Retry
from shared.pipeline import poll_orders
from shared.pipeline.poll_orders import PollOrder
from shared.pipeline.polling import poll

FIRST_DELAY = 30
LONGEST_DELAY = 900
"""Seconds. Well within the hour: by then the next dispatch orders the same work anyway."""

# What failed is reported, not raised: the messages come back one by one, each after its own delay.
processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


@telemetry.logger.inject_lambda_context(log_event=False, clear_state=True)
def handle(event: dict[str, Any], context: Any) -> Any:
    deadline = workplace().deadline(context.get_remaining_time_in_millis())
    return process_partial_response(event, partial(_take, deadline=deadline), processor)


def _take(record: SQSRecord, deadline: datetime) -> None:
    telemetry.begin(record.message_id)
    try:
        _poll(poll_orders.decode(record.body), deadline)
    except Exception as error:
        telemetry.failed(error)
        if isinstance(error, Retry):
            delay = FIRST_DELAY * 2 ** (int(record.attributes.approximate_receive_count) - 1)
            workplace().queue.postpone(record.receipt_handle, min(delay, LONGEST_DELAY))
        raise


def _poll(order: PollOrder, deadline: datetime) -> None:
    telemetry.about(order.stream)
    integration = workplace().integrations.get(order.property_id, order.vendor)
    if integration.status == "paused":
        telemetry.logger.info("poll skipped: the integration is paused")
        return
    started = perf_counter()
    leg = poll(order, workplace().desk(order.stream, integration, deadline))
    telemetry.ended(order.stream, leg, perf_counter() - started)
    if leg.error:
        raise leg.error
