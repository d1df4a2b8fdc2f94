"""What single roles may do, each for its work; what none may do: test_least_privilege.py."""

from __future__ import annotations

import json

import pytest

from shared.pipeline.sync_runs import SyncRun
from tests.infra.templates import Synthesised, words

pytestmark = pytest.mark.infra

INTERFACE_ACTIONS = (
    "CreateNetworkInterface",
    "DeleteNetworkInterface",
    "AssignPrivateIpAddresses",
    "UnassignPrivateIpAddresses",
    "DescribeNetworkInterfaces",
    "DescribeSubnets",
)


def test_lambda_may_connect_a_function_to_the_network_and_its_code_may_not(aws_stage: Synthesised):
    policies = aws_stage.properties("AWS::IAM::Policy")
    functions = aws_stage.properties("AWS::Lambda::Function").values()
    denied = [
        (set(words(s["Action"])), json.dumps(s["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]))
        for properties in policies.values()
        for s in properties["PolicyDocument"]["Statement"]
        if s["Effect"] == "Deny"
    ]
    assert len(denied) == len(functions)
    making = {f"ec2:{what}" for what in INTERFACE_ACTIONS}
    for function in functions:
        (actions,) = (actions for actions, source in denied if f':function:{function["FunctionName"]}"' in source)
        assert actions == making
    allowed = {action for _, s in aws_stage.statements() for action in words(s["Action"]) if action.startswith("ec2:")}
    assert making <= allowed


def test_glue_marks_interfaces_with_its_own_tag_alone(aws_stage: Synthesised):
    (marking,) = [s for _, s in aws_stage.statements() if "ec2:CreateTags" in words(s["Action"])]
    assert words(marking["Action"]) == ["ec2:CreateTags", "ec2:DeleteTags"]
    assert all('network-interface/*"' in resource for resource in words(marking["Resource"]))
    (condition,) = marking["Condition"].items()
    assert (condition[0], words(condition[1]["aws:TagKeys"])) == (
        "ForAllValues:StringEquals",
        ["aws-glue-service-resource"],
    )


def test_the_job_marks_interfaces_with_glues_own_tag_and_no_other(aws_stage: Synthesised):
    (marking,) = (s for s in aws_stage.allowed("EtlRole") if "ec2:CreateTags" in words(s["Action"]))
    assert set(words(marking["Action"])) == {"ec2:CreateTags", "ec2:DeleteTags"}
    assert marking["Condition"] == {"ForAllValues:StringEquals": {"aws:TagKeys": ["aws-glue-service-resource"]}}
    assert ":network-interface/*" in str(marking["Resource"])


def test_interfaces_are_made_in_this_account_and_region_alone(aws_stage: Synthesised):
    here = f'arn:aws:ec2:{aws_stage.config.region}:", {{"Ref": "AWS::AccountId"}}, ":'
    making = [s for _, s in aws_stage.statements() if "ec2:CreateNetworkInterface" in words(s["Action"])]
    assert len(making) == len(aws_stage.properties("AWS::Lambda::Function")) + 1
    assert all(here in resource for s in making for resource in words(s["Resource"]))


WHO_LOGS_IN = {
    "LivePathApplyRole": "pousada_app",
    "/EtlRole": "pousada_app",
    "EtlFunctionRole": "pousada_app",
    "DailyAuditRole": "pousada_audit",
}


@pytest.mark.parametrize(("role", "login"), WHO_LOGS_IN.items())
def test_on_the_local_target_a_login_s_secret_is_read_by_who_logs_in_as_it(local: Synthesised, role: str, login: str):
    name = local.config.names.login_secret(login)
    resources = _resources(local, role, "secretsmanager:GetSecretValue")
    assert [resource.partition(":secret:")[2].rstrip('"]}') for resource in resources] == [name, f"{name}-??????"]


@pytest.mark.parametrize(("role", "login"), WHO_LOGS_IN.items())
def test_on_aws_a_role_logs_in_to_the_proxy_by_its_own_name_and_no_other(aws_stage: Synthesised, role: str, login: str):
    (resource,) = _resources(aws_stage, role, "rds-db:connect")
    assert resource.endswith(f'"/{login}"]]}}')
    assert "DoorProxy" in resource
    assert _resources(aws_stage, role, "secretsmanager:GetSecretValue") == []


def test_nobody_else_logs_in_to_the_database_but_the_proxy(aws_stage: Synthesised):
    who = {policy for policy, s in aws_stage.statements() if "rds-db:connect" in words(s["Action"])}
    assert len(who) == len(WHO_LOGS_IN) + 1
    resources = _resources(aws_stage, "DoorRole", "rds-db:connect")
    assert sorted(resource.rpartition('"/')[2].rstrip('"]}') for resource in resources) == [
        "pousada_app",
        "pousada_audit",
    ]
    assert all("DbiResourceId" in resource for resource in resources)


def test_the_owner_s_password_is_read_by_migrate_alone(aws_stage: Synthesised):
    reading = [
        policy
        for policy, s in aws_stage.statements()
        if "secretsmanager:GetSecretValue" in words(s["Action"]) and "MasterUserSecret" in json.dumps(s["Resource"])
    ]
    assert len(reading) == 1
    assert "Migrate" in reading[0]
    (decrypting,) = [s for s in aws_stage.allowed("MigrateRole") if "kms:Decrypt" in words(s["Action"])]
    through = f"secretsmanager.{aws_stage.config.region}.amazonaws.com"
    assert decrypting["Condition"] == {"StringEquals": {"kms:ViaService": through}}


@pytest.mark.parametrize(
    ("key", "services", "users"), [("DataKey", ("s3", "dynamodb"), 10), ("HotelSecretsKey", ("dynamodb",), 3)]
)
def test_a_key_is_used_through_the_services_of_its_data_only(
    stage: Synthesised, key: str, services: tuple[str, ...], users: int
):
    through = [f"{service}.{stage.config.region}.amazonaws.com" for service in services]
    # What backups may do with keys: tests/infra/test_recovery.py.
    others = [s for policy, s in stage.statements() if "BackupsRole" not in policy]
    keyed = [s for s in others if any(a.startswith("kms:") for a in words(s["Action"]))]
    using = [s for s in keyed if key in json.dumps(s["Resource"])]
    assert len(using) == users
    for statement in using:
        (condition,) = statement["Condition"].items()
        assert (condition[0], words(condition[1]["kms:ViaService"])) == ("StringEquals", through)


@pytest.mark.parametrize(
    ("role", "kind"), [("WebhookRole", "webhook-secret"), ("PollingPollerRole", "oauth-credentials")]
)
def test_a_function_gets_the_hotels_secrets_that_it_serves_one_at_a_time(stage: Synthesised, role: str, kind: str):
    table = f"table/{stage.config.names.hotel_secrets_table}"
    (reading,) = [s for s in stage.allowed(role) if table in json.dumps(s["Resource"])]
    names = [f"{vendor}/*/{kind}" for vendor in stage.config.vendors]
    assert words(reading["Action"]) == ["dynamodb:GetItem"]
    assert words(reading["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]) == names
    assert reading["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}


@pytest.mark.parametrize(
    ("role", "action", "target"),
    [
        ("PollingSchedulerRole", "lambda:InvokeFunction", "DispatcherFunctionAliaslive"),
        ("EtlFunctionSchedulerRole", "lambda:InvokeFunction", "EtlFunctionAliaslive"),
        ("DailyAuditSchedulerRole", "sqs:SendMessage", "DailyAuditWorkQueue"),
        ("WatchSchedulerRole", "lambda:InvokeFunction", "WatchFunctionAliaslive"),
        ("RotationSchedulerRole", "sqs:SendMessage", "RotationWorkQueue"),
    ],
)
def test_a_schedule_may_start_its_work_and_nothing_else(stage: Synthesised, role: str, action: str, target: str):
    (statement,) = stage.allowed(role)
    assert words(statement["Action"]) == [action]
    (resource,) = words(statement["Resource"])
    assert target in resource


@pytest.mark.parametrize(
    ("role", "function"), [("WebhookShiftRole", "Webhook"), ("LivePathShiftRole", "LivePathApply")]
)
def test_a_deployment_may_move_its_own_alias_and_look_at_alarms_and_nothing_else(
    aws_stage: Synthesised, role: str, function: str
):
    if not aws_stage.allowed(role):
        assert aws_stage.config.name.startswith("dev-")
        return
    moving = {"lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetProvisionedConcurrencyConfig"}
    assert {action for action, _ in _permissions(aws_stage, role)} == moving | {"cloudwatch:DescribeAlarms"}
    moved = {on for action, on in _permissions(aws_stage, role) if action in moving}
    assert all(f'"{function}Function' in on for on in moved)
    assert len(moved) == 2
    managed = [
        r["ManagedPolicyArns"]
        for id, r in aws_stage.properties("AWS::IAM::Role").items()
        if role in id and r.get("ManagedPolicyArns")
    ]
    assert managed == []


@pytest.mark.parametrize("role", ["LivePathApplyRole", "/EtlRole", "EtlFunctionRole", "DailyAuditRole"])
def test_who_reads_raw_objects_may_list_them_for_else_one_that_is_gone_is_forbidden_and_not_missing(
    stage: Synthesised, role: str
):
    listed = [
        resource
        for statement in stage.allowed(role)
        if "s3:ListBucket" in words(statement["Action"])
        for resource in words(statement["Resource"])
    ]
    assert any(stage.config.names.raw_bucket in resource for resource in listed)


def test_rotation_changes_webhook_secrets_and_reads_credentials_and_makes_and_deletes_neither(stage: Synthesised):
    table = f"table/{stage.config.names.hotel_secrets_table}"
    allowed = {
        name: set(words(s["Action"]))
        for s in stage.allowed("RotationRotateRole")
        if table in json.dumps(s["Resource"])
        for name in words(s["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
    }
    for vendor in stage.config.vendors:
        assert allowed.pop(f"{vendor}/*/webhook-secret") == {"dynamodb:GetItem", "dynamodb:UpdateItem"}
        assert allowed.pop(f"{vendor}/*/oauth-credentials") == {"dynamodb:GetItem"}
    assert allowed == {}


READING = {
    "dynamodb:GetItem",
    "dynamodb:Scan",
    "kms:Decrypt",
    "kms:DescribeKey",
    "s3:GetObject",
    "s3:ListBucket",
    "secretsmanager:GetSecretValue",
}
TELEMETRY = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}


def test_the_audit_may_read_and_order_its_own_work_and_nothing_else(stage: Synthesised):
    allowed = {action for s in stage.allowed("DailyAuditRole") for action in words(s["Action"])}
    taking_messages = {action for action in allowed if action.startswith("sqs:")} - {"sqs:SendMessage"}
    reading = READING - {"secretsmanager:GetSecretValue"} | {"rds-db:connect"} if _on_aws(stage) else READING
    in_network = {action for action in allowed if action.startswith("ec2:")}
    assert allowed - taking_messages - in_network == reading | TELEMETRY | {"sqs:SendMessage"}
    (queue,) = _resources(stage, "DailyAuditRole", "sqs:SendMessage")
    assert "DailyAuditWorkQueue" in queue


def test_the_audit_reads_the_raw_lake_and_the_manifests_and_no_other_objects(stage: Synthesised):
    names = stage.config.names
    read = [resource.rstrip('"]}') for resource in _resources(stage, "DailyAuditRole", "s3:GetObject")]
    assert sorted(one.partition(":s3:::")[2] for one in read) == [
        f"{names.raw_bucket}/*",
        f"{names.work_bucket}/manifests/*",
    ]
    (listing,) = [
        s
        for s in stage.allowed("DailyAuditRole")
        if "s3:ListBucket" in words(s["Action"]) and names.work_bucket in json.dumps(s["Resource"])
    ]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "manifests/*"}}


def test_the_watch_reads_what_stands_where_and_nothing_else(stage: Synthesised):
    names = stage.config.names
    permissions = _permissions(stage, "WatchFunctionRole")
    allowed = {(a, on) for a, on in permissions if a not in TELEMETRY and not a.startswith("ec2:")}
    assert {action for action, _ in allowed} == {
        *("s3:ListBucket", "s3:GetObject", "dynamodb:Scan", "dynamodb:Query"),
        *("sqs:GetQueueUrl", "sqs:GetQueueAttributes", "kms:Decrypt", "kms:DescribeKey"),
        *(("rds:DescribeDBInstances",) if _on_aws(stage) else ()),
    }
    described = _resources(stage, "WatchFunctionRole", "rds:DescribeDBInstances")
    assert [one.rstrip('"]}').endswith(f":db:{names.database_instance}") for one in described] == [True] * _on_aws(
        stage
    )
    (read,) = _resources(stage, "WatchFunctionRole", "s3:GetObject")
    assert read.rstrip('"]}').endswith(f"{names.work_bucket}/manifests/*")
    queues = _resources(stage, "WatchFunctionRole", "sqs:GetQueueAttributes")
    assert all(queue.rstrip('"]}').endswith("-dead-letters") for queue in queues)


def test_the_watch_may_read_runs_and_not_the_tokens_beside_them(stage: Synthesised):
    (query,) = [s for s in stage.allowed("WatchFunctionRole") if "dynamodb:Query" in words(s["Action"])]
    readable = query["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"]
    assert set(readable) == {"pk", "sk", *SyncRun.__struct_fields__}
    assert "value" not in readable
    assert query["Condition"]["StringEquals"] == {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}


def test_the_function_etl_may_do_what_the_job_may_do_with_batches_and_start_that_job(stage: Synthesised):
    more = _permissions(stage, "EtlFunctionRole") - _permissions(stage, "/EtlRole")
    of_platform = {
        (a, on) for a, on in more if a.startswith(("xray:", "logs:", "ec2:")) or "EtlFunctionDeadLetters" in on
    }
    starting = dict(more - of_platform)
    assert starting.keys() == {"glue:GetJobRuns", "glue:StartJobRun"}
    assert all(f":job/{stage.config.names.glue_job}" in resource for resource in starting.values())


def _on_aws(stage: Synthesised) -> bool:
    return stage.config.target == "aws"


def _permissions(stage: Synthesised, role: str) -> set[tuple[str, str]]:
    return {(a, on) for s in stage.allowed(role) for a in words(s["Action"]) for on in words(s["Resource"])}


def _resources(stage: Synthesised, role: str, action: str) -> list[str]:
    statements = [s for s in stage.allowed(role) if action in words(s["Action"])]
    return [resource for statement in statements for resource in words(statement["Resource"])]
