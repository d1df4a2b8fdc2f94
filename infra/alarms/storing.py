"""Alarms on what becomes of raw objects: batches, rows, the quarantine, and the proofs that nothing is lost."""

from __future__ import annotations

from infra.alarms.definition import Alarm, Metric, gauge, ours, total
from infra.config import StageConfig

_FOLLOWS = "storing-troubled"
_NO_BATCH = "No batch was done in that time, so no record was refused in one."


def batches(config: StageConfig) -> tuple[Alarm, ...]:
    return (
        Alarm(
            name="apply-behind",
            severity="page",
            means="Deliveries wait for more than a quarter of an hour to become rows: mostly the database is away.",
            metrics=(Metric("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": config.names.live_queue}),),
            threshold=900,
            shown="> 15 min",
            minutes=5,
            periods=2,
            missing="notBreaching",
            why="SQS tells nothing of a queue that has been empty for hours.",
        ),
        Alarm(
            name="etl-slow",
            severity="warn",
            means="An hour's batches took longer than a quarter of an hour.",
            metrics=(ours("EtlDurationMs"),),
            threshold=15 * 60 * 1000,
            shown="> 15 min",
            minutes=5,
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
            cause=_FOLLOWS,
        ),
        gauge(
            config,
            "DeadLetters",
            name="dead-letters",
            severity="page",
            means="A message was tried ten times, or a function failed three times over, and was set aside.",
            threshold=0,
            shown="> 0",
            cause=_FOLLOWS,
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
            why="The watch did not run: watch-silent rings for that, and this alarm stays as it was.",
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
            periods=25,
            missing="breaching",
            why="Neither audit nor watch said anything for a day: that is what it is there for.",
        ),
    )
