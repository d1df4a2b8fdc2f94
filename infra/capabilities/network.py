"""The stage's network: who is where, who may speak to whom, and the few ways out (docs/network.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.capabilities.log import Log
from infra.capabilities.nat import NatInstances
from infra.capabilities.permissions import of_this_account
from infra.config import StageConfig

Tier = Literal["public", "egress", "private", "isolated"]
"""``public``: NAT alone. ``egress``: a way out through it. ``private``: S3, DynamoDB and the network itself.
``isolated``: the network alone, for the database."""

PROXY_PORT, DATABASE_PORT = 5432, 5433
"""The proxy has no choice. The database's own port is not the one that is tried first."""
_HTTPS = ec2.Port.tcp(443)
# Of each zone's subnets. Lambda's functions share a few addresses, Glue takes one for each worker.
_MASKS: dict[Tier, int] = {"public": 26, "egress": 20, "private": 22, "isolated": 26}
_TYPES: dict[Tier, ec2.SubnetType] = {
    "public": ec2.SubnetType.PUBLIC,
    "egress": ec2.SubnetType.PRIVATE_WITH_EGRESS,
    "private": ec2.SubnetType.PRIVATE_ISOLATED,
    "isolated": ec2.SubnetType.PRIVATE_ISOLATED,
}


PLACES: dict[str, tuple[Tier, str]] = {
    "webhook": ("private", "services"),
    "manifest": ("private", "services"),
    "apply": ("private", "clients"),
    # SQS, Glue, the API of RDS, CloudFormation and the vendors are outside.
    "dispatcher": ("egress", "services"),
    "poller": ("egress", "services"),
    "audit": ("egress", "clients"),
    "etl": ("egress", "clients"),
    "migrate": ("egress", "migrations"),
    "job": ("egress", "job"),
    "rotate": ("egress", "services"),
    "watch": ("egress", "services"),
}
"""Of each function, by its folder, and of the Glue job (``job``): the tier, and its group in ``Groups``."""


@dataclass(frozen=True)
class Place:
    """Where something runs: a tier's subnets, one in each zone, and the security group it is in."""

    vpc: ec2.IVpc
    subnets: ec2.SubnetSelection
    group: ec2.SecurityGroup


