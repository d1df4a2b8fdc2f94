"""Alarms on what all of it runs on: functions, the database, NAT instances, secrets, and the watch itself."""

from __future__ import annotations

from collections.abc import Sequence

from infra.alarms.definition import Alarm, Metric, ours, total
from infra.config import StageConfig

_NOT_CALLED = "A function that is not called does not fail."
NAT = "nat-unreachable"
REBOOTS = "nat-reboot-"
"""Alarms that only reboot a NAT instance begin so, and end with its number. Their page is that of ``NAT``."""


def functions(config: StageConfig, names: Sequence[str]) -> tuple[Alarm, ...]:
    def each(metric: str) -> tuple[Metric, ...]:
        return tuple(Metric("AWS/Lambda", metric, {"FunctionName": name}, "Sum") for name in names)

    most = config.observability.lambda_concurrency
    return (
        Alarm(
            name="function-errors",
            severity="page",
            means="The stage's functions failed more than ten times within five minutes.",
            metrics=each("Errors"),
            expression=total(len(names)),
            threshold=10,
            shown="> 10 in 5 min",
            minutes=5,
            missing="notBreaching",
            why=_NOT_CALLED,
        ),
        Alarm(
            name="functions-throttled",
            severity="warn",
            means="Functions of the stage were refused a place to run, for a quarter of an hour.",
            metrics=each("Throttles"),
            expression=total(len(names)),
            threshold=10,
            shown="> 10 in 5 min, 3 times in a row",
            minutes=5,
            periods=3,
            missing="notBreaching",
            why=_NOT_CALLED,
        ),
        Alarm(
            name="concurrency-near-limit",
            severity="warn",
            means="The account's functions together use more than four fifths of what may run at once.",
            metrics=(Metric("AWS/Lambda", "ConcurrentExecutions"),),
            threshold=0.8 * most,
            shown=f"> {0.8 * most:g}",
            minutes=5,
            periods=2,
            missing="notBreaching",
            why=_NOT_CALLED,
        ),
    )


def database(config: StageConfig) -> tuple[Alarm, ...]:
    instance = {"DBInstanceIdentifier": config.names.database_instance}
    why = "RDS tells nothing of an instance that is away, and apply-behind rings for that."
    return (
        Alarm(
            name="database-cpu",
            severity="warn",
            means="The database's processors are more than four fifths busy.",
            metrics=(Metric("AWS/RDS", "CPUUtilization", instance, "Average"),),
            threshold=80,
            shown="> 80%",
            minutes=5,
            periods=3,
            missing="ignore",
            why=why,
        ),
        Alarm(
            name="database-storage",
            severity="warn",
            means="Less than a fifth of the database's storage is free.",
            # Of what it has at the time: RDS enlarges it by itself.
            metrics=(Metric("AWS/RDS", "FreeStorageSpace", instance, "Minimum"), ours("DatabaseStorageBytes")),
            expression="100 * m0 / m1",
            threshold=20,
            below=True,
            shown="< 20%",
            minutes=max(15, config.watch.every_minutes),
            missing="ignore",
            why=why,
        ),
    )


def nat(instances: Sequence[str]) -> Alarm:
    """``instances``: the ids of the stage's NAT instances. A NAT gateway tells of no checks, and has no alarm."""
    return Alarm(
        name=NAT,
        severity="warn",
        means="A NAT instance has not answered for five minutes: polls and batches wait for the way out.",
        metrics=tuple(Metric("AWS/EC2", "StatusCheckFailed", {"InstanceId": id}) for id in instances),
        # One that was stopped tells nothing, while the others do.
        expression=f"MAX([{', '.join(f'FILL(m{number}, 1)' for number in range(len(instances)))}])",
        threshold=0,
        shown="> 0 checks failed",
        minutes=1,
        periods=5,
        missing="breaching",
        why="An instance that is there is checked every minute: one that tells nothing was stopped or is gone.",
    )


def secrets(config: StageConfig) -> tuple[Alarm, ...]:
    days = config.hotel_secrets.rotate_days
    return (
        _age(
            name="webhook-secrets-old",
            kind="webhook-secret",
            means="A hotel's webhook secret should have been rotated a week ago, or nobody looks.",
            days=days + 7,
        ),
        _age(
            name="credentials-old",
            kind="oauth-credentials",
            means=f"A hotel's OAuth credentials have been in use for more than {days} days, or nobody looks.",
            days=days,
        ),
    )


def _age(*, name: str, kind: str, means: str, days: int) -> Alarm:
    return Alarm(
        name=name,
        severity="warn",
        means=means,
        metrics=(ours("SecretAgeDays", kind=kind),),
        threshold=days,
        shown=f"> {days} days, or untold",
        minutes=24 * 60,
        # Told once a day, and now and then a little later than a day after: one day without it is no silence.
        periods=2,
        missing="breaching",
        why="The daily run tells an age even where there is no hotel: for two days it did not run.",
    )


def watch(config: StageConfig) -> tuple[Alarm, ...]:
    minutes, passes = config.watch.every_minutes, 3
    return (
        Alarm(
            name="watch-silent",
            severity="page",
            means=f"The function watch has ended no pass for {minutes * passes} minutes: most other alarms are blind.",
            # The last that a pass tells: one that fails at any step does not come so far.
            metrics=(ours("RawObjectsUnbatched", "SampleCount"),),
            threshold=1,
            below=True,
            shown=f"no pass in {passes} of its periods",
            minutes=minutes,
            periods=passes,
            missing="breaching",
            why="Its silence is what this alarm is there for.",
        ),
    )
