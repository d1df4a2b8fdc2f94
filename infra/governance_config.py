"""``governance`` and ``recovery`` of a stage (docs/governance.md, docs/recovery.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from infra.config_section import Cron, Section

Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


class Governance(Section):
    """Who did what (CloudTrail), and what it costs (budget, anomalies)."""

    trail_retention_days: int = Field(365, ge=365, le=3653)
    """So long nobody can delete a log file of the trail; then it goes by itself."""
    trail_lock: Literal["governance", "compliance"] = "compliance"
    """``compliance``: not even the account's root user, and it cannot be undone: the bucket outlives its stack."""
    trail_regions: Literal["all", "own"] = "all"
    """``own``: without what happens in other regions, IAM's events among it, which are told in us-east-1. For the
    second stage of an account, whose first one records them."""
    trail_to_logs: bool = False
    """The trail goes to CloudWatch Logs besides, to be searched at once; by the GB, the dearer of the two."""
    management_events: bool = True
    """Free of charge in the first trail that records a region's. False where the organisation has one already."""
    monthly_budget_usd: int | None = Field(500, ge=1)
    """None: without a budget."""
    anomaly_usd: int = Field(20, ge=1)
    """A day's cost that is so much above what was to be expected is told."""
    notify: tuple[Email, ...] = Field((), max_length=10)
    """Who is told of budget and anomalies."""


class Replica(Section):
    """Where raw objects are copied to as they land: a versioned bucket of another region, or of another account."""

    bucket_arn: str = Field(pattern=r"^arn:aws:s3:::[a-z0-9.-]{3,63}$")
    kms_key_arn: str = Field(pattern=r"^arn:aws:kms:[a-z0-9-]+:\d{12}:key/[0-9a-z-]+$")
    """The key they are encrypted with there."""
    account: str | None = Field(None, pattern=r"^\d{12}$")
    """The bucket's, where it is not the stage's own; the copies are then that account's."""

    @property
    def region(self) -> str:
        return self.kms_key_arn.split(":")[3]


class Recovery(Section):
    """Backups of what cannot be had again from the raw bucket. Nothing leaves the region unless it is said here."""

    schedule: Cron = "cron(30 4 * * ? *)"
    """AWS Backup can begin no backup of a database in RDS's own windows, those of backups and of maintenance, nor in
    the hour before either (infra/capabilities/database.py has them); it begins one within the hour after this."""
    keep_days: int = Field(35, ge=7, le=3653)
    vault_lock: Literal["governance", "compliance"] = "governance"
    """``compliance``: three days after the deployment the lock is final, for everyone."""
    copy_to_region: str | None = Field(None, pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    """The region that takes a copy of each backup, in a vault that the stage's stack ``copies`` has there."""
    replicate_raw_to: Replica | None = None
