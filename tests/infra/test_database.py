"""The database and its proxy, as each stage has them, and what it is told at a deployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from infra.capabilities.migrations import digest
from infra.config import parse
from infra.findings import accepted
from infra.stage import PousadaStage
from shared.storage.database_address import DatabaseAddress
from shared.storage.database_address import parse as parse_address
from tests.infra.templates import CONTEXT, REPOSITORY, Synthesised

pytestmark = pytest.mark.infra


@pytest.fixture
def instance(aws_stage: Synthesised) -> dict[str, Any]:
    (found,) = aws_stage.properties("AWS::RDS::DBInstance").values()
    return found


@pytest.mark.parametrize(
    ("stage", "standby", "days", "protected"),
    [
        ("dev-eu-west-1", False, 7, False),
        ("prod-eu-west-1", True, 35, True),
        ("prod-eu-south-2", True, 35, True),
    ],
)
def test_production_outlives_a_zone_and_a_slip(
    every_stage: dict[str, Synthesised], stage: str, standby: bool, days: int, protected: bool
):
    (found,) = every_stage[stage].properties("AWS::RDS::DBInstance").values()
    assert found["MultiAZ"] is standby
    assert found["BackupRetentionPeriod"] == days
    assert found["DeletionProtection"] is protected
    assert found["DeleteAutomatedBackups"] is False
    assert found["CopyTagsToSnapshot"] is True


def test_it_is_encrypted_with_a_key_of_its_own(instance: dict[str, Any], aws_stage: Synthesised):
    assert instance["StorageEncrypted"] is True
    for key in (
        instance["KmsKeyId"],
        instance["MasterUserSecret"]["KmsKeyId"],
        instance["PerformanceInsightsKMSKeyId"],
    ):
        assert "ServerKey" in json.dumps(key)
    keys = [p for id, p in aws_stage.properties("AWS::KMS::Key").items() if id.startswith("database/")]
    assert [key["EnableKeyRotation"] for key in keys] == [True]


def test_nobody_knows_the_owner_s_password_but_rds(instance: dict[str, Any]):
    assert instance["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in instance
    assert instance["EnableIAMDatabaseAuthentication"] is True


def test_no_way_leads_to_it_but_its_group(instance: dict[str, Any], aws_stage: Synthesised):
    assert instance["PubliclyAccessible"] is False
    (group,) = instance["VPCSecurityGroups"]
    assert "NetworkGroupsDatabase" in json.dumps(group)
    (subnets,) = aws_stage.properties("AWS::RDS::DBSubnetGroup").values()
    assert len(subnets["SubnetIds"]) == 3
    assert all("NetworkVpcisolatedSubnet" in json.dumps(subnet) for subnet in subnets["SubnetIds"])


def test_its_connections_are_encrypted_and_its_certificate_is_one_that_we_know(
    instance: dict[str, Any], aws_stage: Synthesised
):
    assert instance["CACertificateIdentifier"] == "rds-ca-rsa2048-g1"
    known = (REPOSITORY / "shared" / "storage" / "certificates.pem").read_text(encoding="utf-8")
    assert f"# Amazon RDS {aws_stage.config.region} Root CA RSA2048 G1\n" in known


PARAMETERS = {
    "rds.force_ssl": "1",
    "ssl_min_protocol_version": "TLSv1.2",
    # The log quotes no guest.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_statement": "none",
    # What is slow is found without the log, and without a password's verifier.
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_utility": "0",
    "log_lock_waits": "1",
    "idle_in_transaction_session_timeout": "300000",
}


def test_it_is_set_as_it_should_be_and_not_otherwise(aws_stage: Synthesised):
    (group,) = aws_stage.properties("AWS::RDS::DBParameterGroup").values()
    assert group["Parameters"] == PARAMETERS
    assert group["Family"] == "postgres17"


def test_rds_chooses_the_minor_version_and_no_deployment_takes_it_back(instance: dict[str, Any]):
    assert (instance["Engine"], instance["EngineVersion"]) == ("postgres", "17")
    assert instance["AutoMinorVersionUpgrade"] is True


def test_what_is_slow_is_seen(instance: dict[str, Any]):
    assert instance["DatabaseInsightsMode"] == "standard"
    assert instance["EnablePerformanceInsights"] is True


def test_what_it_needs_is_kept_with_it(aws_stage: Synthesised):
    """RDS deletes neither subnets nor parameters that are in use: a stack that tried to could not be deleted."""
    policies = {
        (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        for kind in ("DBInstance", "DBSubnetGroup", "DBParameterGroup")
        for resource in aws_stage.resources(f"AWS::RDS::{kind}").values()
    }
    assert policies == {("RetainExceptOnCreate", "Retain")}


def test_its_logs_go_when_the_stage_s_go(instance: dict[str, Any], aws_stage: Synthesised):
    kept = aws_stage.log_groups()
    for log in instance["EnableCloudwatchLogsExports"]:
        assert f"/aws/rds/instance/{instance['DBInstanceIdentifier']}/{log}" in kept
    (resource,) = aws_stage.resources("AWS::RDS::DBInstance").values()
    assert len([name for name in resource["DependsOn"] if name.startswith("ServerLog")]) == 2


def test_it_grows_by_itself_and_runs_on_graviton(instance: dict[str, Any], aws_stage: Synthesised):
    assert instance["StorageType"] == "gp3"
    assert instance["MaxAllocatedStorage"] == aws_stage.config.database.storage_limit_gib
    assert instance["DBInstanceClass"] == aws_stage.config.database.instance_class


def test_the_proxy_knows_no_password_and_takes_none(aws_stage: Synthesised):
    (proxy,) = aws_stage.properties("AWS::RDS::DBProxy").values()
    assert proxy["EngineFamily"] == "POSTGRESQL"
    assert proxy["DefaultAuthScheme"] == "IAM_AUTH"
    assert "Auth" not in proxy
    assert proxy["RequireTLS"] is True
    assert proxy["DebugLogging"] is False


def test_the_proxy_is_in_its_own_group_and_in_the_private_tier(aws_stage: Synthesised):
    (proxy,) = aws_stage.properties("AWS::RDS::DBProxy").values()
    assert all("NetworkVpcprivateSubnet" in json.dumps(subnet) for subnet in proxy["VpcSubnetIds"])
    (group,) = proxy["VpcSecurityGroupIds"]
    assert "NetworkGroupsProxy" in json.dumps(group)


def test_rds_alone_acts_as_the_proxy(aws_stage: Synthesised):
    (proxy,) = aws_stage.properties("AWS::RDS::DBProxy").values()
    role = aws_stage.properties("AWS::IAM::Role")[f"database/{proxy['RoleArn']['Fn::GetAtt'][0]}"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Action"], trust["Principal"]) == ("sts:AssumeRole", {"Service": "rds.amazonaws.com"})


def test_the_proxy_leads_to_the_instance_and_leaves_some_of_its_connections(aws_stage: Synthesised):
    (targets,) = aws_stage.properties("AWS::RDS::DBProxyTargetGroup").values()
    (instance,) = aws_stage.resources("AWS::RDS::DBInstance")
    assert targets["DBInstanceIdentifiers"] == [{"Ref": instance.partition("/")[2]}]
    assert targets["TargetGroupName"] == "default"
    assert targets["ConnectionPoolConfigurationInfo"] == {
        "MaxConnectionsPercent": 80,
        "MaxIdleConnectionsPercent": 20,
        # No longer than a function waits for its connection.
        "ConnectionBorrowTimeout": 5,
    }
    assert "Tags" not in targets


def address(text: Any) -> DatabaseAddress:
    """What is read of ``DATABASE`` where it runs; each reference in it as its JSON."""
    parts = [part if isinstance(part, str) else json.dumps(json.dumps(part))[1:-1] for part in text["Fn::Join"][1]]
    return parse_address("".join(parts))


@pytest.mark.parametrize(
    ("name", "login"), [("apply", "pousada_app"), ("etl", "pousada_app"), ("audit", "pousada_audit")]
)
def test_a_function_goes_to_the_proxy_under_its_own_name(aws_stage: Synthesised, name: str, login: str):
    function = aws_stage.named("AWS::Lambda::Function", aws_stage.config.names.function(name))
    found = address(function["Environment"]["Variables"]["DATABASE"])
    assert (found.user, found.secret, found.port, found.dbname) == (login, None, 5432, "pousada")
    assert "DoorProxy" in str(found.host)


def test_so_does_the_job(aws_stage: Synthesised):
    job = aws_stage.named("AWS::Glue::Job", aws_stage.config.names.glue_job)
    found = address(job["DefaultArguments"]["--DATABASE"])
    assert (found.user, found.secret, found.port, found.dbname) == ("pousada_app", None, 5432, "pousada")
    assert "DoorProxy" in str(found.host)


def test_migrations_go_to_the_server_itself_as_its_owner(aws_stage: Synthesised, instance: dict[str, Any]):
    migrate = aws_stage.named("AWS::Lambda::Function", aws_stage.config.names.function("migrate"))
    written = migrate["Environment"]["Variables"]["DATABASE"]
    found = address(written)
    assert (found.user, str(found.port), found.dbname) == (None, instance["Port"], instance["DBName"])
    assert found.port == 5433
    assert "Endpoint.Address" in str(found.host)
    assert "MasterUserSecret.SecretArn" in str(found.secret)
    assert aws_stage.templates["database"]["Outputs"]["Owner"]["Value"] == written


def test_migrations_are_run_before_the_functions_that_need_them_and_again_when_they_change(stage: Synthesised):
    (run,) = stage.resources("Custom::Migrations").values()
    assert run["Properties"]["Migrations"] == digest()
    assert "Migrate" in json.dumps(run["Properties"]["ServiceToken"])
    assert any("Policy" in name for name in run["DependsOn"]), "not before the function may log in"


def test_both_runs_that_lambda_gives_migrate_end_before_cloudformation_s_patience(stage: Synthesised):
    (run,) = stage.resources("Custom::Migrations").values()
    migrate = stage.named("AWS::Lambda::Function", stage.config.names.function("migrate"))
    configured = stage.resources("AWS::Lambda::EventInvokeConfig").items()
    ((name, tries),) = ((name, tries) for name, tries in configured if "Migrate" in name)
    given = tries["Properties"]
    # It is called without a version.
    assert (given["Qualifier"], given["FunctionName"]["Ref"]) == (
        "$LATEST",
        run["Properties"]["ServiceToken"]["Fn::GetAtt"][0],
    )
    assert migrate["Timeout"] == 900
    assert (1 + given["MaximumRetryAttempts"]) * migrate["Timeout"] < int(run["Properties"]["ServiceTimeout"])
    assert name.partition("/")[2] in run["DependsOn"]


RUN_AGAIN_FOR = [
    "shared/names.py",
    "shared/storage/logins.py",
    "shared/storage/statements.py",
    "shared/storage/migrations/versions/m0001.py",
    "lambdas/migrate/preparation.py",
]


def test_a_change_in_what_migrate_does_is_a_change_of_the_resource(tmp_path: Path):
    for file in RUN_AGAIN_FOR:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    digests = [digest(tmp_path)]
    for file in [*RUN_AGAIN_FOR, "shared/storage/migrations/versions/m0002.py"]:
        (tmp_path / file).write_text("changed")
        digests.append(digest(tmp_path))
    assert len(set(digests)) == len(digests)
    (tmp_path / "shared" / "storage" / "upsert.py").write_text("other code of this folder")
    assert digest(tmp_path) == digests[-1]


BARE = {
    "region": "eu-west-1",
    "network": {"zones": 2, "nats": 2},
    "database": {"proxy": False, "monitoring_seconds": 0},
}


@pytest.fixture(scope="module")
def bare() -> PousadaStage:
    """Without a proxy, in two zones, and with nobody who looks at the machine."""
    document = {"vendors": ["hostpms"], "stages": {"bare-eu-west-1": BARE}}
    return PousadaStage(cdk.App(context=CONTEXT), parse(document)[0])


def test_without_a_proxy_functions_log_in_to_the_database_itself(bare: PousadaStage):
    database = Template.from_stack(bare.node.find_child("database")).to_json()
    kinds = [resource["Type"] for resource in database["Resources"].values()]
    assert "AWS::RDS::DBProxy" not in kinds
    assert "MonitoringRoleArn" not in json.dumps(database)
    transform = json.dumps(Template.from_stack(bare.node.find_child("transform")).to_json())
    assert "DbiResourceId" in transform
    assert r"\"port\": 5433" in transform


def test_a_machine_that_nobody_looks_at_is_a_finding_that_stands_with_its_reason(bare: PousadaStage):
    (found,) = [one for one in accepted(bare) if one.rule == "CKV_AWS_118"]
    assert found.where.startswith("database/Server/Instance")
    assert found.reason
