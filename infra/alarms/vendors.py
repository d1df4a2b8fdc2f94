"""Alarms on the vendors' side: deliveries and polls."""

from __future__ import annotations

from infra.alarms.definition import Alarm, Metric, gauge, ours
from infra.config import StageConfig
from shared.names import API_STAGE

_QUIET = "Nobody delivered anything: a quiet hour is no failure."


def webhooks(config: StageConfig) -> tuple[Alarm, ...]:
    api = {"ApiName": config.names.webhook_api, "Stage": API_STAGE}
    return (
        Alarm(
            name="webhook-slow",
            severity="warn",
            means="The slowest hundredth of deliveries waits for more than a second.",
            metrics=(Metric("AWS/ApiGateway", "Latency", api, "p99"),),
            threshold=1000,
            shown="p99 > 1 s",
            minutes=5,
            periods=3,
            missing="notBreaching",
            why=_QUIET,
        ),
        Alarm(
            name="webhook-errors",
            severity="page",
            means="More than a twentieth of deliveries is answered 5xx; vendors try again, and give up some time.",
            metrics=(Metric("AWS/ApiGateway", "5XXError", api, "Average"),),
            threshold=0.05,
            shown="> 5%",
            minutes=5,
            periods=2,
            missing="notBreaching",
            why=_QUIET,
        ),
        Alarm(
            name="webhooks-refused",
            severity="warn",
            means="More than a twentieth of deliveries is answered 4xx, whoever refuses them.",
            metrics=(Metric("AWS/ApiGateway", "4XXError", api, "Average"),),
            threshold=0.05,
            shown="> 5%",
            minutes=5,
            periods=3,
            missing="notBreaching",
            why=_QUIET,
        ),
        Alarm(
            name="signatures-refused",
            severity="page",
            means="A burst of deliveries whose signatures do not verify: a rotated secret, or an attack.",
            metrics=(ours("SignatureRefused", "Sum"),),
            threshold=10,
            shown="> 10",
            minutes=15,
            missing="notBreaching",
            why="It is counted only where a signature is refused.",
        ),
    )


def syncs(config: StageConfig) -> tuple[Alarm, ...]:
    return (
        gauge(
            config,
            "IntegrationsDown",
            name="integration-down",
            severity="page",
            means="Of at least one hotel nothing has come for five minutes, neither polled nor delivered.",
            threshold=0,
            shown="> 0 hotels, each for 5 min",
        ),
        gauge(
            config,
            "PollsFailingInARow",
            name="polling-failing",
            severity="page",
            means="A list of a hotel that is not down could not be polled twice in a row.",
            threshold=1,
            shown="> 1 run",
            # A hotel all of whose lists begin to fail is down by the second pass, and counts there alone from then on.
            periods=2,
        ),
        gauge(
            config,
            "SyncFailurePercent",
            name="sync-failures",
            severity="page",
            means="Of more than a tenth of all lists the last poll failed.",
            threshold=10,
            shown="> 10%",
            periods=3,
        ),
        gauge(
            config,
            "SyncLagMinutes",
            name="sync-lag",
            severity="page",
            means="A list of a hotel is more than two hours behind its schedule.",
            threshold=120,
            shown="> 2 h",
        ),
        gauge(
            config,
            "SyncLagMinutes",
            name="sync-lag-warning",
            severity="warn",
            means="A list of a hotel is more than half an hour behind its schedule.",
            threshold=30,
            shown="> 30 min",
        ),
    )
