"""What may differ between AWS and an embedded AWS. Every default is AWS; ``local_target`` has the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aws_cdk import RemovalPolicy


def _regional_endpoint(api_id: str, region: str, stage: str) -> str:
    return f"https://{api_id}.execute-api.{region}.amazonaws.com/{stage}"


@dataclass(frozen=True, slots=True)
class Target:
    """A resource or property that only some targets have, by name."""

    # Retained, but not when its very creation fails: a second try would find the name taken.
    removal: RemovalPolicy = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
    deletion_protection: bool = True
    network: bool = True
    """Functions and job run in a network of the stage's own, and so does the database."""
    packages: bool = True
    """The third-party packages travel with the deployment: the functions' layers, the job's wheels."""
    firewall: bool = True
    governance: bool = True
    """The stack of that name: trail, budget, backups."""
    schedules: bool = True
    """The hourly poll and the hourly batches happen by themselves."""
    gradual_shift: bool = True
    """CodeDeploy moves a function's alias; else CloudFormation does, all at once."""
    job_command: str = "glueetl"
    job_timeout: int | None = None
    """In place of the configured minutes."""
    job_security: bool = True
    """A Glue security configuration: job bookmarks and logs encrypted with the stage's key."""
    job_arguments: Mapping[str, str] = field(default_factory=dict)
    metric_maths: bool = True
    """Alarms on what several metrics come to; where there are none, on one metric of the alarm's own name."""
    trace_sampling: bool = True
    """A rule says how many deliveries are traced."""
    composite_alarms: bool = True
    """What follows from another alarm is silent beside it; where there are none, each alarm pages by itself."""
    views: bool = True
    named_queries: bool = True
    api_url: Callable[[str, str, str], str] = _regional_endpoint
    """``(api id, region, stage)`` to the API's address."""


AWS = Target()
