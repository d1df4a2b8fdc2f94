"""Backups in a vault, their copies in a second region, the raw bucket's in another bucket."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.infra.options import OTHER_ACCOUNT
from tests.infra.templates import Resource, Synthesised, words

pytestmark = pytest.mark.infra


def rule(stage: Synthesised) -> Resource:
    (plan,) = stage.properties("AWS::Backup::BackupPlan").values()
    (found,) = plan["BackupPlan"]["BackupPlanRule"]
    return dict(found)


def vault(stage: Synthesised) -> Resource:
    return stage.named("AWS::Backup::BackupVault", stage.config.names.backup_vault)


def actions(stage: Synthesised, role: str) -> set[str]:
    return {action for s in stage.allowed(role) for action in words(s["Action"])}


# -- Backups ---------------------------------------------------------------------------------------


def test_the_database_and_the_tables_that_nothing_brings_back_are_backed_up_every_night(plain: Synthesised):
    (selection,) = plain.properties("AWS::Backup::BackupSelection").values()
    resources = [arn["Fn::Join"][1][-1] for arn in selection["BackupSelection"]["Resources"]]
    names = plain.config.names
    tables = (names.integrations_table, names.named("hotel-secrets"))
    assert resources == [*(f":table/{table}" for table in tables), f":db:{names.named('database')}"]
    assert rule(plain)["Lifecycle"] == {"DeleteAfterDays": 35}


def test_a_backup_begins_outside_of_rds_own_windows_and_the_hour_before_them(aws_stage: Synthesised):
    """In either, AWS Backup's job fails: it is too close to the window."""
    (database,) = aws_stage.properties("AWS::RDS::DBInstance").values()
    minute, hour = re.fullmatch(r"cron\((\d+) (\d+) \* \* \? \*\)", rule(aws_stage)["ScheduleExpression"]).groups()  # type: ignore[union-attr]
    earliest = int(hour) * 60 + int(minute)
    latest = earliest + rule(aws_stage)["StartWindowMinutes"]
    for window in (database["PreferredBackupWindow"], database["PreferredMaintenanceWindow"]):
        opens, closes = (int(h) * 60 + int(m) for h, m in re.findall(r"(\d\d):(\d\d)", window))
        assert opens < closes, "none goes over midnight"
        assert latest < opens - 60 or closes < earliest, window


def test_the_vault_has_a_key_of_its_own(aws_stage: Synthesised):
    (key,) = vault(aws_stage)["EncryptionKeyArn"]["Fn::GetAtt"][:1]
    aliases = {alias["TargetKeyId"]["Fn::GetAtt"][0]: alias["AliasName"] for alias in _aliases(aws_stage)}
    assert aliases[key] == f"alias/{aws_stage.config.names.named('backups')}"


def test_a_backup_cannot_be_deleted_or_made_shorter_lived(aws_stage: Synthesised):
    (denial,) = vault(aws_stage)["AccessPolicy"]["Statement"]
    assert (denial["Effect"], denial["Principal"]) == ("Deny", {"AWS": "*"})
    assert set(denial["Action"]) == {"backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle"}
    keep = aws_stage.config.recovery.keep_days
    assert vault(aws_stage)["LockConfiguration"] == {"MinRetentionDays": keep}
    assert rule(aws_stage)["Lifecycle"]["DeleteAfterDays"] >= keep, "else the locked vault refuses the backup"


def test_the_lock_can_be_made_final(every_option: Synthesised):
    lock = vault(every_option)["LockConfiguration"]
    assert lock == {"MinRetentionDays": 90, "ChangeableForDays": 3}


def test_the_vault_outlives_its_stack(aws_stage: Synthesised):
    (resource,) = aws_stage.resources("AWS::Backup::BackupVault").values()
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"


