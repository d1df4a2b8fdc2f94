"""Alarms on what becomes of raw objects: batches, rows, the quarantine, and the proofs that nothing is lost."""

from __future__ import annotations

from math import ceil

from infra.alarms.definition import WATCH_SILENT, Alarm, Metric, gauge, ours, total
from infra.config import VISIBILITY_PER_TIMEOUT, StageConfig

_FOLLOWS = "apply-behind"
_MINUTES = 5
_A_DAY_AND_AN_HOUR = 25
_NO_BATCH = "No batch was done in that time, so no record was refused in one."


def rows(config: StageConfig) -> tuple[Alarm, ...]:
    """Of the queue's age SQS leaves out what was received three times and more, which with the database away is all:
    what failed is counted besides (SQS Developer Guide, "Available CloudWatch metrics", ApproximateAgeOfOldestMessage).
    """
    names, one = config.names, _tries_of_one(config)
    return (
        Alarm(
            name="apply-behind",
            severity="page",
            means="Deliveries do not become rows, for a quarter of an hour: mostly the database is away.",
            metrics=(
                Metric("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": names.live_queue}),
                ours("ApplyFailed", "Sum"),
                # Where it is out of time it counts nothing itself.
                Metric("AWS/Lambda", "Errors", {"FunctionName": names.function("apply")}, "Sum"),
            ),
            expression=f"MAX([FILL(m0, 0) / 900, {total(2, first=1)} / {one}])",
            threshold=1,
            shown=f"oldest > 15 min, or > {one} failed tries in 5 min",
            minutes=_MINUTES,
            # A failover is over within two of them, the tries again after it included.
            periods=3,
            missing="notBreaching",
            why="SQS tells nothing of a queue that has been empty for hours, and what is not called does not fail.",
        ),
    )


def _tries_of_one(config: StageConfig) -> int:
    """How often one message can fail in a period: a single one that always fails is a dead letter, and no outage."""
    apart = config.live.timeout_seconds * VISIBILITY_PER_TIMEOUT + config.live.window_seconds
    return ceil(_MINUTES * 60 / apart)


def batches(config: StageConfig) -> tuple[Alarm, ...]:
    return (
        Alarm(
            name="etl-slow",
            severity="warn",
            means="An hour's batches took longer than a quarter of an hour.",
            metrics=(ours("EtlDurationMs"),),
            threshold=15 * 60 * 1000,
            shown="> 15 min",
            minutes=_MINUTES,
            missing="notBreaching",
            why="It is told once an hour; that nothing is done at all, manifests-pending says.",
        ),
        gauge(
            config,
            "OldestPendingManifestMinutes",
            name="manifests-pending",
            severity="page",
            means="A batch has waited for more than two hours: the hourly runs fail, or there are none.",
            threshold=120,
            shown="> 2 h",
            follows=_FOLLOWS,
        ),
        gauge(
            config,
            "DeadLetters",
            name="dead-letters",
            severity="page",
            means="A message was tried ten times, or a function failed three times over, and was set aside.",
            threshold=0,
            shown="> 0",
            follows=_FOLLOWS,
        ),
        Alarm(
            name="validation-errors",
            severity="warn",
            means="More than a hundredth of an hour's records breaks a rule or cannot be read.",
            metrics=(ours("EtlRecords", "Sum"), ours("EtlRecordsRefused", "Sum")),
            expression="IF(m0 > 0, 100 * m1 / m0, 0)",
            threshold=1,
            shown="> 1%",
            minutes=60,
            missing="notBreaching",
            why=_NO_BATCH,
        ),
        Alarm(
            name="quarantine-growing",
            severity="warn",
            means="More than ten records went into the quarantine within an hour.",
            metrics=(ours("EtlRecordsRefused", "Sum"),),
            threshold=10,
            shown="> 10 an hour",
            minutes=60,
            missing="notBreaching",
            why=_NO_BATCH,
        ),
    )


def proofs(config: StageConfig) -> tuple[Alarm, ...]:
    found = tuple(ours("AuditFindings", "Sum", vendor=vendor) for vendor in config.vendors)
    audited = tuple(ours("AuditedHotels", "Sum", vendor=vendor) for vendor in config.vendors)
    return (
        Alarm(
            name="raw-unbatched",
            severity="page",
            means="Raw objects that landed more than two hours ago are in no manifest: data loss in the making.",
            metrics=(ours("RawObjectsUnbatched"),),
            threshold=0,
            shown="> 0, landed 2 h ago",
            minutes=config.watch.every_minutes,
            # Each hotel has one turn in a cycle: until the next, the alarm would be over at the very next pass.
            periods=max(config.watch.raw_cycle_minutes // config.watch.every_minutes, 1),
            enough=1,
            missing="ignore",
            why=WATCH_SILENT,
        ),
        Alarm(
            name="audit-findings",
            severity="page",
            means="The daily audit found raw records that are neither rows nor in the quarantine.",
            metrics=found,
            expression=total(len(found)),
            threshold=0,
            shown="> 0",
            minutes=60,
            # Told once a day: until the next audit the alarm would be over, with nothing mended.
            periods=_A_DAY_AND_AN_HOUR,
            enough=1,
            missing="notBreaching",
            why="The audit runs once a day; that it did not run at all, audit-missing says.",
        ),
        Alarm(
            name="audit-missing",
            severity="page",
            means="For a day no hotel was audited to its end, though there are some: nothing is proved of that day.",
            metrics=(ours("WatchedHotels"), *audited),
            expression=f"IF(m0 > 0, {total(len(audited), first=1)}, 1)",
            threshold=1,
            below=True,
            shown="no hotel in 25 h",
            # By the hour, so that neither the day's own beginning nor that of the stage's first hotel counts.
            minutes=60,
            periods=_A_DAY_AND_AN_HOUR,
            missing="breaching",
            why="Neither audit nor watch said anything for a day: that is what it is there for.",
        ),
    )
