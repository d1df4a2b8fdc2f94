"""The rule of least privilege on what guards itself: buckets, keys, queues, tables, secrets. As in privilege.py.

The table says whom their policies let in. What is not in it is not allowed.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.infra.policies import ACCOUNT, Policies, Statement
from tests.infra.privilege import is_key_root
from tests.infra.simulator import covers

_TELLING = ("cloudwatch", "budgets", "costalerts")
_READING = ("kms:Decrypt", "kms:DescribeKey")
_SEALING = ("kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey")

OPENED: Mapping[tuple[str, str], tuple[frozenset[str], frozenset[str]]] = {
    ("AWS::KMS::Key", "logs.*.amazonaws.com"): (
        frozenset({"key/data", "key/audit"}),
        frozenset({*_READING, *_SEALING, "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"}),
    ),
    ("AWS::KMS::Key", "cloudtrail.amazonaws.com"): (frozenset({"key/audit"}), frozenset({*_SEALING})),
    **{
        ("AWS::KMS::Key", f"{service}.amazonaws.com"): (frozenset({"key/topics"}), frozenset({*_READING, *_SEALING}))
        for service in _TELLING
    },
    **{
        ("AWS::SNS::TopicPolicy", f"{service}.amazonaws.com"): (
            frozenset({"page", "mail"}),
            frozenset({"sns:Publish"}),
        )
        for service in _TELLING
    },
    ("AWS::S3::BucketPolicy", "logging.s3.amazonaws.com"): (frozenset({"access-logs/*"}), frozenset({"s3:PutObject"})),
    ("AWS::S3::BucketPolicy", "cloudtrail.amazonaws.com"): (
        frozenset({"audit-trail", f"audit-trail/AWSLogs/{ACCOUNT}/*"}),
        frozenset({"s3:GetBucketAcl", "s3:PutObject"}),
    ),
    ("AWS::SQS::QueuePolicy", "events.amazonaws.com"): (
        frozenset({"live", "batch", "live-dead-letters", "batch-dead-letters"}),
        frozenset({"sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"}),
    ),
    ("AWS::Logs::ResourcePolicy", "delivery.logs.amazonaws.com"): (
        frozenset({"log-group:aws-waf-logs-webhooks:log-stream:*"}),
        frozenset({"logs:CreateLogStream", "logs:PutLogEvents"}),
    ),
}
"""Whose policy → which service it lets in → to which of this stage's (its prefix left out), and to do what.

No role is let in by what it reaches for: what a role may is said in its own policies, and there alone.
"""


def a_resource_lets_in_whom_it_is_said(policies: Policies) -> list[str]:
    return [str(s) for s in policies.of("resource") if not (is_key_root(s) or _is_opened_as_said(s, policies.prefix))]


def _is_opened_as_said(statement: Statement, prefix: str) -> bool:
    principals = statement.principals
    return not statement.inverted and all(_may_come(kind, name, statement, prefix) for kind, name in principals)


def _may_come(kind: str, name: str, statement: Statement, prefix: str) -> bool:
    named = {one.split(":", 5)[-1].replace(prefix, "") for one in statement.resources if prefix in one}
    return len(named) == len(statement.resources) and any(
        kind == "Service"
        and guarded == statement.guarded
        and covers(service, name)
        and set(statement.actions) <= actions
        and all(any(covers(place, one) for place in places) for one in named)
        for (guarded, service), (places, actions) in OPENED.items()
    )
