"""PostgreSQL on RDS, the proxy before it, and who may log in to it (docs/network.md)."""

from __future__ import annotations

import json
from typing import Protocol, cast

from aws_cdk import Duration, Fn, Stack, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.capabilities.log import Log
from infra.capabilities.network import DATABASE_PORT, PROXY_PORT, Network
from infra.capabilities.permissions import acknowledge, allow, of_this_account, secrets, skip_check
from infra.config import StageConfig
from infra.target import Target
from shared.names import DATABASE, LOGINS, Names

OWNER = "pousada_owner"
# The newest major that RDS Proxy is known to take. The tests run on 18, and use nothing that it brought. Without the
# minor, which RDS itself upgrades: a deployment that names one is refused as a downgrade once there is a later one.
_ENGINE = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17)
_EXPORTED_LOGS = ("postgresql", "upgrade")

PARAMETERS = {
    "rds.force_ssl": "1",
    "ssl_min_protocol_version": "TLSv1.2",
    # No guest's name comes into a log: not as a statement's parameter, not in the detail of an error, which quotes the
    # row, nor in the statement itself, which a reader writes by hand.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_statement": "none",
    # Slow statements are found here instead: texts without their values, and no ALTER ROLE with a password's verifier.
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_utility": "0",
    "log_lock_waits": "1",
    # Milliseconds. A transaction that was forgotten keeps old versions of every row from being cleared away.
    "idle_in_transaction_session_timeout": "300000",
}


class DatabaseKey(kms.Key):
    """Of the class *database*, rotated yearly."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target) -> None:
        super().__init__(
            scope,
            id,
            alias=f"alias/{config.names.named('database')}",
            description=f"Pousada {config.name}: the database's storage, backups and insights, its owner's password",
            enable_key_rotation=True,
            removal_policy=target.removal,
        )


class DatabaseServer(Construct):
    """``instance``: encrypted, restorable to any second, in subnets without a route out, open to its group alone.

    Its owner's password is made and kept by RDS, which changes it every seven days. It is for migrations, and for
    people; functions and job log in by IAM.
    """

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, target: Target, network: Network) -> None:
        super().__init__(scope, id)
        self.key = DatabaseKey(self, "Key", config=config, target=target)
        settings = config.database
        name = config.names.database_instance
        self.instance = rds.DatabaseInstance(
            self,
            "Instance",
            instance_identifier=name,
            engine=_ENGINE,
            instance_type=ec2.InstanceType(settings.instance_class.removeprefix("db.")),
            port=DATABASE_PORT,
            database_name=DATABASE,
            credentials=rds.Credentials.from_username(OWNER, encryption_key=self.key),
            manage_master_user_password=True,
            iam_authentication=True,
            ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1,
            vpc=network.vpc,
            subnet_group=self._subnet_group(config, target, network),
            security_groups=[network.groups.database],
            publicly_accessible=False,
            multi_az=settings.multi_az,
            storage_type=rds.StorageType.GP3,
            allocated_storage=settings.storage_gib,
            max_allocated_storage=settings.storage_limit_gib,
            storage_encrypted=True,
            storage_encryption_key=self.key,
            parameter_group=self._parameters(config, target),
            # At night in Europe, and the backup before the maintenance.
            backup_retention=Duration.days(settings.backup_days),
            preferred_backup_window="01:00-02:00",
            preferred_maintenance_window="sun:02:30-sun:03:30",
            delete_automated_backups=False,
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            deletion_protection=settings.deletion_protection,
            removal_policy=target.removal,
            # Database Insights' standard mode, with the seven days that cost nothing.
            database_insights_mode=rds.DatabaseInsightsMode.STANDARD,
            enable_performance_insights=True,
            performance_insight_encryption_key=self.key,
            performance_insight_retention=rds.PerformanceInsightRetention.DEFAULT,
            monitoring_interval=Duration.seconds(settings.monitoring_seconds) if settings.monitoring_seconds else None,
            monitoring_role=self._monitoring_role() if settings.monitoring_seconds else None,
            cloudwatch_logs_exports=list(_EXPORTED_LOGS),
        )
        self._acknowledge_choices(config)
        for log in _EXPORTED_LOGS:
            # Made before RDS would make it, and keep it for ever.
            group = Log(self, f"Log-{log}", name=f"/aws/rds/instance/{name}/{log}", config=config)
            self.instance.node.add_dependency(group)

    def _acknowledge_choices(self, config: StageConfig) -> None:
        chosen = "cdk.json says so for this stage: its data can be had from the raw objects again."
        if not config.database.multi_az:
            acknowledge(self.instance, "AwsSolutions-RDS3", chosen)
            skip_check(self.instance, "CKV_AWS_157", chosen)
        if not config.database.monitoring_seconds:
            skip_check(self.instance, "CKV_AWS_118", "cdk.json says so for this stage: what RDS counts itself will do.")
        if not config.database.deletion_protection:
            acknowledge(self.instance, "AwsSolutions-RDS10", chosen)

    @property
    def owner_address(self) -> str:
        """What ``DATABASE`` is for migrations."""
        return _address(self.instance.db_instance_endpoint_address, DATABASE_PORT, secret=self._secret_arn)

    def admit_owner(self, role: iam.Role) -> None:
        """``role`` may read the owner's password."""
        allow(role, "secretsmanager:GetSecretValue", on=[self._secret_arn])
        through = {"StringEquals": {"kms:ViaService": f"secretsmanager.{Stack.of(self).region}.amazonaws.com"}}
        allow(role, "kms:Decrypt", on=[self.key.key_arn], conditions=through)

    @property
    def _secret_arn(self) -> str:
        return cast(secretsmanager.ISecret, self.instance.secret).secret_arn

    def _subnet_group(self, config: StageConfig, target: Target, network: Network) -> rds.SubnetGroup:
        return rds.SubnetGroup(
            self,
            "Subnets",
            subnet_group_name=config.names.database_instance,
            description=f"Pousada {config.name}: no way in or out",
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name="isolated"),
            removal_policy=target.removal,
        )

    def _parameters(self, config: StageConfig, target: Target) -> rds.ParameterGroup:
        return rds.ParameterGroup(
            self,
            "Parameters",
            engine=_ENGINE,
            description=f"Pousada {config.name}",
            parameters=PARAMETERS,
            # Kept with the instance: RDS deletes none that is in use.
            removal_policy=target.removal,
        )

    def _monitoring_role(self) -> iam.Role:
        """What AmazonRDSEnhancedMonitoringRole allows, on the one group that RDS writes."""
        own = of_this_account(self)
        monitoring = iam.ServicePrincipal("monitoring.rds.amazonaws.com", conditions=own)
        role = iam.Role(self, "MonitoringRole", assumed_by=monitoring)
        actions = ("logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:CreateLogStream", "logs:PutLogEvents")
        group = f"arn:aws:logs:{Stack.of(self).region}:{Stack.of(self).account}:log-group:RDSOSMetrics:*"
        why = "Each database has a stream of its own in the group that RDS has for them all."
        allow(role, *actions, "logs:DescribeLogStreams", "logs:GetLogEvents", on=[group], why=why)
        return role