class Network(Construct):
    """The VPC, its gateway endpoints, its flow log and its ``groups``. Nothing of it is looked up."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig) -> None:
        super().__init__(scope, id)
        network = config.network
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=config.names.named("network"),
            ip_addresses=ec2.IpAddresses.cidr(network.cidr),
            max_azs=network.zones,
            nat_gateways=network.nats if network.nat == "gateway" else 0,
            subnet_configuration=[_subnets(tier) for tier in _TYPES],
            # CDK would empty the default group by a function that may change any group. Nobody is in it
            # (tests/infra/test_network.py), and it lets in nobody but its own.
            restrict_default_security_group=False,
        )
        self.groups = Groups(self, "Groups", config=config, vpc=self.vpc)
        if network.nat == "instance":
            NatInstances(self, "Nat", config=config, vpc=self.vpc, group=self.groups.nat)
        self._reach_s3_and_dynamodb(config.region)
        self._reach(network.interface_endpoints)
        FlowLog(self, "FlowLog", config=config, vpc=self.vpc)

    def place_of(self, what: str) -> Place:
        """Raises KeyError where ``PLACES`` does not know it."""
        tier, group = PLACES[what]
        return Place(self.vpc, ec2.SubnetSelection(subnet_group_name=tier), getattr(self.groups, group))

    def subnets(self, tier: Tier) -> list[str]:
        return self.vpc.select_subnets(subnet_group_name=tier).subnet_ids

    def _reach_s3_and_dynamodb(self, region: str) -> None:
        tiers = [ec2.SubnetSelection(subnet_group_name=tier) for tier in ("egress", "private")]
        s3 = self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3, subnets=tiers)
        dynamodb = self.vpc.add_gateway_endpoint(
            "DynamoDB", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB, subnets=tiers
        )
        for endpoint in (s3, dynamodb):
            endpoint.add_to_policy(_within_this_account(self))
        # Where CloudFormation waits for the function migrate's answer: its one bucket in each region, named without
        # hyphens (CloudFormation User Guide, "VPC endpoint configuration requirements").
        answers = f"cloudformation-custom-resource-response-{region.replace('-', '')}"
        s3.add_to_policy(_of_aws("s3:PutObject", answers))
        # What Glue starts with. No list of its buckets is published, and the name's beginning is nobody's own
        # (docs/network.md).
        s3.add_to_policy(_of_aws("s3:GetObject", "aws-glue-*"))

    def _reach(self, services: tuple[str, ...]) -> None:
        for service in services:
            endpoint = self.vpc.add_interface_endpoint(
                service,
                service=ec2.InterfaceVpcEndpointAwsService(service),
                subnets=ec2.SubnetSelection(subnet_group_name="private"),
                security_groups=[self.groups.endpoints],
                open=False,
            )
            endpoint.add_to_policy(_within_this_account(self))


class Groups(Construct):
    """Security groups that name each other: who may open a connection to whom.

    ``services`` know no database, ``clients`` reach it by its proxy, ``job`` as well and itself besides, ``migrations``
    the database itself. Outwards all of them speak HTTPS; how far that leads is for the tier's routes to say. Of S3 and
    DynamoDB alone it cannot be said here: their prefix lists have another id in each region, and would be looked up.
    """

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, vpc: ec2.IVpc) -> None:
        super().__init__(scope, id)
        self._config, self._vpc = config, vpc
        self.services = self._calling("services", "Functions without a database")
        self.clients = self._calling("clients", "Functions that read or write the database")
        self.job = self._calling("job", "Driver and workers of the Glue job")
        self.migrations = self._calling("migrations", "Who migrates the database")
        self.proxy = self._group("proxy", "The proxy before the database")
        self.database = self._group("database", "The database")
        _let(self.migrations, self.database, DATABASE_PORT)
        if config.database.proxy:
            _let(self.proxy, self.database, DATABASE_PORT)
        for group in (self.clients, self.job):
            if config.database.proxy:
                _let(group, self.proxy, PROXY_PORT)
            else:
                _let(group, self.database, DATABASE_PORT)
        # Spark's driver and workers speak on ports of their own choosing; Glue refuses a group that does not let them.
        self.job.add_egress_rule(self.job, ec2.Port.all_tcp())
        self.job.add_ingress_rule(self.job, ec2.Port.all_tcp())
        if config.network.interface_endpoints:
            self.endpoints = self._group("endpoints", "Interface endpoints of AWS")
            self._answer(self.endpoints)
        if config.network.nat == "instance":
            # What it forwards it lets in and sends out again; beside that it fetches its packages.
            self.nat = self._calling("nat", "NAT instances")
            self._answer(self.nat)

    def _answer(self, group: ec2.SecurityGroup) -> None:
        for caller in (self.services, self.clients, self.job, self.migrations):
            group.add_ingress_rule(caller, _HTTPS)

    def _calling(self, name: str, description: str) -> ec2.SecurityGroup:
        group = self._group(name, description)
        group.add_egress_rule(ec2.Peer.any_ipv4(), _HTTPS, "AWS and vendors")
        return group

    def _group(self, name: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self,
            name.capitalize(),
            vpc=self._vpc,
            security_group_name=self._config.names.named(name),
            description=description,
            allow_all_outbound=False,
        )


class FlowLog(Construct):
    """Every connection that was made or refused, by address and port, for as long as the stage keeps its logs."""

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, vpc: ec2.IVpc) -> None:
        super().__init__(scope, id)
        log = Log(self, "Log", name=f"/{config.prefix}/{config.name}/network", config=config)
        own = of_this_account(self)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com", conditions=own))
        log.grant(role, "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams")
        ec2.CfnFlowLog(
            self,
            "Flows",
            resource_id=vpc.vpc_id,
            resource_type="VPC",
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_group_name=log.log_group_name,
            deliver_logs_permission_arn=role.role_arn,
            # Seconds: the longest, which makes the fewest lines.
            max_aggregation_interval=600,
        )


def _subnets(tier: Tier) -> ec2.SubnetConfiguration:
    return ec2.SubnetConfiguration(
        name=tier,
        subnet_type=_TYPES[tier],
        cidr_mask=_MASKS[tier],
        # NAT brings its own address; whatever else came there should have none.
        map_public_ip_on_launch=False if tier == "public" else None,
    )


def _let(caller: ec2.SecurityGroup, called: ec2.SecurityGroup, port: int) -> None:
    caller.add_egress_rule(called, ec2.Port.tcp(port))
    called.add_ingress_rule(caller, ec2.Port.tcp(port))


def _within_this_account(scope: Construct) -> iam.PolicyStatement:
    """What goes through the endpoint goes to this account's own: a stranger's bucket takes nothing from here."""
    return iam.PolicyStatement(
        principals=[iam.AnyPrincipal()],
        actions=["*"],
        resources=["*"],
        conditions={"StringEquals": {"aws:ResourceAccount": Stack.of(scope).account}},
    )


def _of_aws(action: str, bucket: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        principals=[iam.AnyPrincipal()], actions=[action], resources=[f"arn:aws:s3:::{bucket}/*"]
    )
