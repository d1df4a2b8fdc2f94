"""Policies with one fault each, and the rule of least privilege that has to find it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.infra import privilege, privilege_of_data, privilege_of_resources
from tests.infra.policies import ACCOUNT, Policies, read_templates
from tests.infra.privilege import Rule


def allowing(action: str | list[str], resource: str | list[str], **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trusting(service: str = "lambda.amazonaws.com", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}, **more}


def bare(*statements: Mapping[str, Any], function: str = "webhook", **resources: Any) -> Policies:
    """A stage with one function, whose role is allowed ``statements``, and ``resources`` besides."""
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [trusting()]}}}
    runs = {"FunctionName": f"pousada-bare-{function}", "Role": {"Fn::GetAtt": ["Role", "Arn"]}}
    policy = {"Roles": [{"Ref": "Role"}], "PolicyDocument": {"Statement": list(statements)}}
    own = {
        "Role": role,
        "Function": {"Type": "AWS::Lambda::Function", "Properties": runs},
        "Policy": {"Type": "AWS::IAM::Policy", "Properties": policy},
    }
    return read_templates({"bare": {"Resources": {**own, **resources}}}, prefix="pousada-bare-")


def of(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def guarding(kind: str, *statements: Mapping[str, Any]) -> dict[str, Any]:
    return of(kind, PolicyDocument={"Statement": list(statements)})


def role(statement: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return of("AWS::IAM::Role", AssumeRolePolicyDocument={"Statement": [statement]}, **more)


def keyed(*keys: str) -> dict[str, Any]:
    name = "dynamodb:LeadingKeys"
    return {"Condition": {"ForAllValues:StringLike": {name: list(keys)}, "Null": {name: "false"}}}


RAW = "arn:aws:s3:::pousada-bare-raw"
QUEUE = "arn:aws:sqs:eu-west-1:111122223333:pousada-bare-live"
SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:"
SECRETS_MANAGER = "secretsmanager.amazonaws.com"
HOTEL_SECRETS = "arn:aws:dynamodb:eu-west-1:111122223333:table/pousada-bare-hotel-secrets"
TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/pousada-bare-integrations"
FROM_EVENTS = {"Effect": "Allow", "Action": "sqs:SendMessage", "Principal": {"Service": "events.amazonaws.com"}}
EVERYBODY = {"Effect": "Allow", "Action": "s3:GetObject", "Principal": "*", "Resource": f"{RAW}/*"}
SOMEBODY_ELSE = {**EVERYBODY, "Principal": {"AWS": "arn:aws:iam::999999999999:root"}}
KEYS = f"arn:aws:kms:eu-south-2:{ACCOUNT}:key/*"
BACKUPS = "alias/pousada-bare-backups"
OPERATOR = {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/operator"}}


def said(operator: str, key: str, *values: str) -> dict[str, Any]:
    return {"Condition": {operator: {key: list(values)}}}


def this_account(operator: str, of: str = "Source") -> dict[str, Any]:
    return said(operator, f"aws:{of}Account", ACCOUNT)


def by_a_service(action: str) -> dict[str, Any]:
    """To raw objects, and for this account."""
    return allowing(action, f"{RAW}/*", Principal={"Service": "s3.amazonaws.com"}, **this_account("StringEquals"))


CALLING = {"Action": "lambda:InvokeFunction", "FunctionName": "webhook", "Principal": "apigateway.amazonaws.com"}

FAULTS: dict[str, tuple[Rule, Policies]] = {
    "any action": (privilege.no_wildcard_in_an_action, bare(allowing("*", QUEUE))),
    "any action of a service": (privilege.no_wildcard_in_an_action, bare(allowing("s3:*", f"{RAW}/*"))),
    "any action of a beginning": (privilege.no_wildcard_in_an_action, bare(allowing("s3:Get*", f"{RAW}/*"))),
    "any action but one": (
        privilege.no_wildcard_in_an_action,
        bare({"Effect": "Allow", "NotAction": "iam:*", "Resource": QUEUE}),
    ),
    "any action by a queue's policy": (
        privilege.no_wildcard_in_an_action,
        bare(Queue=guarding("AWS::SQS::QueuePolicy", {**FROM_EVENTS, "Action": "sqs:*", "Resource": QUEUE})),
    ),
    "any action within a role": (
        privilege.no_wildcard_in_an_action,
        bare(Inline=role(trusting(), Policies=[{"PolicyDocument": {"Statement": [allowing("sqs:*", QUEUE)]}}])),
    ),
    "any key's action for somebody but the root": (
        privilege.no_wildcard_in_an_action,
        bare(
            Key=of(
                "AWS::KMS::Key",
                KeyPolicy={
                    "Statement": [allowing("kms:*", "*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/operator"})]
                },
            )
        ),
    ),
    "any resource": (privilege.no_resource_left_open, bare(allowing("sqs:SendMessage", "*"))),
    "any resource among others": (privilege.no_resource_left_open, bare(allowing("sqs:SendMessage", [QUEUE, "*"]))),
    "any bucket": (privilege.no_resource_left_open, bare(allowing("s3:GetObject", "arn:aws:s3:::*"))),
    "any table": (
        privilege.no_resource_left_open,
        bare(allowing("dynamodb:Scan", "arn:aws:dynamodb:eu-west-1:111122223333:table/*")),
    ),
    "any secret": (privilege.no_resource_left_open, bare(allowing("secretsmanager:GetSecretValue", f"{SECRET}*"))),
    "any resource but one": (
        privilege.no_resource_left_open,
        bare({"Effect": "Allow", "Action": "sqs:SendMessage", "NotResource": QUEUE}),
    ),
    "metrics of any name": (privilege.no_resource_left_open, bare(allowing("cloudwatch:PutMetricData", "*"))),
    "a log group's policy, as text, on everything": (
        privilege.no_resource_left_open,
        bare(
            Logs=of(
                "AWS::Logs::ResourcePolicy",
                PolicyDocument='{"Statement": [{"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*",'
                ' "Principal": {"Service": "events.amazonaws.com"}}]}',
            )
        ),
    ),
    "an administrator": (
        privilege.only_named_policies_of_aws,
        bare(Admin=role(trusting(), ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"])),
    ),
    "another kind of secret": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(allowing("secretsmanager:GetSecretValue", f"{SECRET}hostpms/*/oauth-credentials-??????")),
    ),
    "every kind of a vendor's secrets": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(allowing("secretsmanager:GetSecretValue", f"{SECRET}hostpms/*")),
    ),
    "the database's secret": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(allowing("secretsmanager:GetSecretValue", f"{SECRET}pousada/bare/database-??????")),
    ),
    "a reader's secret beside the database's": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(allowing("secretsmanager:GetSecretValue", f"{SECRET}pousada/bare/database*"), function="apply"),
    ),
    "many secrets at a time": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(allowing("secretsmanager:BatchGetSecretValue", f"{SECRET}hostpms/x/webhook-secret"), function="manifest"),
    ),
    "the hotels' secrets without a key": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(allowing("dynamodb:GetItem", HOTEL_SECRETS)),
    ),
    "the hotels' secrets for requests without a key": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(
            allowing(
                "dynamodb:GetItem",
                HOTEL_SECRETS,
                Condition={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["hostpms/*/webhook-secret"]}},
            )
        ),
    ),
    "another kind of key": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(allowing("dynamodb:GetItem", HOTEL_SECRETS, **keyed("hostpms/*/oauth-credentials"))),
    ),
    "one right key and one wrong": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(allowing("dynamodb:GetItem", HOTEL_SECRETS, **keyed("hostpms/*/webhook-secret", "hostpms/*"))),
    ),
    "a scan, to which keys do not apply": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(allowing("dynamodb:Scan", HOTEL_SECRETS, **keyed("hostpms/*/webhook-secret"))),
    ),
    "a restored backup of the hotels' secrets": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(allowing("dynamodb:RestoreTableFromBackup", f"{HOTEL_SECRETS}/backup/*"), function="manifest"),
    ),
    "an index of the hotels' secrets": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(allowing("dynamodb:Query", f"{HOTEL_SECRETS}/index/by-age")),
    ),
    "tables of any name": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(allowing("dynamodb:GetItem", TABLE.replace("integrations", "*"))),
    ),
    "the key of the secrets": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(
            allowing("kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/pousada-bare-secrets"), function="manifest"
        ),
    ),
    "landing by one who does not": (
        privilege_of_data.raw_objects_are_put_by_the_landers,
        bare(allowing("s3:PutObject", f"{RAW}/*/webhooks/*"), function="manifest"),
    ),
    "landing outside one's folders": (
        privilege_of_data.raw_objects_are_put_by_the_landers,
        bare(allowing("s3:PutObject", f"{RAW}/*")),
    ),
    "landing in buckets that begin so": (
        privilege_of_data.raw_objects_are_put_by_the_landers,
        bare(allowing("s3:PutObject", "arn:aws:s3:::pousada-bare-r*")),
    ),
    "landing by the bucket's policy": (
        privilege_of_data.raw_objects_are_put_by_the_landers,
        bare(Raw=guarding("AWS::S3::BucketPolicy", {**SOMEBODY_ELSE, "Action": "s3:PutObject"})),
    ),
    "reading raw by one who does not": (
        privilege_of_data.raw_is_read_and_landed_and_nothing_else,
        bare(allowing("s3:GetObject", f"{RAW}/*"), function="manifest"),
    ),
    "an access list on raw": (
        privilege_of_data.raw_is_read_and_landed_and_nothing_else,
        bare(allowing("s3:PutObjectAcl", f"{RAW}/*/webhooks/*")),
    ),
    "deleting raw objects": (
        privilege_of_data.nobody_destroys_raw,
        bare(allowing("s3:DeleteObject", f"{RAW}/*/webhooks/*")),
    ),
    "deleting versions of raw objects": (
        privilege_of_data.nobody_destroys_raw,
        bare(allowing("s3:DeleteObjectVersion", f"{RAW}/a/b/c")),
    ),
    "deleting in any bucket of the stage": (
        privilege_of_data.nobody_destroys_raw,
        bare(allowing("s3:DeleteObject", "arn:aws:s3:::pousada-bare-*/*")),
    ),
    "a lifecycle that deletes": (
        privilege_of_data.nobody_destroys_raw,
        bare(allowing("s3:PutLifecycleConfiguration", RAW)),
    ),
    "another policy for the raw bucket": (
        privilege_of_data.nobody_destroys_raw,
        bare(allowing("s3:PutBucketPolicy", RAW)),
    ),
    "deleting what raw is encrypted with": (
        privilege_of_data.nobody_destroys_raw,
        bare(allowing("kms:ScheduleKeyDeletion", "arn:aws:kms:eu-west-1:111122223333:key/pousada-bare-data")),
    ),
    "encrypting by one who writes nothing": (
        privilege_of_data.who_encrypts_writes,
        bare(
            allowing("dynamodb:Scan", TABLE),
            allowing("kms:GenerateDataKey", "arn:aws:kms:eu-west-1:111122223333:key/pousada-bare-data"),
        ),
    ),
    "passing a role": (
        privilege.roles_are_passed_by_whom_it_is_said,
        bare(allowing("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/operator")),
    ),
    "a function that any API may call": (
        privilege.a_function_is_called_by_one_source,
        bare(Open=of("AWS::Lambda::Permission", **CALLING)),
    ),
    "a function that any schedule may call": (
        privilege.a_function_is_called_by_one_source,
        bare(Open=of("AWS::Lambda::Permission", **CALLING, SourceArn="arn:aws:execute-api:eu-west-1:*:*")),
    ),
    "a function's address for everybody": (
        privilege.a_function_is_called_by_one_source,
        bare(
            Open=of(
                "AWS::Lambda::Permission",
                Action="lambda:InvokeFunctionUrl",
                FunctionName="webhook",
                Principal="*",
                FunctionUrlAuthType="NONE",
            )
        ),
    ),
    "a bucket for everybody": (
        privilege.nothing_is_open_to_everybody,
        bare(Raw=guarding("AWS::S3::BucketPolicy", EVERYBODY)),
    ),
    "a bucket for every account": (
        privilege.nothing_is_open_to_everybody,
        bare(Raw=guarding("AWS::S3::BucketPolicy", {**EVERYBODY, "Principal": {"AWS": "*"}})),
    ),
    "a bucket for another account": (
        privilege.nothing_is_open_to_everybody,
        bare(Raw=guarding("AWS::S3::BucketPolicy", SOMEBODY_ELSE)),
    ),
    "a role for another account": (
        privilege.nothing_is_open_to_everybody,
        bare(Theirs=role(trusting(Principal={"AWS": "arn:aws:iam::999999999999:root"}))),
    ),
    "an endpoint to everybody's buckets": (
        privilege.a_way_out_leads_to_this_account,
        bare(Endpoint=guarding("AWS::EC2::VPCEndpoint", allowing("*", "*", Principal={"AWS": "*"}))),
    ),
    "interfaces in any region": (
        privilege.no_resource_left_open,
        bare(allowing("ec2:CreateNetworkInterface", f"arn:aws:ec2:*:{ACCOUNT}:*/*")),
    ),
    "another action on what has no name yet": (
        privilege.no_resource_left_open,
        bare(allowing("ec2:RunInstances", f"arn:aws:ec2:eu-west-1:{ACCOUNT}:*/*")),
    ),
    "the database owner's secret": (
        privilege_of_data.a_secret_is_read_by_whom_it_serves,
        bare(
            allowing("secretsmanager:GetSecretValue", {"Fn::GetAtt": ["Server", "MasterUserSecret.SecretArn"]}),  # type: ignore[arg-type]
            function="apply",
        ),
    ),
    "events of any account": (
        privilege.a_service_comes_in_for_this_account,
        bare(Queue=guarding("AWS::SQS::QueuePolicy", {**FROM_EVENTS, "Resource": QUEUE})),
    ),
    "a schedule of any account": (
        privilege.a_role_trusts_one_service,
        bare(Schedule=role(trusting("scheduler.amazonaws.com"))),
    ),
    "two services": (
        privilege.a_role_trusts_one_service,
        bare(Both=role(trusting(Principal={"Service": ["lambda.amazonaws.com", "glue.amazonaws.com"]}))),
    ),
    "a role for a person": (
        privilege.a_role_trusts_one_service,
        bare(Person=role(trusting(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}))),
    ),
    "a key that a condition on no alias of the stage's names": (
        privilege.no_resource_left_open,
        bare(allowing("kms:CreateGrant", KEYS, **said("ForAnyValue:StringLike", "kms:ResourceAliases", "alias/*"))),
    ),
    "a key by its alias or by none": (
        privilege.no_resource_left_open,
        bare(allowing("kms:CreateGrant", KEYS, **said("ForAllValues:StringEquals", "kms:ResourceAliases", BACKUPS))),
    ),
    "decrypting with a key that an alias names": (
        privilege.no_resource_left_open,
        bare(allowing("kms:Decrypt", KEYS, **said("ForAnyValue:StringEquals", "kms:ResourceAliases", BACKUPS))),
    ),
    **{
        f"metrics {what}": (
            privilege.no_resource_left_open,
            bare(allowing("cloudwatch:PutMetricData", "*", **said(operator, "cloudwatch:namespace", namespace))),
        )
        for what, operator, namespace in (
            ("whose name has a wildcard", "StringLike", "*"),
            ("of another stage", "StringEquals", "pousada/prod"),
            ("of any name but one", "StringNotEquals", "pousada/bare"),
        )
    },
    **{
        f"a way out {what}": (
            privilege.a_way_out_leads_to_this_account,
            bare(Endpoint=guarding("AWS::EC2::VPCEndpoint", {"Effect": "Allow", "Principal": "*", **leading})),
        )
        for what, leading in {
            "to all accounts but this": {"Action": "*", "Resource": "*", **this_account("StringNotEquals", "Resource")},
            "to this account if one is told": {
                "Action": "*",
                "Resource": "*",
                **this_account("StringEqualsIfExists", "Resource"),
            },
            "to buckets that begin so": {"Action": "s3:PutObject", "Resource": "arn:aws:s3:::pousada*/*"},
            "to a bucket of whoever has it": {"Action": "s3:PutObject", "Resource": "arn:aws:s3:::elsewhere/*"},
            "to put into what Glue starts with": {"Action": "s3:PutObject", "Resource": "arn:aws:s3:::aws-glue-*/*"},
            "to all but one bucket": {
                "Action": "s3:PutObject",
                "NotResource": RAW,
                **this_account("StringEquals", "Resource"),
            },
            "for all but one action": {
                "NotAction": "s3:GetObject",
                "Resource": "*",
                **this_account("StringEquals", "Resource"),
            },
        }.items()
    },
    "a way out of which nothing is said": (
        privilege.a_way_out_leads_to_this_account,
        bare(Endpoint=of("AWS::EC2::VPCEndpoint", ServiceName="com.amazonaws.eu-west-1.sqs")),
    ),
    **{
        f"events {what}": (
            privilege.a_service_comes_in_for_this_account,
            bare(Queue=guarding("AWS::SQS::QueuePolicy", {**FROM_EVENTS, "Resource": QUEUE, **condition})),
        )
        for what, condition in {
            "of every account but this": this_account("StringNotEquals"),
            "of this account, if one is told": this_account("StringEqualsIfExists"),
            "of another account": said("StringEquals", "aws:SourceAccount", "999999999999"),
            "of this account or another": said("StringEquals", "aws:SourceAccount", ACCOUNT, "999999999999"),
            "of any rule": said("ArnLike", "aws:SourceArn", "*"),
            "of any account's rule": said("ArnLike", "aws:SourceArn", "arn:aws:events:eu-west-1:*:rule/x"),
            "that nothing is said of": said("Null", "aws:SourceAccount", "false"),
        }.items()
    },
    **{
        f"trust that {what}": (
            privilege.a_role_trusts_one_service,
            bare(Schedule=role(trusting("scheduler.amazonaws.com", **this_account(operator)))),
        )
        for what, operator in {
            "is of all accounts but this": "StringNotEquals",
            "is of this account, if one is told": "StringEqualsIfExists",
        }.items()
    },
    **{
        f"a function that {what} may call": (
            privilege.a_function_is_called_by_one_source,
            bare(Open=of("AWS::Lambda::Permission", **{**CALLING, **more})),
        )
        for what, more in {
            "another account": {"SourceAccount": "999999999999"},
            "another account's API": {"SourceArn": "arn:aws:execute-api:eu-west-1:999999999999:api/*"},
            "another account's API for this one": {
                "SourceAccount": ACCOUNT,
                "SourceArn": "arn:aws:execute-api:eu-west-1:999999999999:api/*",
            },
            "a bucket of whoever has it": {"SourceArn": "arn:aws:s3:::elsewhere"},
            "an account's users": {"SourceAccount": ACCOUNT, "Principal": "999999999999"},
        }.items()
    },
    **{
        f"a resource that lets in {what}": (privilege_of_resources.a_resource_lets_in_whom_it_is_said, bare(It=guard))
        for what, guard in {
            "a service that deletes raw objects": guarding("AWS::S3::BucketPolicy", by_a_service("s3:DeleteObject")),
            "a service that reads raw objects": guarding("AWS::S3::BucketPolicy", by_a_service("s3:GetObject")),
            "a role that reads raw objects": guarding(
                "AWS::S3::BucketPolicy", allowing("s3:GetObject", f"{RAW}/*", **OPERATOR)
            ),
            "access logs into another bucket": guarding(
                "AWS::S3::BucketPolicy",
                allowing(
                    "s3:PutObject",
                    f"{RAW}/*",
                    Principal={"Service": "logging.s3.amazonaws.com"},
                    **this_account("StringEquals"),
                ),
            ),
            "a role that decrypts": of(
                "AWS::KMS::Key", KeyPolicy={"Statement": [allowing("kms:Decrypt", "*", **OPERATOR)]}
            ),
            "a role that deletes the key": of(
                "AWS::KMS::Key", KeyPolicy={"Statement": [allowing("kms:ScheduleKeyDeletion", "*", **OPERATOR)]}
            ),
            "alarms that decrypt with a key not theirs": of(
                "AWS::KMS::Key",
                KeyPolicy={
                    "Statement": [
                        allowing(
                            "kms:Decrypt",
                            "*",
                            Principal={"Service": "cloudwatch.amazonaws.com"},
                            **this_account("StringEquals"),
                        )
                    ]
                },
            ),
            "a role that reads the secret": of(
                "AWS::SecretsManager::ResourcePolicy",
                SecretId=f"{SECRET}x",
                ResourcePolicy={"Statement": [allowing("secretsmanager:GetSecretValue", "*", **OPERATOR)]},
            ),
            "a role that reads hotels' secrets": of(
                "AWS::DynamoDB::Table",
                TableName="pousada-bare-hotel-secrets",
                ResourcePolicy={
                    "PolicyDocument": {"Statement": [allowing("dynamodb:GetItem", HOTEL_SECRETS, **OPERATOR)]}
                },
            ),
            "whoever is not named": guarding(
                "AWS::SQS::QueuePolicy",
                {"Effect": "Allow", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "sqs:SendMessage", "Resource": QUEUE},
            ),
        }.items()
    },
}
