"""What happens by itself on AWS, at its hours, and on the local target when asked for."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.capabilities.permissions import allow
from infra.foundation import Foundation


def add_schedule(
    scope: Construct,
    id: str,
    *,
    foundation: Foundation,
    name: str,
    group: str,
    expression: str,
    description: str,
    action: str,
    arn: str,
    message: str | None = None,
) -> None:
    """At the hours of ``expression`` the scheduler may and does take ``action`` on the one resource ``arn``."""
    names = foundation.names
    schedules = scheduler.CfnScheduleGroup(scope, "Schedules", name=names.named(group))
    role = iam.Role(scope, "SchedulerRole", assumed_by=_scheduler(Stack.of(scope), names.named(group)))
    # CDK's own target would allow every version of a function besides.
    allow(role, action, on=[arn])
    scheduler.CfnSchedule(
        scope,
        id,
        name=names.named(name),
        group_name=schedules.ref,
        description=description,
        schedule_expression=expression,
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        state="ENABLED" if foundation.target.schedules else "DISABLED",
        target=scheduler.CfnSchedule.TargetProperty(arn=arn, role_arn=role.role_arn, input=message),
    )


def _scheduler(stack: Stack, group: str) -> iam.PrincipalBase:
    """EventBridge Scheduler, at work for this group of schedules and not for somebody else's who names the role."""
    schedules = stack.format_arn(service="scheduler", resource="schedule-group", resource_name=group)
    mine = {"StringEquals": {"aws:SourceAccount": stack.account}, "ArnEquals": {"aws:SourceArn": schedules}}
    return iam.ServicePrincipal("scheduler.amazonaws.com").with_conditions(mine)