class Door(Protocol):
    """How functions and job come to the database."""

    def address(self, login: str) -> str:
        """What ``DATABASE`` is for who logs in as ``login``."""
        ...

    def admit(self, role: iam.Role, login: str) -> None:
        """``role`` may log in as ``login``, and as nobody else."""
        ...


class SecretDoor:
    """A PostgreSQL that is not ours to build: its address and a password for each login stand in a secret
    (``Names.login_secret``), and the owner's in another."""

    def __init__(self, names: Names) -> None:
        self._names = names

    @property
    def owner_address(self) -> str:
        return _where_a_secret_says(self._names.database_secret)

    def admit_owner(self, role: iam.Role) -> None:
        _may_read(role, self._names.database_secret)

    def address(self, login: str) -> str:
        return _where_a_secret_says(self._names.login_secret(login))

    def admit(self, role: iam.Role, login: str) -> None:
        _may_read(role, self._names.login_secret(login))


class IamDoor(Construct):
    """Where functions and job log in: the proxy, or the server itself where a stage has none.

    By IAM all the way: the proxy has no password to keep. It takes a login's token, and makes one of its own for the
    server.
    """

    def __init__(
        self, scope: Construct, id: str, *, config: StageConfig, server: DatabaseServer, network: Network
    ) -> None:
        super().__init__(scope, id)
        self._host, self._port = server.instance.db_instance_endpoint_address, DATABASE_PORT
        self._resource = cast(str, server.instance.instance_resource_id)
        if config.database.proxy:
            proxy = self._proxy(config, server, network)
            self._host, self._port = proxy.attr_endpoint, PROXY_PORT
            # arn:aws:rds:{region}:{account}:db-proxy:prx-…
            self._resource = Fn.select(6, Fn.split(":", proxy.attr_db_proxy_arn))

    def address(self, login: str) -> str:
        return _address(self._host, self._port, user=login)

    def admit(self, role: iam.Role, login: str) -> None:
        allow(role, "rds-db:connect", on=[_login(role, self._resource, login)])

    def _proxy(self, config: StageConfig, server: DatabaseServer, network: Network) -> rds.CfnDBProxy:
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("rds.amazonaws.com"))
        logins = [_login(self, self._resource, login) for login in LOGINS]
        allow(role, "rds-db:connect", on=logins)
        proxy = rds.CfnDBProxy(
            self,
            "Proxy",
            db_proxy_name=config.names.database_instance,
            engine_family="POSTGRESQL",
            default_auth_scheme="IAM_AUTH",
            require_tls=True,
            role_arn=role.role_arn,
            vpc_subnet_ids=network.subnets("private"),
            vpc_security_group_ids=[network.groups.proxy.security_group_id],
            # Its log would hold statements.
            debug_logging=False,
            idle_client_timeout=1800,
        )
        targets = rds.CfnDBProxyTargetGroup(
            self,
            "Targets",
            db_proxy_name=proxy.ref,
            # CloudFormation knows this one name.
            target_group_name="default",
            db_instance_identifiers=[server.instance.instance_identifier],
            connection_pool_configuration_info=rds.CfnDBProxyTargetGroup.ConnectionPoolConfigurationInfoFormatProperty(
                # The rest is for migrations, readers and people.
                max_connections_percent=80,
                max_idle_connections_percent=20,
                # As long as a function waits for its connection (shared/storage/database_address.py).
                connection_borrow_timeout=5,
            ),
        )
        # RDS makes it with the proxy, and CloudFormation only changes it: it takes no tags.
        Tags.of(targets).remove("application")
        Tags.of(targets).remove("stage")
        return proxy


def _where_a_secret_says(name: str) -> str:
    return json.dumps({"secret": name})


def _may_read(role: iam.Role, secret: str) -> None:
    allow(role, "secretsmanager:GetSecretValue", on=secrets(role, secret))


def _address(host: str, port: int, **how: str) -> str:
    """``DATABASE``, as shared/storage/database_address.py reads it."""
    return json.dumps({**how, "host": host, "port": port, "dbname": DATABASE})


def _login(scope: Construct, resource: str, login: str) -> str:
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:rds-db:{stack.region}:{stack.account}:dbuser:{resource}/{login}"
