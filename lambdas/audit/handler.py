"""One order of the audit queue: account for a hotel's raw objects of some days, or have every hotel's accounted for."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from lambdas.audit import telemetry
from lambdas.audit.orders import hotels, orders
from lambdas.audit.workplace import workplace
from shared.errors import Misconfigured
from shared.pipeline import audit_orders
from shared.pipeline.audit_orders import EveryHotel, HotelAudit
from shared.pipeline.daily_audit import audit_leg
from shared.vendors.registry import VENDORS

# What failed is reported, not raised: a message comes back alone.
processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


@telemetry.logger.inject_lambda_context(log_event=False, clear_state=True)
def handle(event: dict[str, Any], context: Any) -> Any:
    """SQS event → the messages to be tried again (partial batch response)."""
    deadline = workplace().deadline(context.get_remaining_time_in_millis())
    return process_partial_response(event, partial(_take, deadline=deadline), processor)


def _take(record: SQSRecord, deadline: datetime) -> None:
    telemetry.begin(record.message_id)
    try:
        match audit_orders.decode(record.body):
            case EveryHotel():
                _order_all()
            case HotelAudit() as order:
                _audit(order, deadline)
    except Exception as error:
        telemetry.failed(error)
        raise


def _order_all() -> None:
    at, broken = workplace(), list[Misconfigured]()
    found = hotels(VENDORS, at.raw, at.integrations, broken)
    telemetry.ordered(at.queue.send_all(orders(found, at.clock(), at.days, at.grace)), broken)


def _audit(order: HotelAudit, deadline: datetime) -> None:
    telemetry.about(order)
    started = perf_counter()
    leg = audit_leg(order, workplace().desk(deadline))
    # Before it is told: what cannot be sent is done again, and told then.
    if leg.continuation:
        workplace().queue.send(leg.continuation)
    telemetry.ended(order, leg, perf_counter() - started)
