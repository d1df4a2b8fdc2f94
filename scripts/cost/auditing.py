"""What CloudTrail costs: the data events that a trail records, its files, and its log group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.cost import figures as f
from scripts.cost import prices as p
from scripts.cost.charges import Charge
from scripts.cost.month import GB, Month
from scripts.cost.templates import Resource
from scripts.cost.traffic import DAYS


def trails(month: Month) -> Iterator[Charge]:
    """The first copy of management events is free, whether a trail has it or not."""
    for trail in month.resources.of("AWS::CloudTrail::Trail"):
        events = [Charge("CloudTrail", what, count, p.TRAIL_DATA_EVENT) for what, count in _events(trail, month)]
        yield from events
        taken = sum(it.quantity for it in events) * f.TRAIL_EVENT_BYTES.value / GB
        files = taken * f.TRAIL_COMPRESSED.value * min(month.traffic.months, _days_kept(month) / DAYS)
        yield Charge("S3", "the trail's files stored", files, p.S3_STANDARD)
        if "CloudWatchLogsLogGroupArn" in trail.properties:
            yield Charge("CloudWatch", "the trail, as logs", taken, p.LOG_GB)


def _events(trail: Resource, month: Month) -> Iterator[tuple[str, float]]:
    """What is recorded, and how often."""
    for selector in _selectors(trail):
        if "AWS::DynamoDB::Table" in selector.types and month.secrets_in_table:
            yield "hotels' secrets read", month.hotel_secrets
        if "AWS::S3::Object" in selector.types:
            # The raw bucket's, and the processed one's: a batch writes a file for each entity.
            yield "objects written", month.traffic.objects + 4 * month.batches
            if selector.reads:
                yield "objects read", month.raw_gets
                yield "keys listed", month.raw_lists


class _Selector:
    """Of data events, in either of the ways in which CloudFormation has them written."""

    def __init__(self, types: str, *, reads: bool) -> None:
        self.types, self.reads = types, reads


def _selectors(trail: Resource) -> Iterator[_Selector]:
    for plain in trail.properties.get("EventSelectors", ()):
        yield _Selector(str(plain.get("DataResources", "")), reads=plain.get("ReadWriteType") != "WriteOnly")
    for advanced in trail.properties.get("AdvancedEventSelectors", ()):
        yield _Selector(str(advanced), reads=not any(map(_leaves_reads_out, advanced["FieldSelectors"])))


def _leaves_reads_out(field: Mapping[str, Any]) -> bool:
    return field.get("Field") == "readOnly" and field.get("Equals") == ["false"]


def _days_kept(month: Month) -> float:
    """By the bucket's lifecycle; for ever where it has none."""
    buckets = (it for it in month.resources.of("AWS::S3::Bucket") if it.text("BucketName").endswith("-audit-trail"))
    rules = (rule for it in buckets for rule in it.properties.get("LifecycleConfiguration", {}).get("Rules", ()))
    return min((float(rule["ExpirationInDays"]) for rule in rules if "ExpirationInDays" in rule), default=float("inf"))
