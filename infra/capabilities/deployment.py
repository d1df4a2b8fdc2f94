"""A new version of a function takes over by and by, and gives way again where an alarm rings.

CloudFormation has CodeDeploy move the function's alias: a share of the calls first, the others when the time is up.
The alarms act on deployments alone and page nobody; those of the stack observability do that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.capabilities.function import PousadaFunction
from infra.capabilities.permissions import allow, of_this_account
from infra.config import AT_ONCE, Shift, StageConfig
from infra.foundation import Foundation
from shared.names import LIVE_ALIAS

MINUTE = Duration.minutes(1)
_MINUTES_LOOKED_AT = 3


@dataclass(frozen=True, slots=True)
class Symptom:
    """``metric``, by the minute, above ``most`` in so many ``minutes`` of the last three: the new version is ill."""

    what: str
    says: str
    metric: cloudwatch.IMetric
    most: float = 0
    minutes: int = 2


class GradualShift(Construct):
    """How the alias of ``function`` moves; ``AllAtOnce`` leaves it to CloudFormation.

    That the function fails is a symptom of each; ``symptoms`` are those of this one besides. The alarms are named
    ``{prefix}-{stage}-rollback-{function}-{symptom}``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        foundation: Foundation,
        function: PousadaFunction,
        shift: Shift,
        symptoms: Sequence[Symptom] = (),
    ) -> None:
        super().__init__(scope, id)
        if shift == AT_ONCE:
            return
        config, folder = foundation.config, function.folder
        alarms = [self._alarm(folder, config, symptom) for symptom in (_errors(function), *symptoms)]
        if foundation.target.gradual_shift:
            self._deploy_by(shift, config.names.function(folder), function, alarms)

    def _alarm(self, folder: str, config: StageConfig, symptom: Symptom) -> cloudwatch.Alarm:
        name = f"rollback-{folder}-{symptom.what}"
        page = f"{config.observability.runbook_url.rstrip('/')}/{name}.md"
        return cloudwatch.Alarm(
            self,
            symptom.what.capitalize(),
            alarm_name=config.names.named(name),
            alarm_description=f"{symptom.says} Rolls back a deployment under way. {page}",
            metric=symptom.metric,
            threshold=symptom.most,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=_MINUTES_LOOKED_AT,
            datapoints_to_alarm=symptom.minutes,
            # Where nobody calls nothing fails; were it otherwise, no deployment would pass in a quiet hour.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    def _deploy_by(
        self, shift: Shift, name: str, function: PousadaFunction, alarms: Sequence[cloudwatch.Alarm]
    ) -> None:
        role = self._role(function)
        group = codedeploy.LambdaDeploymentGroup(
            self,
            "Group",
            application=codedeploy.LambdaApplication(self, "Application", application_name=name),
            deployment_group_name=name,
            alias=function.alias,
            deployment_config=codedeploy.LambdaDeploymentConfig.from_lambda_deployment_config_name(
                self, "Config", f"CodeDeployDefault.Lambda{shift}"
            ),
            alarms=alarms,
            auto_rollback=codedeploy.AutoRollbackConfig(stopped_deployment=True),
            # As it is: CDK would add AWS's managed policy, which moves any function's alias and reads from any bucket.
            role=role.without_policy_updates(),
        )
        group.node.add_dependency(role.node.find_child("DefaultPolicy"))

    def _role(self, function: PousadaFunction) -> iam.Role:
        mine = of_this_account(self)
        trusted = iam.ServicePrincipal("codedeploy.amazonaws.com").with_conditions(mine)
        role = iam.Role(self, "Role", assumed_by=trusted)
        # By name: the alias waits for its deployment group, which waits for this policy.
        moved = [function.function.function_arn, f"{function.function.function_arn}:{LIVE_ALIAS}"]
        allow(role, "lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetProvisionedConcurrencyConfig", on=moved)
        alarms = Stack.of(self).format_arn(
            service="cloudwatch", resource="alarm", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        allow(
            role, "cloudwatch:DescribeAlarms", on=[alarms], why="A list of alarms is allowed for all or none of them."
        )
        return role


def _errors(function: PousadaFunction) -> Symptom:
    return Symptom(
        what="errors",
        says="The function fails: an exception, or out of time.",
        metric=function.alias.metric_errors(period=MINUTE),
        # Once is enough: what it expects it catches, and of a canary's few calls there may not be a second.
        minutes=1,
    )