def test_who_backs_up_may_do_no_more(plain: Synthesised):
    assert actions(plain, "BackupsRole") == {
        *("dynamodb:DescribeTable", "dynamodb:CreateBackup", "dynamodb:StartAwsBackupJob"),
        *("dynamodb:ListTagsOfResource", "dynamodb:DescribeBackup", "dynamodb:DeleteBackup"),
        *("rds:DescribeDBInstances", "rds:DescribeDBSnapshots", "rds:CreateDBSnapshot", "rds:AddTagsToResource"),
        *("rds:ListTagsForResource", "rds:CopyDBSnapshot", "rds:DeleteDBSnapshot", "rds:ModifyDBSnapshotAttribute"),
        *("backup:DescribeBackupVault", "backup:CopyIntoBackupVault"),
        *("kms:DescribeKey", "kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey"),
    }
    names = plain.config.names
    of_this_stage = (names.named(""), ":snapshot:awsbackup:*", "Key")
    for statement in plain.allowed("BackupsRole"):
        for resource in words(statement["Resource"]):
            assert any(mark in resource for mark in of_this_stage), resource


def test_who_backs_up_uses_keys_for_aws_alone(plain: Synthesised):
    conditions = {
        action: statement.get("Condition")
        for statement in plain.allowed("BackupsRole")
        for action in words(statement["Action"])
        if action.startswith("kms:")
    }
    through = {"StringEquals": {"kms:ViaService": f"dynamodb.{plain.config.region}.amazonaws.com"}}
    assert conditions.pop("kms:DescribeKey") is None
    assert conditions.pop("kms:CreateGrant") == {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    assert conditions == {"kms:Decrypt": through, "kms:GenerateDataKey": through}


# -- Elsewhere -------------------------------------------------------------------------------------


def test_nothing_leaves_the_region_unless_it_is_told_to(plain: Synthesised):
    assert not rule(plain).get("CopyActions")
    raw = plain.named("AWS::S3::Bucket", plain.config.names.raw_bucket)
    assert "ReplicationConfiguration" not in raw


def test_production_copies_its_backups_to_a_second_region(every_stage: dict[str, Synthesised]):
    """Of one law: either is in the European Union."""
    copied = {name: stage.config.recovery.copy_to_region for name, stage in every_stage.items()}
    assert {name: to for name, to in copied.items() if name.startswith("prod-")} == {
        "prod-eu-west-1": "eu-south-2",
        "prod-eu-south-2": "eu-west-1",
    }


def test_a_stage_that_copies_nothing_has_no_stack_elsewhere(every_stage: dict[str, Synthesised], plain: Synthesised):
    for stage in (*every_stage.values(), plain):
        assert stage.elsewhere.keys() == ({"copies"} if stage.config.recovery.copy_to_region else set())


@pytest.mark.parametrize("name", ["prod", "every_option"])
def test_the_copies_lie_in_a_vault_like_the_stages_own_under_a_key_of_its_own(
    name: str, request: pytest.FixtureRequest
):
    stage: Synthesised = request.getfixturevalue(name)
    stack = stage.assembly.get_stack_by_name(stage.config.names.stack("copies"))
    assert stack.environment.region == stage.config.recovery.copy_to_region
    assert stack.termination_protection
    assert [d.id for d in stack.dependencies if not d.id.endswith(".assets")] == []
    resources = stage.elsewhere["copies"]["Resources"]
    (copied,) = (r for r in resources.values() if r["Type"] == "AWS::Backup::BackupVault")
    own = vault(stage)
    assert {**copied["Properties"], "EncryptionKeyArn": None} == {**own, "EncryptionKeyArn": None}
    assert copied["DeletionPolicy"] == "RetainExceptOnCreate"
    key = resources[copied["Properties"]["EncryptionKeyArn"]["Fn::GetAtt"][0]]
    assert (key["Properties"]["EnableKeyRotation"], key["DeletionPolicy"]) == (True, "RetainExceptOnCreate")
    (alias,) = (r["Properties"]["AliasName"] for r in resources.values() if r["Type"] == "AWS::KMS::Alias")
    assert alias == f"alias/{stage.config.names.backup_vault}"


def test_the_plan_that_copies_is_made_after_the_vault_that_it_copies_to(prod: Synthesised):
    names = prod.config.names
    needed = prod.assembly.get_stack_by_name(names.stack("governance")).dependencies
    assert names.stack("copies") in {d.stack_name for d in needed if hasattr(d, "stack_name")}


def test_each_backup_is_copied_to_the_vault_of_the_same_name_in_the_second_region(every_option: Synthesised):
    (copy,) = rule(every_option)["CopyActions"]
    arn = json.dumps(copy["DestinationBackupVaultArn"])
    assert "arn:aws:backup:eu-south-2:" in arn
    assert f":backup-vault:{every_option.config.names.backup_vault}" in arn
    assert copy["Lifecycle"] == {"DeleteAfterDays": 90}
    snapshots = [s for s in every_option.allowed("BackupsRole") if "rds:CopyDBSnapshot" in words(s["Action"])]
    assert "arn:aws:rds:eu-south-2:" in json.dumps(snapshots)
    into = [s for s in every_option.allowed("BackupsRole") if "backup:CopyIntoBackupVault" in words(s["Action"])]
    assert "arn:aws:backup:eu-south-2:" in json.dumps(into)


def test_the_second_regions_key_is_used_by_its_alias(every_option: Synthesised):
    elsewhere = [s for s in every_option.allowed("BackupsRole") if ":kms:eu-south-2:" in json.dumps(s["Resource"])]
    named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{every_option.config.names.backup_vault}"}}
    for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    assert {action: s["Condition"] for s in elsewhere for action in words(s["Action"])} == {
        "kms:DescribeKey": named,
        "kms:CreateGrant": {**named, **for_aws},
    }


@pytest.fixture
def replicated(every_option: Synthesised) -> dict[str, Any]:
    raw = every_option.named("AWS::S3::Bucket", every_option.config.names.raw_bucket)
    (found,) = raw["ReplicationConfiguration"]["Rules"]
    return dict(found)


def test_raw_objects_are_copied_encrypted_anew_and_deletions_are_not(replicated: dict[str, Any]):
    assert (replicated["Status"], replicated["Filter"]) == ("Enabled", {"Prefix": ""})
    assert replicated["DeleteMarkerReplication"] == {"Status": "Disabled"}
    assert replicated["SourceSelectionCriteria"] == {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
    destination = replicated["Destination"]
    assert destination["Bucket"] == "arn:aws:s3:::pousada-raw-elsewhere"
    assert destination["EncryptionConfiguration"]["ReplicaKmsKeyID"].startswith("arn:aws:kms:eu-south-2:")
    assert "ReplicationTime" not in destination


def test_the_other_accounts_copies_are_the_other_accounts(replicated: dict[str, Any]):
    destination = replicated["Destination"]
    assert destination["Account"] == OTHER_ACCOUNT
    assert destination["AccessControlTranslation"] == {"Owner": "Destination"}


def test_the_role_that_copies_is_told_for_the_policies_of_another_account(
    every_option: Synthesised, plain: Synthesised
):
    raw = every_option.named("AWS::S3::Bucket", every_option.config.names.raw_bucket)
    told = every_option.templates["storage"]["Outputs"]["ReplicationRole"]["Value"]
    assert told == raw["ReplicationConfiguration"]["Role"]
    assert "ReplicationRole" not in plain.templates["storage"]["Outputs"]


def test_who_copies_reads_the_one_bucket_and_writes_the_other(every_option: Synthesised):
    raw = "LakeRaw"
    allowed = [
        (set(words(s["Action"])), json.dumps(s["Resource"]), s.get("Condition"))
        for s in every_option.allowed("ReplicationRole")
    ]
    of_source = {action for done, on, _ in allowed if raw in on for action in done}
    elsewhere = {action for done, on, _ in allowed if "pousada-raw-elsewhere" in on for action in done}
    assert of_source == {
        *("s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetObjectVersionForReplication"),
        *("s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"),
    }
    assert elsewhere == {"s3:ReplicateObject", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner"}
    keys = {frozenset(done): condition for done, _, condition in allowed if "kms:" in str(done)}
    assert keys == {
        frozenset({"kms:Decrypt"}): {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}},
        frozenset({"kms:Encrypt", "kms:GenerateDataKey"}): {
            "StringEquals": {"kms:ViaService": "s3.eu-south-2.amazonaws.com"}
        },
    }


def _aliases(stage: Synthesised) -> list[Resource]:
    return list(stage.properties("AWS::KMS::Alias").values())
