"""A function that is called by the clock."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.capabilities.permissions import allow


def on_schedule(
    scope: Construct,
    id: str,
    *,
    name: str,
    group: str,
    expression: str,
    function: lambda_.Function,
    description: str,
    enabled: bool,
) -> None:
    """Calls ``function`` whenever ``expression`` says (``infra.config.Schedule``), and does not wait for its answer."""
    schedules = scheduler.CfnScheduleGroup(scope, "Schedules", name=group)
    role = iam.Role(scope, "SchedulerRole", assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"))
    # CDK's own target would allow every version of the function besides.
    allow(role, "lambda:InvokeFunction", on=[function.function_arn])
    scheduler.CfnSchedule(
        scope,
        id,
        name=name,
        group_name=schedules.ref,
        description=description,
        schedule_expression=expression,
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        state="ENABLED" if enabled else "DISABLED",
        target=scheduler.CfnSchedule.TargetProperty(arn=function.function_arn, role_arn=role.role_arn),
    )
