"""The custom metrics: each distinct set of a name and its dimensions' values is one, and billed as one."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.cost import figures as f
from scripts.cost.traffic import Traffic

Dimensions = tuple[str, ...]

METRICS: Mapping[str, Mapping[str, Dimensions]] = {
    "webhook": {
        "DeliveryAccepted": ("vendor",),
        "DeliveryDuplicate": ("vendor",),
        "DeliveryRefused": ("vendor", "reason"),
        "DeliveryFailed": ("vendor", "reason"),
        "SignatureRefused": (),
    },
    "poller": dict.fromkeys(("PollFetched", "PollFailed"), ("vendor", "entity")),
    "apply": {
        "RecordsApplied": (),
        "RowsWritten": (),
        "ApplyFailed": (),
        "WebhookToRowMs": (),
        "RecordsRefused": ("vendor", "reason"),
        "RecordsWarned": ("reason",),
    },
    "etl": dict.fromkeys(("BatchesStored", "JobRunsStarted", "EtlDurationMs", "EtlRecords", "EtlRecordsRefused"), ()),
    "watch": {
        **dict.fromkeys(("WatchedHotels", "SyncFailurePercent"), ()),
        **dict.fromkeys(
            ("IntegrationsDown", "PollsFailingInARow", "SyncLagMinutes"),
            ("vendor and all",),
        ),
        **dict.fromkeys(
            ("DeadLetters", "OldestPendingManifestMinutes", "DatabaseStorageBytes", "RawObjectsUnbatched"), ()
        ),
    },
    "rotate": {
        "SecretAgeDays": ("kind",),
        "SecretsRotated": ("vendor",),
        "SecretsUntold": ("vendor",),
    },
    "audit": dict.fromkeys(("AuditedHotels", "AuditedObjects", "AuditedRecords", "AuditFindings"), ("vendor",)),
}
"""What each function counts, with the dimensions that multiply it. An entity and rule stand for a reason there."""


_DAILY = ("audit", "rotate")
"""Functions that are called once a day, for all hotels one after another."""


def billed(function: str, traffic: Traffic) -> float:
    """Custom metrics of ``function``, each by the hours of the month in which it is told."""
    share = f.DAILY_METRIC_HOURS.value / 24 if function in _DAILY else 1.0
    return share * counted(function, traffic)


def counted(function: str, traffic: Traffic) -> float:
    """How many custom metrics ``function`` comes to."""
    values = {
        "vendor": traffic.vendors,
        "vendor and all": traffic.vendors + 1,
        "entity": f.ENTITIES_POLLED.value,
        "reason": f.REASONS.value,
        # A hotel's webhook secret, and its credentials.
        "kind": 2,
    }
    total = 0.0
    for dimensions in METRICS.get(function, {}).values():
        product = 1.0
        for dimension in dimensions:
            product *= values[dimension]
        total += product
    return total
