"""Least privilege, said once: which actions, on what, and why a wildcard stands where one does.

CDK's own ``grant_*`` methods add ``s3:GetObject*`` and its like; here every action is spelled out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from aws_cdk import Acknowledgment, ArnFormat, CfnResource, Stack, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import IConstruct

from infra.config import StageConfig

# A secret's ARN ends in a hyphen and six characters of Secrets Manager's own. A name that is no secret's has none, and
# without leave to ask for it a function would be told "denied" where "not found" is true.
_SECRET_SUFFIXES = ("", "-??????")


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """The finding of one cdk-nag rule on one construct, and why it stands."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def skip_check(construct: IConstruct, check: str, reason: str) -> None:
    """The finding of one of checkov's checks on the one resource of ``construct``, and why it stands."""
    resource = cast(CfnResource, construct.node.default_child or construct)
    skipped = (resource.get_metadata("checkov") or {"skip": []})["skip"]
    resource.add_metadata("checkov", {"skip": [*skipped, {"id": check, "comment": reason}]})


def allow(
    role: iam.Role,
    *actions: str,
    on: Sequence[str],
    why: str = "",
    conditions: Mapping[str, Any] | None = None,
) -> None:
    """One statement for ``role``. ``why``: the reason of a wildcard in one of the ARNs, wherever one is."""
    statement = iam.PolicyStatement(actions=list(actions), resources=list(on), conditions=conditions)
    role.add_to_principal_policy(statement)
    for arn in on:
        shown = _as_nag_writes(Stack.of(role).resolve(arn))
        if "*" in shown:
            if not why:
                raise ValueError(f"{role.node.path}: a wildcard in {shown} needs a reason")
            acknowledge(role, f"AwsSolutions-IAM5[Resource::{shown}]", why)


def _as_nag_writes(arn: Any) -> str:
    """cdk-nag names a finding by its ARN, with ``<AWS::AccountId>`` in place of a reference."""
    match arn:
        case str():
            return arn
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_as_nag_writes(part) for part in parts)
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case _:
            return str(arn)


