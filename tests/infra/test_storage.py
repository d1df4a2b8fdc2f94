"""Buckets, key and tables."""

from __future__ import annotations

import json

import pytest

from shared.names import API_STAGE
from tests.infra.policies import ACCOUNT, Statement, read
from tests.infra.simulator import covers
from tests.infra.templates import Synthesised

pytestmark = pytest.mark.infra


def test_every_bucket_is_versioned_and_closed_to_the_public(stage: Synthesised):
    closed = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
    buckets = stage.properties("AWS::S3::Bucket")
    assert len(buckets) == (5 if stage.config.target == "aws" else 4), "the trail's is on AWS alone"
    for bucket in buckets.values():
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(closed, True)


def test_what_is_in_a_bucket_is_the_buckets_owners_and_no_list_of_its_own_opens_it(stage: Synthesised):
    """The access logs' bucket has S3's default, which is the same."""
    owned = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    for bucket in stage.properties("AWS::S3::Bucket").values():
        assert bucket.get("OwnershipControls", owned) == owned
        assert "OwnershipControls" in bucket or bucket["BucketName"].endswith("access-logs")


def test_every_bucket_refuses_a_tls_that_is_older_than_1_2(stage: Synthesised):
    refused = {"NumericLessThan": {"s3:TlsVersion": 1.2}}
    for policy in stage.properties("AWS::S3::BucketPolicy").values():
        denials = [s for s in policy["PolicyDocument"]["Statement"] if s.get("Condition") == refused]
        assert [(s["Effect"], s["Action"], s["Principal"]) for s in denials] == [("Deny", "s3:*", {"AWS": "*"})]


def test_logs_are_encrypted_with_the_data_key_where_they_are_the_stages_own(stage: Synthesised):
    region, names = stage.config.region, stage.config.names
    (use,) = (s for s in read(stage).of("resource") if "DataKey" in s.where and s.principals[0][0] == "Service")
    ours = (
        *(f"/{stage.config.prefix}/{stage.config.name}/*", f"/aws/*/{names.named('*')}"),
        *(f"aws-waf-logs-{names.named('*')}", f"API-Gateway-Execution-Logs_*/{API_STAGE}"),
    )
    groups = tuple(f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{name}" for name in ours)
    assert use.principals == (("Service", f"logs.{region}.amazonaws.com"),)
    assert use.conditions == {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}}


def test_the_lake_is_encrypted_with_the_stages_own_key(stage: Synthesised):
    names = stage.config.names
    for name in (names.raw_bucket, names.processed_bucket, names.work_bucket):
        bucket = stage.named("AWS::S3::Bucket", name)
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["BucketKeyEnabled"] is True
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        assert "DataKey" in json.dumps(rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"])


def test_access_logs_are_encrypted_as_s3_delivers_them(stage: Synthesised):
    bucket = stage.named("AWS::S3::Bucket", stage.config.names.named("access-logs"))
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_every_key_rotates(stage: Synthesised):
    assert {key["EnableKeyRotation"] for key in stage.properties("AWS::KMS::Key").values()} == {True}


def test_every_bucket_speaks_tls_only(stage: Synthesised):
    policies = stage.properties("AWS::S3::BucketPolicy").values()
    refusing = [p["Bucket"]["Ref"] for p in policies if _refuses_plain_text(p["PolicyDocument"])]
    assert sorted(refusing) == sorted(id.partition("/")[2] for id in stage.properties("AWS::S3::Bucket"))


def test_every_queue_speaks_tls_only(stage: Synthesised):
    policies = stage.properties("AWS::SQS::QueuePolicy").values()
    refusing = [ref for p in policies if _refuses_plain_text(p["PolicyDocument"]) for ref in _refs(p["Queues"])]
    assert sorted(set(refusing)) == sorted(id.partition("/")[2] for id in stage.properties("AWS::SQS::Queue"))


def test_a_raw_object_goes_from_standard_to_infrequent_access_to_glacier_and_ends_after_seven_years(stage: Synthesised):
    bucket = stage.named("AWS::S3::Bucket", stage.config.names.raw_bucket)
    (rule,) = (r for r in bucket["LifecycleConfiguration"]["Rules"] if r["Id"] == "seven-years")
    assert rule["Transitions"] == [
        {"StorageClass": "STANDARD_IA", "TransitionInDays": 90},
        {"StorageClass": "GLACIER", "TransitionInDays": 365},
    ]
    assert rule["ExpirationInDays"] == 7 * 365 + 2
    assert "Prefix" not in rule


def test_only_the_raw_bucket_announces_its_objects(stage: Synthesised):
    announcing = [
        bucket["BucketName"]
        for bucket in stage.properties("AWS::S3::Bucket").values()
        if bucket.get("NotificationConfiguration", {}).get("EventBridgeConfiguration", {}).get("EventBridgeEnabled")
    ]
    assert announcing == [stage.config.names.raw_bucket]


@pytest.mark.parametrize(
    ("table", "keys", "expires"),
    [
        ("idempotency_table", ["id"], "expiration"),
        ("integrations_table", ["property_id", "vendor"], None),
        ("sync_state_table", ["pk", "sk"], "expires_at"),
        ("hotel_secrets_table", ["name"], None),
    ],
)
def test_a_control_table_is_on_demand_encrypted_and_restorable(
    stage: Synthesised, table: str, keys: list[str], expires: str | None
):
    properties = stage.named("AWS::DynamoDB::Table", getattr(stage.config.names, table))
    assert [key["AttributeName"] for key in properties["KeySchema"]] == keys
    assert properties.get("TimeToLiveSpecification", {}).get("AttributeName") == expires
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["SSESpecification"]["SSEEnabled"] is True
    assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert properties["DeletionProtectionEnabled"] is (stage.config.target == "aws")


@pytest.mark.parametrize(
    ("table", "key"), [("integrations_table", "DataKey"), ("hotel_secrets_table", "HotelSecretsKey")]
)
def test_secrets_are_under_a_key_of_their_own(stage: Synthesised, table: str, key: str):
    properties = stage.named("AWS::DynamoDB::Table", getattr(stage.config.names, table))
    assert properties["SSESpecification"]["KMSMasterKeyId"]["Fn::GetAtt"][0].startswith(key)
    aliases = {alias["AliasName"] for alias in stage.properties("AWS::KMS::Alias").values()}
    assert aliases >= {f"alias/{stage.config.names.named(what)}" for what in ("data", "secrets")}


def _refuses_plain_text(document: dict[str, list[dict[str, object]]]) -> bool:
    return any(
        statement["Effect"] == "Deny" and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in document["Statement"]
    )


def _refs(queues: list[dict[str, str]]) -> list[str]:
    return [queue["Ref"] for queue in queues]


def test_every_log_group_is_encrypted_with_a_key_whose_policy_names_it(stage: Synthesised):
    """CloudWatch Logs may use the key for the groups of these names alone; another group would not be made."""
    groups = [log for log in read(stage).statements if log.guarded == "AWS::KMS::Key" and _is_for_logs(log)]
    named = [value for statement in groups for _, value in statement.condition("kms:EncryptionContext:aws:logs:arn")]
    assert len(stage.log_groups()) == len(stage.resources("AWS::Logs::LogGroup"))
    for name, log in stage.log_groups().items():
        arn = f"arn:aws:logs:{stage.config.region}:{ACCOUNT}:log-group:{name}"
        assert any(covers(pattern, arn) for pattern in named), arn
        assert "KmsKeyId" in log


def _is_for_logs(statement: Statement) -> bool:
    return any(name.startswith("logs.") for _, name in statement.principals)
