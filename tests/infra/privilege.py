"""The rules of least privilege: each takes policies and returns what breaks it, in words.

The tables say who may what, and why. What is not in one is not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from tests.infra.policies import ACCOUNT, Policies, Statement
from tests.infra.simulator import covers, may, overlap

Rule = Callable[[Policies], list[str]]

_INTERFACES = tuple(
    f"ec2:{action}"
    for action in (
        *("CreateNetworkInterface", "DeleteNetworkInterface"),
        *("AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"),
    )
)
_LOOK_UPS = tuple(
    f"ec2:Describe{what}"
    for what in ("NetworkInterfaces", "Subnets", "SecurityGroups", "RouteTables", "VpcEndpoints", "VpcAttribute")
)
WITHOUT_RESOURCE: Mapping[str, tuple[str, str]] = {
    "xray:PutTraceSegments": ("", "AWS X-Ray defines no resource for it (Service Authorization Reference)"),
    "xray:PutTelemetryRecords": ("", "AWS X-Ray defines no resource for it (Service Authorization Reference)"),
    "cloudwatch:PutMetricData": ("cloudwatch:namespace", "CloudWatch defines no resource for it, but a condition key"),
    **dict.fromkeys(_INTERFACES, ("", "the interface is not there yet; the function's own code is denied it")),
    **dict.fromkeys(_LOOK_UPS, ("", "EC2 defines no resource for it (Service Authorization Reference); it only reads")),
    **dict.fromkeys(("ec2:CreateTags", "ec2:DeleteTags"), ("aws:TagKeys", "interfaces that Glue makes, its own tag")),
    "cloudwatch:DescribeAlarms": ("", "a list of alarms is allowed for all of them or for none; it only reads"),
}
"""Actions that know no single resource → the condition key that bounds them instead (or empty), and the reason."""

AWS_POLICIES: Mapping[str, str] = {
    "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs": (
        "API Gateway checks its one role of the account and region against what this policy allows"
    ),
}

SELF: Mapping[str, str] = {
    "AWS::KMS::Key": "in a key's policy * is that key, and no ARN may stand there instead",
    "AWS::SecretsManager::ResourcePolicy": "in a secret's policy * is that secret",
    "AWS::Backup::BackupVault": "in a vault's policy * is what the vault holds",
}
"""Types in whose own policy ``*`` names the resource itself."""

UNCONDITIONAL_TRUST: Mapping[str, str] = {
    "lambda.amazonaws.com": "a role is given to a function by iam:PassRole, which ends at its own account",
    "glue.amazonaws.com": "a role is given to a job by iam:PassRole, which ends at its own account",
    "rds.amazonaws.com": "a role is given to a proxy by iam:PassRole, which ends at its own account",
    "apigateway.amazonaws.com": "the role is the account's own setting; no other account can name it",
}
"""Services whose trust needs no ``aws:SourceAccount``; any other could be sent here by somebody else's account."""

MAY_PASS_ROLES: Mapping[str, str] = {}
"""Who may hand a role to a service → why."""

SERVES: Mapping[str, frozenset[str]] = {
    "function webhook": frozenset({"webhook-secret"}),
    "function poller": frozenset({"oauth-credentials"}),
    "function apply": frozenset({"database"}),
    "function etl": frozenset({"database"}),
    "function audit": frozenset({"database"}),
    "function migrate": frozenset({"database", "owner"}),
    "job etl": frozenset({"database"}),
}
"""Who may read secrets → of which kinds. A hotel's kinds stand at the end of its secrets' names (shared/names.py).
``database``: where PostgreSQL is not the stage's own, and nobody logs in by IAM; ``owner``: where it is."""

AWS_BUCKETS = ("cloudformation-custom-resource-response-*/*", "aws-glue-*/*")
"""Of AWS's own: where CloudFormation is answered, and what Glue starts with."""