def of_this_account(scope: IConstruct) -> dict[str, dict[str, str]]:
    """The condition that a service comes for this account, and is not sent by somebody else's."""
    return {"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}


def objects(scope: IConstruct, bucket: str, keys: str = "*") -> str:
    """The ARN of the objects in ``bucket`` (a name) whose key matches ``keys``."""
    return Stack.of(scope).format_arn(service="s3", region="", account="", resource=bucket, resource_name=keys)


def bucket(scope: IConstruct, name: str) -> str:
    return Stack.of(scope).format_arn(service="s3", region="", account="", resource=name)


def table(scope: IConstruct, name: str) -> str:
    return Stack.of(scope).format_arn(service="dynamodb", resource="table", resource_name=name)


def of_rds(scope: IConstruct, resource: str, name: str, region: str | None = None) -> str:
    """The ARN of an instance (``db``) or a ``snapshot``; ``region``: where it is not the stack's own."""
    return Stack.of(scope).format_arn(
        service="rds",
        region=region,
        resource=resource,
        resource_name=name,
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )


def secrets(scope: IConstruct, *names: str) -> list[str]:
    return [
        Stack.of(scope).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=name + suffix,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        for name in names
        for suffix in _SECRET_SUFFIXES
    ]


def may_use_key(role: iam.Role, key: kms.IKey, config: StageConfig) -> None:
    """What reading and writing objects and items under ``key`` takes, and only through S3 and DynamoDB."""
    _allow_key(role, key, config, "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey")


def may_read_with_key(role: iam.Role, key: kms.IKey, config: StageConfig) -> None:
    """What reading alone takes."""
    _allow_key(role, key, config, "kms:Decrypt", "kms:DescribeKey")


def _allow_key(
    role: iam.Role,
    key: kms.IKey,
    config: StageConfig,
    *actions: str,
    services: Sequence[str] = ("s3", "dynamodb"),
) -> None:
    through = [f"{service}.{config.region}.amazonaws.com" for service in services]
    allow(role, *actions, on=[key.key_arn], conditions={"StringEquals": {"kms:ViaService": through}})


_INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
_DESCRIBING = "EC2's describing actions know no resource."
_INTERFACE_LOOK_UPS = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets")


def may_have_interfaces(role: iam.Role, function: str) -> None:
    """Lambda may connect the function of this name to its subnets, as the function's role; its code may not.

    What AWSLambdaVPCAccessExecutionRole allows, in this account and region alone. Lambda asks for no less: whether the
    role may, it finds out before there is an interface to name.
    """
    why = "Lambda makes them, and asks for leave on subnet, group and interfaces that are not there yet."
    allow(role, *_INTERFACES, on=[Stack.of(role).format_arn(service="ec2", resource="*", resource_name="*")], why=why)
    allow(role, *_INTERFACE_LOOK_UPS, on=["*"], why=_DESCRIBING)
    own = Stack.of(role).format_arn(
        service="lambda", resource="function", resource_name=function, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    role.add_to_principal_policy(
        iam.PolicyStatement(
            effect=iam.Effect.DENY,
            actions=[*_INTERFACES, *_INTERFACE_LOOK_UPS],
            resources=["*"],
            conditions={"ArnEquals": {"lambda:SourceFunctionArn": own}},
        )
    )


def may_have_job_interfaces(role: iam.Role, connections: Sequence[str]) -> None:
    """Glue may connect a job of this role to the subnets of its ``connections``, and mark what it made for that."""
    stack = Stack.of(role)
    glue = [("catalog", None), *(("connection", name) for name in connections)]
    named = [stack.format_arn(service="glue", resource=kind, resource_name=name) for kind, name in glue]
    allow(role, "glue:GetConnection", on=named)
    in_ec2 = stack.format_arn(service="ec2", resource="*", resource_name="*")
    why = "Glue makes them, and asks for leave on subnet, group and interfaces that are not there yet."
    allow(role, "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", on=[in_ec2], why=why)
    looking = ("VpcEndpoints", "RouteTables", "NetworkInterfaces", "SecurityGroups", "Subnets", "VpcAttribute")
    allow(role, *(f"ec2:Describe{what}" for what in looking), on=["*"], why=_DESCRIBING)
    interfaces = stack.format_arn(service="ec2", resource="network-interface", resource_name="*")
    mark = {"ForAllValues:StringEquals": {"aws:TagKeys": ["aws-glue-service-resource"]}}
    why = "Glue marks the interfaces that it made, and only with its own tag."
    allow(role, "ec2:CreateTags", "ec2:DeleteTags", on=[interfaces], why=why, conditions=mark)


def may_read_hotel_secrets(role: iam.Role, key: kms.IKey, config: StageConfig, what: str) -> None:
    """The secrets ``{vendor}/{property}/{what}`` of every property, and no other secret; ``key``: of all of them."""
    if config.hotel_secrets.in_table:
        _allow_items(role, config, what, "dynamodb:GetItem")
        _allow_key(role, key, config, "kms:Decrypt", "kms:DescribeKey", services=("dynamodb",))
    else:
        _allow_managed(role, config, what, "secretsmanager:GetSecretValue")
        _allow_key(role, key, config, "kms:Decrypt", services=("secretsmanager",))


def may_rotate_hotel_secrets(role: iam.Role, key: kms.IKey, config: StageConfig, what: str) -> None:
    """As ``may_read_hotel_secrets``, and to give such a secret another value; neither to make nor to delete one."""
    if config.hotel_secrets.in_table:
        _allow_items(role, config, what, "dynamodb:GetItem", "dynamodb:UpdateItem")
        using = ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey")
        _allow_key(role, key, config, *using, services=("dynamodb",))
    else:
        # Secrets Manager's own rotation has the function look at the labels of the versions.
        reading = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")
        changing = ("secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage")
        _allow_managed(role, config, what, *reading, *changing)
        _allow_key(role, key, config, "kms:Decrypt", "kms:GenerateDataKey", services=("secretsmanager",))


def _allow_managed(role: iam.Role, config: StageConfig, what: str, *actions: str) -> None:
    why = f"Each hotel has a {what} of its own, and hotels are onboarded without a deployment."
    allow(role, *actions, on=secrets(role, *_hotel_secrets(config, what)), why=why)


def _hotel_secrets(config: StageConfig, what: str) -> list[str]:
    return [f"{vendor}/*/{what}" for vendor in config.vendors]


def _allow_items(role: iam.Role, config: StageConfig, what: str, *actions: str) -> None:
    """On the items whose partition key is such a secret's name, and on no others."""
    keys = "dynamodb:LeadingKeys"
    # ForAllValues holds of a request without keys as well; Null refuses such a request.
    only = {"ForAllValues:StringLike": {keys: _hotel_secrets(config, what)}, "Null": {keys: "false"}}
    allow(role, *actions, on=[table(role, config.names.hotel_secrets_table)], conditions=only)


def may_put_raw(role: iam.Role, config: StageConfig, channel: str) -> None:
    """New objects of one channel (``webhooks``, ``polling``…). Nobody may delete from the raw bucket."""
    allow(
        role,
        "s3:PutObject",
        on=[objects(role, config.names.raw_bucket, f"{vendor}/*/{channel}/*") for vendor in config.vendors],
        why=f"Every {channel} object has a key of its own, below the hotel's.",
    )


def may_read_raw(role: iam.Role, config: StageConfig) -> None:
    allow(
        role,
        "s3:GetObject",
        on=[objects(role, config.names.raw_bucket)],
        why="It reads whatever object an event, a manifest or a list names.",
    )
    # Without it S3 answers for an object that is not there as for one that may not be read: it would be asked for again
    # and again, and never be known to be gone.
    allow(role, "s3:ListBucket", on=[bucket(role, config.names.raw_bucket)])
