"""What backups take: the vaults', and RDS's own beyond what is free."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.cost import figures as f
from scripts.cost import prices as p
from scripts.cost.charges import Charge, Unpriced
from scripts.cost.month import GB, Month
from scripts.cost.traffic import DAYS


def backups(month: Month) -> Iterator[Charge]:
    """Raises Unpriced for a table whose size nobody has said."""
    selected = _selected(month)
    tables_gb = sum(_table_gb(name, month) for name in selected if ":table/" in name)
    stored, changed = (month.stored_gb, _changed_gb(month)) if any(":db:" in name for name in selected) else (0.0, 0.0)
    for rule in _rules(month):
        # A table's backup is a copy of all of it, a database's of what has changed since the one before.
        lives = [_days(rule), *(_days(copy) for copy in rule.get("CopyActions", ()))]
        yield Charge("Backup", "the tables, in its vaults", sum(lives) * tables_gb, p.BACKUP_TABLE_GB)
        kept = sum(stored + days * changed for days in lives)
        yield Charge("Backup", "the database, in its vaults", kept, p.BACKUP_GB)
        sent = (len(lives) - 1) * DAYS * (tables_gb + changed)
        yield Charge("Backup", "to the other region", sent, p.BETWEEN_REGIONS_GB)


def rds_backups(month: Month) -> Iterator[Charge]:
    """As much as the database's storage is free."""
    for database in month.resources.of("AWS::RDS::DBInstance"):
        kept = month.stored_gb + database.number("BackupRetentionPeriod", 0) * _changed_gb(month)
        free = max(database.number("AllocatedStorage"), 1.3 * month.stored_gb)
        yield Charge("RDS", "own backups, beyond the free", max(0.0, kept - free), p.RDS_BACKUP_GB)


def _changed_gb(month: Month) -> float:
    """Of the database in a day."""
    return month.traffic.deliveries / DAYS * f.CHANGED_BYTES.value / GB


def _selected(month: Month) -> list[str]:
    return [
        json.dumps(arn)
        for selection in month.resources.of("AWS::Backup::BackupSelection")
        for arn in selection.properties["BackupSelection"].get("Resources", ())
    ]


def _rules(month: Month) -> Iterator[Mapping[str, Any]]:
    for plan in month.resources.of("AWS::Backup::BackupPlan"):
        yield from plan.properties["BackupPlan"]["BackupPlanRule"]


def _days(kept: Mapping[str, Any]) -> float:
    """How many nights' backups there are."""
    days = kept.get("Lifecycle", {}).get("DeleteAfterDays")
    if days is None:
        raise Unpriced("no price for backups that are kept for ever: scripts/cost/backups.py")
    return float(days)


def _table_gb(arn: str, month: Month) -> float:
    sizes = {
        "integrations": f.INTEGRATION_BYTES.value,
        # One to verify its deliveries, one to read its lists.
        "hotel-secrets": 2 * f.SECRET_BYTES.value if month.secrets_in_table else 0.0,
    }
    for ending, size in sizes.items():
        if f"-{ending}" in arn:
            return month.traffic.hotels * size / GB
    raise Unpriced(f"no size is known of the table {arn} that is backed up: say it in scripts/cost/backups.py")