HOTEL_KINDS = ("webhook-secret", "oauth-credentials")
HOTEL_SECRETS_TABLE = "hotel-secrets"
SECRETS_KEY = "secrets"
# They name one item each, or those of one partition key. A scan names none, and to a request without a key a condition
# on keys does not apply.
ITEM_ACTIONS = {f"dynamodb:{verb}" for verb in ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem")}
DELETE_ITEM = "dynamodb:DeleteItem"

LANDS: Mapping[str, str] = {"function webhook": "*/webhooks/*", "function poller": "*/polling/*"}
"""Who may put objects into the raw bucket → below which folders."""

READS_RAW = frozenset({"function apply", "function etl", "function audit", "job etl"})

LISTS_RAW = frozenset({"function watch"})
"""Who sees the raw objects' keys, and nothing of what is in them."""

READING_RAW = ("s3:GetObject", "s3:ListBucket")
DESTROYING = (
    *("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:DeleteBucket", "s3:ReplicateDelete"),
    *("s3:PutLifecycleConfiguration", "s3:PutBucketVersioning", "s3:BypassGovernanceRetention"),
    *("s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutBucketAcl", "s3:PutObjectAcl"),
    *("s3:PutBucketOwnershipControls", "s3:PutBucketPublicAccessBlock", "s3:PutEncryptionConfiguration"),
    *("s3:PutReplicationConfiguration", "s3:PutObjectRetention", "s3:PutObjectLegalHold"),
    *("s3:PutBucketObjectLockConfiguration", "s3:PutBucketNotification", "s3:RestoreObject"),
)
DESTROYING_KEYS = ("kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy", "kms:DeleteImportedKeyMaterial")
_DEPUTY_KEYS = ("aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID", "kms:EncryptionContext:aws:logs:arn")


def no_wildcard_in_an_action(policies: Policies) -> list[str]:
    allowing = (s for s in policies.statements if s.effect == "Allow" and s.kind != "ceiling")
    return [str(s) for s in allowing if _is_any_action(s) and not is_key_root(s)]


def _is_any_action(statement: Statement) -> bool:
    return statement.inverted or any("*" in action or "?" in action for action in statement.actions)


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
    for s in policies.of("identity"):
        if s.inverted:
            yield str(s)
        elif any(_names_nothing(resource) for resource in s.resources):
            for action in s.actions:
                bound, _ = WITHOUT_RESOURCE.get(action, ("nothing", ""))
                if bound and not s.condition(bound):
                    yield f"{s.holder} ({s.where}): {action} on {', '.join(s.resources)}"


def _names_nothing(resource: str) -> bool:
    """``*``, ``arn:aws:s3:::*``, ``…:table/*``: any resource of the service, whosever it is."""
    _, _, service, _, _, name = resource.split(":", 5) if resource.count(":") >= 5 else ("",) * 5 + (resource,)
    named = name if service in ("s3", "sns", "sqs") else re.split("[:/]", name.lstrip("/"), maxsplit=1)[-1]
    return named.startswith(("*", "?"))


def only_named_policies_of_aws(policies: Policies) -> list[str]:
    return [f"{holder}: {arn}" for holder, arn in policies.managed if arn not in AWS_POLICIES]


def a_secret_is_read_by_whom_it_serves(policies: Policies) -> list[str]:
    return [
        str(s)
        for s in policies.of("identity")
        if not all(_is_served(s, policies, resource) for resource in s.resources)
    ]


def _is_served(statement: Statement, policies: Policies, resource: str) -> bool:
    served = SERVES.get(statement.holder, frozenset())
    if any(covers("secretsmanager:*", action.lower()) for action in statement.actions):
        return any(covers(name, resource) for kind in served for name in _secret_arns(kind, policies))
    if any(a.lower().startswith("dynamodb:") for a in statement.actions) and _may_be(resource, HOTEL_SECRETS_TABLE):
        return _is_bounded_by_keys(statement, served)
    if "kms:Decrypt" in statement.actions and _may_be(resource, SECRETS_KEY):
        return bool(served)
    return True


def _may_be(resource: str, name: str) -> bool:
    return overlap(resource, f"*-{name}") or overlap(resource, f"*-{name}/*")


def _secret_arns(kind: str, policies: Policies) -> list[str]:
    secret = "arn:aws:secretsmanager:*:*:secret:"
    if kind in HOTEL_KINDS:
        # A property's id has no slash (shared/names.py).
        return [f"{secret}*/{kind}", f"{secret}*/{kind}-??????"]
    if kind == "owner":
        # RDS names the secret that it keeps; there is one database in a stage.
        return [f"{secret}rds!db-*"]
    return [f"{secret}{_path(policies)}{kind}", f"{secret}{_path(policies)}{kind}-??????"]


def _secret_name(arn: str) -> str:
    return arn.rpartition(":secret:")[2]


def _path(policies: Policies) -> str:
    """``pousada-prod-eu-west-1-`` → ``pousada/prod-eu-west-1/``."""
    prefix, _, stage = policies.prefix.rstrip("-").partition("-")
    return f"{prefix}/{stage}/"


def _is_bounded_by_keys(statement: Statement, served: frozenset[str]) -> bool:
    keys = [value for _, value in statement.condition("dynamodb:LeadingKeys")]
    return (
        bool(keys)
        and set(statement.actions) <= ITEM_ACTIONS | {DELETE_ITEM}
        and all(any(covers(f"*/*/{kind}", key) for kind in served) for key in keys)
    )


def kinds_of_secrets_read(policies: Policies) -> dict[str, frozenset[str]]:
    """Who can read secrets, wherever they are kept → of which of the kinds that ``SERVES`` knows."""
    read: dict[str, frozenset[str]] = {}
    for s in policies.of("identity"):
        kinds = {kind for kind in frozenset().union(*SERVES.values()) if _reads(s, kind, policies)}
        if kinds:
            read[s.holder] = read.get(s.holder, frozenset()) | kinds
    return read


def _reads(statement: Statement, kind: str, policies: Policies) -> bool:
    if any(overlap(action.lower(), "secretsmanager:*") for action in statement.actions):
        names = map(_secret_name, _secret_arns(kind, policies))
        return any(overlap(name, _secret_name(resource)) for name in names for resource in statement.resources)
    if any(_may_be(resource, HOTEL_SECRETS_TABLE) for resource in statement.resources):
        return any(overlap(f"*/*/{kind}", key) for _, key in statement.condition("dynamodb:LeadingKeys"))
    return False


def raw_objects_are_put_by_the_landers(policies: Policies) -> list[str]:
    raw = raw_bucket(policies)
    landing = {holder: f"{raw}/{folders}" for holder, folders in LANDS.items()}
    return [
        str(s)
        for s in (*policies.of("identity"), *policies.of("resource"))
        if any(overlap(a.lower(), "s3:put*") for a in s.actions)
        for resource in s.resources
        if _is_in(resource, raw) and not covers(landing.get(s.holder, ""), resource)
    ]


def raw_is_read_and_landed_and_nothing_else(policies: Policies) -> list[str]:
    """Whatever S3 may learn to do, nobody may do it there until somebody says so here."""
    raw = raw_bucket(policies)
    return [
        str(s)
        for s in policies.of("identity")
        if any(_is_in(resource, raw) for resource in s.resources)
        and any(a.startswith("s3:") for a in s.actions)
        and not set(s.actions) <= _allowed_on_raw(s.holder)
    ]


def _allowed_on_raw(holder: str) -> set[str]:
    reading = READING_RAW if holder in READS_RAW else ("s3:ListBucket",) if holder in LISTS_RAW else ()
    return {*reading, *(("s3:PutObject",) if holder in LANDS else ())}


def nobody_destroys_raw(policies: Policies) -> list[str]:
    raw = raw_bucket(policies)
    found = [
        f"{holder}: {action} on {place}"
        for holder in sorted(policies.holders())
        for action in DESTROYING
        for place in (raw, f"{raw}/*")
        if may(policies, holder, action, place)
    ]
    keys = f"arn:aws:kms:*:{ACCOUNT}:key/*"
    return found + [
        f"{holder}: {action}"
        for holder in sorted(policies.holders())
        for action in DESTROYING_KEYS
        if may(policies, holder, action, keys)
    ]


def raw_bucket(policies: Policies) -> str:
    return f"arn:aws:s3:::{policies.prefix}raw"


def _is_in(resource: str, bucket: str) -> bool:
    """Whether ``resource``, a pattern, has the bucket or anything in it."""
    return overlap(resource, bucket) or overlap(resource, f"{bucket}/*")


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
    source = properties.get("SourceArn", "")
    return (
        properties["Action"] == "lambda:InvokeFunction"
        and properties["Principal"] != "*"
        and (
            ("SourceAccount" in properties and source != "*") or (ACCOUNT in source or source.startswith("arn:aws:s3"))
        )
        and properties.get("FunctionUrlAuthType") != "NONE"
    )


def nothing_is_open_to_everybody(policies: Policies) -> list[str]:
    return [
        str(s)
        for s in (*policies.of("resource"), *policies.of("trust"))
        for kind, name in s.principals
        if name == "*" or (kind == "AWS" and ACCOUNT not in name)
    ]


def a_service_comes_in_for_this_account(policies: Policies) -> list[str]:
    """What a service may do by a resource's policy, it does for whoever asks it: the policy says for whom."""
    return [
        str(s)
        for s in policies.of("resource")
        if any(kind == "Service" for kind, _ in s.principals) and not any(s.condition(key) for key in _DEPUTY_KEYS)
    ]


def an_endpoint_leads_to_this_account(policies: Policies) -> list[str]:
    """What passes through it ends at what is ours, or at the few buckets of AWS's own that are named."""
    return [str(s) for s in policies.of("ceiling") if not _is_ours(s) and not _is_aws_own(s)]


def _is_ours(statement: Statement) -> bool:
    return statement.condition("aws:ResourceAccount") == [("StringEquals", ACCOUNT)]


def _is_aws_own(statement: Statement) -> bool:
    return all(any(covers(f"arn:aws:s3:::{name}", r) for name in AWS_BUCKETS) for r in statement.resources)


def a_role_trusts_one_service(policies: Policies) -> list[str]:
    return [str(s) for s in policies.of("trust") if not _trusts_one_service(s)]


def _trusts_one_service(statement: Statement) -> bool:
    if len(statement.principals) != 1 or statement.principals[0][0] != "Service" or statement.inverted:
        return False
    service = statement.principals[0][1]
    mine = any(value == ACCOUNT for _, value in statement.condition("aws:SourceAccount"))
    return statement.actions == ("sts:AssumeRole",) and (mine or service in UNCONDITIONAL_TRUST)
