"""The rules of least privilege on what is kept: secrets, raw objects, and the keys of both. As in privilege.py.

The tables say who may what. What is not in one is not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.infra.policies import ACCOUNT, Policies, Statement
from tests.infra.simulator import covers, may, overlap

OWNER = "owner"
_WRITER, _AUDITOR = "database/logins/pousada_app", "database/logins/pousada_audit"
SERVES: Mapping[str, frozenset[str]] = {
    "function webhook": frozenset({"webhook-secret"}),
    "function poller": frozenset({"oauth-credentials"}),
    "function rotate": frozenset({"webhook-secret", "oauth-credentials"}),
    "function apply": frozenset({_WRITER}),
    "function etl": frozenset({_WRITER}),
    "function audit": frozenset({_AUDITOR}),
    "job etl": frozenset({_WRITER}),
    "function migrate": frozenset({"database", OWNER}),
}
"""Who may read secrets → of which kinds. A hotel's kinds stand at the end of its secrets' names (shared/names.py);
``OWNER`` is the one that RDS itself makes and rotates.
"""

BACKS_UP = "backupselection "
"""Who so begins may use the secrets' key as well, to copy the table as it is; no item of it can it read."""

HOTEL_KINDS = ("webhook-secret", "oauth-credentials")
HOTEL_SECRETS_TABLE = "hotel-secrets"
SECRETS_KEY = "secrets"
# They name one item each, or those of one partition key. A scan names none, and to a request without a key a condition
# on keys does not apply.
ITEM_ACTIONS = {f"dynamodb:{verb}" for verb in ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem")}
DELETE_ITEM = "dynamodb:DeleteItem"
# Of a table as a whole, and none of its items. A backup is read by whoever may restore it: nobody here.
_SHOW_NO_ITEM = {
    *("dynamodb:DescribeTable", "dynamodb:ListTagsOfResource", "dynamodb:DescribeBackup"),
    *("dynamodb:CreateBackup", "dynamodb:StartAwsBackupJob", "dynamodb:DeleteBackup"),
}

LANDS: Mapping[str, str] = {"function webhook": "*/webhooks/*", "function poller": "*/polling/*"}
"""Who may put objects into the raw bucket → below which folders."""

_READING_RAW = frozenset({"s3:GetObject", "s3:ListBucket"})
READS_RAW: Mapping[str, frozenset[str]] = {
    "function apply": _READING_RAW,
    "function etl": _READING_RAW,
    "function audit": _READING_RAW,
    "job etl": _READING_RAW,
    "function watch": frozenset({"s3:ListBucket"}),
    "bucket raw": frozenset(
        {
            *("s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetObjectVersionForReplication"),
            *("s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"),
        }
    ),
}
"""Who may look at the raw bucket → how. ``watch`` counts objects and opens none; ``bucket raw`` is S3 itself, which
copies them where a stage says so.
"""

DESTROYING = (
    *("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:DeleteBucket", "s3:ReplicateDelete"),
    *("s3:PutLifecycleConfiguration", "s3:PutBucketVersioning", "s3:BypassGovernanceRetention"),
    *("s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutBucketAcl", "s3:PutObjectAcl"),
    *("s3:PutBucketOwnershipControls", "s3:PutBucketPublicAccessBlock", "s3:PutEncryptionConfiguration"),
    *("s3:PutReplicationConfiguration", "s3:PutObjectRetention", "s3:PutObjectLegalHold"),
    *("s3:PutBucketObjectLockConfiguration", "s3:PutBucketNotification", "s3:RestoreObject"),
)
DESTROYING_KEYS = ("kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy", "kms:DeleteImportedKeyMaterial")
_ENCRYPTING = ("kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")
_WRITES = re.compile(r"(s3|dynamodb):\w*(Put|Update|Delete|Write|Replicate)")


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
    shown = [a for a in statement.actions if a.lower().startswith("dynamodb:") and a not in _SHOW_NO_ITEM]
    if shown and _may_be(resource, HOTEL_SECRETS_TABLE):
        return _is_bounded_by_keys(statement, served)
    if "kms:Decrypt" in statement.actions and _may_be(resource, SECRETS_KEY):
        return bool(served) or statement.holder.startswith(BACKS_UP)
    return True


def _may_be(resource: str, name: str) -> bool:
    """Whether a table's or key's ARN, or that of something in a table, is of the one whose name ends so."""
    named = resource.split(":", 5)[-1].removeprefix("table/").removeprefix("key/").partition("/")[0]
    return overlap(named, f"*-{name}")


def _secret_arns(kind: str, policies: Policies) -> list[str]:
    secret = "arn:aws:secretsmanager:*:*:secret:"
    if kind in HOTEL_KINDS:
        # A property's id has no slash (shared/names.py).
        return [f"{secret}*/{kind}", f"{secret}*/{kind}-??????"]
    if kind == OWNER:
        return ["<*.MasterUserSecret.SecretArn>"]
    return [f"{secret}{policies.path}/{kind}", f"{secret}{policies.path}/{kind}-??????"]


def _is_bounded_by_keys(statement: Statement, served: frozenset[str]) -> bool:
    """``ForAllValues`` holds of a request without any keys as well; ``Null`` has to refuse such a request."""
    said = statement.condition("dynamodb:LeadingKeys")
    keys = [value for operator, value in said if operator == "ForAllValues:StringLike"]
    return (
        bool(keys)
        and ("Null", "false") in said
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
        names = _secret_arns(kind, policies)
        return any(overlap(name, resource) for name in names for resource in statement.resources)
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
    return {*READS_RAW.get(holder, ()), *(("s3:PutObject",) if holder in LANDS else ())}


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


def who_encrypts_writes(policies: Policies) -> list[str]:
    """Reading what a key protects takes ``kms:Decrypt`` alone."""
    writers = {s.holder for s in policies.of("identity") if any(_WRITES.match(action) for action in s.actions)}
    return [
        str(s)
        for s in policies.of("identity")
        if s.holder not in writers and any(overlap(action, one) for action in s.actions for one in _ENCRYPTING)
    ]
