"""What the sections of cdk.json have in common (infra/config.py)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Schedule = Annotated[str, Field(pattern=r"^(cron|rate)\(.+\)$")]
"""As EventBridge writes it, in UTC: ``cron(0 * * * ? *)``, ``rate(1 hour)``."""
Cron = Annotated[str, Field(pattern=r"^cron\(\S+( \S+){5}\)$")]
"""The same where there is no rate: at an hour of the day, six fields."""


class Section(BaseModel):
    """A field that is not known here is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
