"""The rules of least privilege: each takes policies and returns what breaks it, in words.

The tables say who may what, and why. What is not in one is not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from tests.infra.conditions import account_of, is_bounded, is_for_this_account, is_this_account
from tests.infra.policies import ACCOUNT, Policies, Statement
from tests.infra.simulator import may

Rule = Callable[[Policies], list[str]]

WITHOUT_RESOURCE: Mapping[str, tuple[str, str]] = {
    "xray:PutTraceSegments": ("", "AWS X-Ray defines no resource for it (Service Authorization Reference)"),
    "xray:PutTelemetryRecords": ("", "AWS X-Ray defines no resource for it (Service Authorization Reference)"),
    "cloudwatch:PutMetricData": ("cloudwatch:namespace", "CloudWatch defines no resource for it, but a condition key"),
    **{
        f"ec2:Describe{what}": ("", "EC2's describing actions know no resource (Service Authorization Reference)")
        for what in (
            *("NetworkInterfaces", "Subnets", "RouteTables", "SecurityGroups", "VpcAttribute", "VpcEndpoints"),
        )
    },
}
"""Actions that know no resource but ``*`` → the condition key that bounds them instead (or empty), and the reason."""

UNNAMED: Mapping[str, str] = {
    "cloudwatch:DescribeAlarms": "a list of alarms is allowed for all of them or for none; it only reads",
    **{
        f"ec2:{verb}": "Lambda and Glue make interfaces as they need them, and ask before there is one to name"
        for verb in (
            *("CreateNetworkInterface", "DeleteNetworkInterface", "CreateTags", "DeleteTags"),
            *("AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"),
        )
    },
}
"""Actions on resources that are named only once they are there → why. Account and region are named all the same."""

BY_ALIAS = frozenset({"kms:DescribeKey", "kms:CreateGrant"})
"""What may be done with a key that only a condition on its alias names."""

AWS_POLICIES: Mapping[str, str] = {
    "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs": (
        "API Gateway checks its one role of the account and region against what this policy allows"
    ),
}

SELF: Mapping[str, str] = {
    "AWS::SecretsManager::ResourcePolicy": "in a secret's policy * is that secret",
    "AWS::Backup::BackupVault": "in a vault's policy * is what the vault holds",
}
"""Types in whose own policy ``*`` names the resource itself."""

UNCONDITIONAL_TRUST: Mapping[str, str] = {
    "lambda.amazonaws.com": "a role is given to a function by iam:PassRole, which ends at its own account",
    "glue.amazonaws.com": "a role is given to a job by iam:PassRole, which ends at its own account",
    "rds.amazonaws.com": "a role is given to a proxy by iam:PassRole, which ends at its own account",
    "backup.amazonaws.com": "a role is given to a selection by iam:PassRole, which ends at its own account",
    "s3.amazonaws.com": "a role is given to a replication by iam:PassRole, which ends at its own account",
    "ec2.amazonaws.com": "a role is given to an instance by iam:PassRole, which ends at its own account",
    "apigateway.amazonaws.com": "the role is the account's own setting; no other account can name it",
    "cloudtrail.amazonaws.com": (
        "its role for CloudWatch Logs supports no condition on whom it comes for (CloudTrail User Guide, role policy"
        " document for CloudWatch Logs); a role is given to a trail by iam:PassRole, which ends at its own account"
    ),
}
"""Services whose trust needs no ``aws:SourceAccount``; any other could be sent here by somebody else's account."""

AWS_BUCKETS: Mapping[str, tuple[str, str]] = {
    r"cloudformation-custom-resource-response-[a-z0-9]+": ("s3:PutObject", "where CloudFormation waits for an answer"),
    r"aws-glue-\*": ("s3:GetObject", "what Glue starts with; no list of its buckets is published"),
}
"""AWS's own buckets that the network leads to → to do what, and why."""

MAY_PASS_ROLES: Mapping[str, str] = {}
"""Who may hand a role to a service → why."""


def no_wildcard_in_an_action(policies: Policies) -> list[str]:
    return [
        str(s)
        for s in policies.statements
        if s.effect == "Allow"
        and s.kind != "boundary"
        and (s.inverted or any("*" in a or "?" in a for a in s.actions))
        and not is_key_root(s)
    ]


def is_key_root(statement: Statement) -> bool:
    """The statement by which a key obeys the account's policies: without it nobody could ever change the key again."""
    return (
        statement.guarded == "AWS::KMS::Key"
        and statement.actions == ("kms:*",)
        and statement.principals == (("AWS", f"arn:aws:iam::{ACCOUNT}:root"),)
    )


def no_resource_left_open(policies: Policies) -> list[str]:
    return [*_open_to_roles(policies), *(str(s) for s in policies.of("resource") if _is_open(s))]


