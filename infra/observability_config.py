"""What cdk.json may say of who is told what, and of what is watched."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from infra.config_section import Section


class Watch(Section):
    """The function watch, which looks at what no event counts (``shared/pipeline/health.py``)."""

    every_minutes: Literal[5, 10, 15, 30] = 5
    """Its schedule; also how soon an alarm on one of its gauges can ring."""
    raw_cycle_minutes: int = Field(120, ge=5, le=720)
    """In how long each hotel's raw objects are looked at once: in half the time, S3 is asked twice as often."""

    @property
    def schedule(self) -> str:
        # At the full minutes: the turns of the hotels are counted by the clock.
        return f"cron(0/{self.every_minutes} * * * ? *)"


_Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
_Endpoint = Annotated[str, Field(pattern=r"^https://\S+$")]


class Observability(Section):
    """Who is told what, and at which sizes. Nobody is, until somebody is named here."""

    page: tuple[_Email | _Endpoint, ...] = ()
    """Whom alarms wake: the ``https://`` address of an incident service, or e-mail addresses."""
    mail: tuple[_Email | _Endpoint, ...] = ()
    """Who reads warnings in the morning."""
    runbook_url: str = "docs/runbook"
    """Stands before an alarm's page in its description; such as ``https://git.example.com/pousada/docs/runbook``."""
    traces: bool = True
    """AWS X-Ray records calls, at 5 USD a million: of deliveries ``traced_deliveries``; of each other function's calls
    one a second, and one in twenty besides, which Lambda decides."""
    traced_deliveries: float = Field(0.05, ge=0, le=1)
    """Their share: 1 is all, for as long as something is looked for."""
    dashboards: bool = True
    """Three of them. CloudWatch gives three to an account for nothing; more cost 3 USD a month each."""
    lambda_concurrency: int = Field(1000, ge=10)
    """The account's quota "Concurrent executions" in the region: the alarm rings at four fifths of it."""

    @field_validator("page", "mail")
    @classmethod
    def _each_is_told_once(cls, told: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({one for one in told if told.count(one) > 1}):
            raise ValueError(f"{', '.join(twice)}: named twice")
        return told
