"""One order of the rotate queue: take a hotel's secrets' ages and rotate what is due; or have that done for each.

Or one step of a rotation that Secrets Manager leads, where a stage has its hotels' secrets there.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from lambdas.rotate import managed, telemetry
from lambdas.rotate.orders import orders
from lambdas.rotate.workplace import OAUTH_CREDENTIALS, WEBHOOK_SECRET, workplace
from shared.errors import Misconfigured
from shared.pipeline import rotation_orders
from shared.pipeline.rotation import rotate
from shared.pipeline.rotation_orders import EveryHotel, HotelRotation

# What failed is reported, not raised: a message comes back alone.
processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


@telemetry.logger.inject_lambda_context(log_event=False, clear_state=True)
def handle(event: dict[str, Any], context: Any) -> Any:
    """SQS event → the messages to be tried again (partial batch response); Secrets Manager's → None, or it raises."""
    deadline = workplace().deadline(context.get_remaining_time_in_millis())
    if "Step" in event:
        return managed.take(event, workplace(), deadline)
    return process_partial_response(event, partial(_take, deadline=deadline), processor)


def _take(record: SQSRecord, deadline: datetime) -> None:
    telemetry.begin(record.message_id)
    try:
        match rotation_orders.decode(record.body):
            case EveryHotel():
                _order_all()
            case HotelRotation() as order:
                _rotate(order, deadline)
    except Exception as error:
        telemetry.failed(error)
        raise


def _order_all() -> None:
    at, broken = workplace(), list[Misconfigured]()
    hotels = orders(at.integrations.all(), at.due, broken, ages_only=at.is_managed)
    telemetry.ordered(at.queue.send_all(hotels), broken)
    telemetry.begun((WEBHOOK_SECRET, OAUTH_CREDENTIALS))


def _rotate(order: HotelRotation, deadline: datetime) -> None:
    telemetry.about(order)
    at = workplace()
    ages = at.ages(order.vendor, order.property_id)
    telemetry.aged(ages)
    if order.ages_only or WEBHOOK_SECRET not in ages:
        return
    leg = rotate(order, at.desk(at.integrations.get(order.property_id, order.vendor), deadline))
    if leg.again_after:
        at.queue.send(order, leg.again_after.total_seconds())
    telemetry.ended(order.vendor, leg)