def _is_open(statement: Statement) -> bool:
    return "*" in statement.resources and statement.guarded not in SELF


def _open_to_roles(policies: Policies) -> Iterator[str]:
    namespaces = {"Glue", policies.path}
    for s in policies.of("identity"):
        named = (one for one in s.resources if one != "*")
        if s.inverted or any(_names_nothing(one) and not _is_unnamed(s, one, policies) for one in named):
            yield str(s)
        elif "*" in s.resources:
            for action in s.actions:
                bound, _ = WITHOUT_RESOURCE.get(action, ("nothing", ""))
                if bound and not is_bounded(s, bound, namespaces.__contains__):
                    yield f"{s.holder} ({s.where}): {action} on *"


def _is_unnamed(statement: Statement, resource: str, policies: Policies) -> bool:
    """A key of another region is known by its alias alone, which has no wildcard then."""
    here = resource.split(":")[3:5]
    by_alias = is_bounded(statement, "kms:ResourceAliases", lambda alias: _is_alias(alias, policies.prefix))
    unnamed = set(statement.actions) <= (BY_ALIAS if by_alias else UNNAMED.keys())
    return unnamed and all(part and "*" not in part for part in here)


def _is_alias(alias: str, prefix: str) -> bool:
    return alias.startswith(f"alias/{prefix}") and not {"*", "?"} & {*alias}


def _names_nothing(resource: str) -> bool:
    """``arn:aws:s3:::*``, ``…:table/*``: any resource of the service, whosever it is."""
    _, _, service, _, _, name = resource.split(":", 5) if resource.count(":") >= 5 else ("",) * 5 + (resource,)
    named = name if service in ("s3", "sns", "sqs") else re.split("[:/]", name.lstrip("/"), maxsplit=1)[-1]
    return named.startswith(("*", "?"))


def only_named_policies_of_aws(policies: Policies) -> list[str]:
    return [f"{holder}: {arn}" for holder, arn in policies.managed if arn not in AWS_POLICIES]


def roles_are_passed_by_whom_it_is_said(policies: Policies) -> list[str]:
    return [
        holder
        for holder in sorted(policies.holders() - MAY_PASS_ROLES.keys())
        if may(policies, holder, "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/*")
    ]


def a_function_is_called_by_one_source(policies: Policies) -> list[str]:
    return [
        f"{one.where}: {one.properties.get('Principal')}"
        for one in policies.permissions
        if not _names_its_source(one.properties)
    ]


def _names_its_source(properties: Mapping[str, str]) -> bool:
    accounts = {properties.get("SourceAccount", ""), account_of(properties.get("SourceArn", ""))}
    return (
        properties["Action"] == "lambda:InvokeFunction"
        and properties["Principal"].endswith(".amazonaws.com")
        and accounts - {""} == {ACCOUNT}
        and properties.get("FunctionUrlAuthType") != "NONE"
    )


def nothing_is_open_to_everybody(policies: Policies) -> list[str]:
    return [
        str(s)
        for s in (*policies.of("resource"), *policies.of("trust"))
        for kind, name in s.principals
        if name == "*" or (kind == "AWS" and ACCOUNT not in (name, account_of(name)))
    ]


def a_way_out_leads_to_this_account(policies: Policies) -> list[str]:
    """Else who takes over a function could carry off data into a bucket of their own, by the network's own endpoint."""
    return [
        str(s)
        for s in policies.of("boundary")
        if s.inverted or not (is_bounded(s, "aws:ResourceAccount", is_this_account) or _is_of_aws(s))
    ]


def _is_of_aws(statement: Statement) -> bool:
    buckets = {resource.removeprefix("arn:aws:s3:::").partition("/")[0] for resource in statement.resources}
    return all(
        any(re.fullmatch(name, bucket) and statement.actions == (action,) for name, (action, _) in AWS_BUCKETS.items())
        for bucket in buckets
    )


def a_service_comes_in_for_this_account(policies: Policies) -> list[str]:
    """What a service may do by a resource's policy, it does for whoever asks it: the policy says for whom."""
    return [
        str(s)
        for s in policies.of("resource")
        if any(kind == "Service" for kind, _ in s.principals) and not is_for_this_account(s)
    ]


def a_role_trusts_one_service(policies: Policies) -> list[str]:
    return [str(s) for s in policies.of("trust") if not _trusts_one_service(s)]


def _trusts_one_service(statement: Statement) -> bool:
    if len(statement.principals) != 1 or statement.principals[0][0] != "Service" or statement.inverted:
        return False
    service = statement.principals[0][1]
    mine = is_for_this_account(statement) or service in UNCONDITIONAL_TRUST
    return statement.actions == ("sts:AssumeRole",) and mine
