"""What is owed for being there, by type of resource.

Every type in a template has its line here, priced or free with the reason: a new one, forgotten here, is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from scripts.cost import figures as f
from scripts.cost import prices as p
from scripts.cost.charges import Charge, Unpriced
from scripts.cost.templates import Resource, Resources

Rule = Callable[[Resource], Iterator[Charge]]


def standing(resources: Resources, months: int) -> Iterator[Charge]:
    """Of a stage that is so many ``months`` old. Raises Unpriced for a type without a rule."""
    for resource in resources:
        if resource.type not in FREE and not resource.type.startswith(_CUSTOM):
            yield from _rule(resource)(resource)
    yield from _metrics_of_methods(resources)
    yield from _rotations(resources, months)
    yield from _proxies(resources)


def _rule(resource: Resource) -> Rule:
    if resource.type not in PRICED:
        raise Unpriced(
            f"no price for {resource.type} ({resource.id}): give it one, or a reason, in scripts/cost/standing.py"
        )
    return PRICED[resource.type]


def _owed(service: str, what: str, price: p.Price, quantity: float = 1) -> Charge:
    return Charge(service, what, quantity, price, standing=True)


# -- Network -----------------------------------------------------------------------------------------


def _nat(_: Resource) -> Iterator[Charge]:
    yield _owed("VPC", "NAT gateways", p.NAT_HOUR, p.HOURS)


def _instance(instance: Resource) -> Iterator[Charge]:
    kind = instance.text("InstanceType")
    if kind not in p.EC2_HOUR:
        known = ", ".join(p.EC2_HOUR)
        raise Unpriced(f"no price for an instance of class {kind or 'unknown'}: scripts/cost/prices.py has {known}")
    yield _owed("EC2", f"NAT instances, {kind}", p.EC2_HOUR[kind], p.HOURS)
    for volume in instance.properties.get("BlockDeviceMappings", ()):
        if (type := volume["Ebs"]["VolumeType"]) != "gp3":
            raise Unpriced(f"no price for a volume of type {type}: scripts/cost/prices.py has gp3")
        yield _owed("EC2", "NAT instances' volumes", p.EBS_GP3, volume["Ebs"]["VolumeSize"])
    if instance.properties.get("Monitoring"):
        yield _owed("CloudWatch", "NAT instances, by the minute", p.METRIC, _METRICS_OF_AN_INSTANCE)


_METRICS_OF_AN_INSTANCE = 7
"""That detailed monitoring is billed for; status checks are free."""


def _address(_: Resource) -> Iterator[Charge]:
    yield _owed("VPC", "public addresses", p.ADDRESS_HOUR, p.HOURS)


def _endpoint(endpoint: Resource) -> Iterator[Charge]:
    if endpoint.text("VpcEndpointType", "Gateway") == "Interface":
        zones = len(endpoint.properties.get("SubnetIds", ()))
        yield _owed("VPC", "interface endpoints", p.ENDPOINT_HOUR, zones * p.HOURS)


# -- Database ----------------------------------------------------------------------------------------


def _database(database: Resource) -> Iterator[Charge]:
    kind = database.text("DBInstanceClass")
    if kind not in p.RDS_POSTGRES_HOUR:
        known = ", ".join(p.RDS_POSTGRES_HOUR)
        raise Unpriced(f"no price for a database of class {kind or 'unknown'}: scripts/cost/prices.py has {known}")
    zones = 2 if database.yes("MultiAZ") else 1
    if database.text("StorageType", "gp3") != "gp3":
        raise Unpriced(f"no price for storage of type {database.text('StorageType')}: scripts/cost/prices.py has gp3")
    yield _owed("RDS", f"{kind}, zones: {zones}", p.RDS_POSTGRES_HOUR[kind], zones * p.HOURS)
    yield _owed("RDS", "storage", p.RDS_GP3, zones * database.number("AllocatedStorage"))
    if database.number("PerformanceInsightsRetentionPeriod", 7) > 7:
        raise Unpriced(f"no price for Performance Insights beyond seven days ({database.id}): scripts/cost/standing.py")
    if database.yes("ManageMasterUserPassword"):
        yield _owed("Secrets Manager", "secrets of the stage", p.SECRET)
    if seconds := database.number("MonitoringInterval", 0):
        looks = p.HOURS * 3600 / seconds
        yield _owed("CloudWatch", "enhanced monitoring", p.LOG_GB, looks * f.MONITORING_BYTES.value / 1e9)


def _proxies(resources: Resources) -> Iterator[Charge]:
    """By the processors of the database behind them. Two are the least: as many as the classes up to a large have."""
    sizes = [it.text("DBInstanceClass").rpartition(".")[2] for it in resources.of("AWS::RDS::DBInstance")]
    processors = max((_PROCESSORS.get(size, 2) for size in sizes), default=2)
    for _ in resources.of("AWS::RDS::DBProxy"):
        yield _owed("RDS", f"proxy, {processors} vCPU", p.RDS_PROXY_VCPU_HOUR, processors * p.HOURS)


_PROCESSORS = {"xlarge": 4, "2xlarge": 8, "4xlarge": 16}


# -- The door, keys, secrets -------------------------------------------------------------------------


def _acl(acl: Resource) -> Iterator[Charge]:
    yield _owed("WAF", "web ACL", p.WAF_ACL)
    yield _owed("WAF", "rules", p.WAF_RULE, len(acl.properties.get("Rules", ())))


def _refusals_alone(log: Resource) -> Iterator[Charge]:
    """What is let in is not written, and what is refused is not of an ordinary month."""
    if log.properties.get("LoggingFilter", {}).get("DefaultBehavior") != "DROP":
        raise Unpriced(f"no price for a firewall's log of all requests ({log.id}): scripts/cost/standing.py")
    yield from ()


def _key(_: Resource) -> Iterator[Charge]:
    yield _owed("KMS", "keys", p.KMS_KEY)


def _rotations(resources: Resources, months: int) -> Iterator[Charge]:
    """Once a year; the third and all later ones cost nothing more."""
    rotated = [key for key in resources.of("AWS::KMS::Key") if key.properties.get("EnableKeyRotation")]
    yield _owed("KMS", "keys' rotations", p.KMS_ROTATION, len(rotated) * min(2, months // 12))


def _secret(_: Resource) -> Iterator[Charge]:
    yield _owed("Secrets Manager", "secrets of the stage", p.SECRET)


# -- Watching ----------------------------------------------------------------------------------------


def _alarm(alarm: Resource) -> Iterator[Charge]:
    metrics = alarm.properties.get("Metrics")
    if "ANOMALY_DETECTION_BAND" in json.dumps(metrics):
        yield _owed("CloudWatch", "alarms", p.ANOMALY_ALARM)
        return
    looked_at = sum("MetricStat" in metric for metric in metrics) if metrics else 1
    yield _owed("CloudWatch", "alarms", p.ALARM_METRIC, looked_at)


def _composite(_: Resource) -> Iterator[Charge]:
    yield _owed("CloudWatch", "composite alarms", p.COMPOSITE_ALARM)


def _dashboard(_: Resource) -> Iterator[Charge]:
    yield _owed("CloudWatch", "dashboards", p.DASHBOARD)


def _metrics_of_methods(resources: Resources) -> Iterator[Charge]:
    """A stage that gives metrics for each method gives custom ones: count, two errors, two latencies."""
    detailed = any(
        settings.get("MetricsEnabled")
        for stage in resources.of("AWS::ApiGateway::Stage")
        for settings in stage.properties.get("MethodSettings", ())
    )
    if detailed:
        methods = len(resources.of("AWS::ApiGateway::Method"))
        yield _owed("CloudWatch", "metrics of the API's methods", p.METRIC, 5 * methods)


def _by_use(_: Resource) -> Iterator[Charge]:
    """``usage`` has it."""
    yield from ()


def _provisioned(alias: Resource) -> Iterator[Charge]:
    if "ProvisionedConcurrencyConfig" in alias.properties:
        raise Unpriced(f"no price for provisioned concurrency ({alias.id}): scripts/cost/standing.py")
    yield from ()


def _on_demand(table: Resource) -> Iterator[Charge]:
    if table.text("BillingMode") != "PAY_PER_REQUEST":
        raise Unpriced(f"no price for provisioned capacity ({table.id}): scripts/cost/standing.py")
    yield from ()


PRICED: Mapping[str, Rule] = {
    "AWS::ApiGateway::RestApi": _by_use,
    "AWS::Athena::WorkGroup": _by_use,
    "AWS::Backup::BackupPlan": _by_use,
    "AWS::CloudTrail::Trail": _by_use,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _composite,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::DynamoDB::GlobalTable": _on_demand,
    "AWS::DynamoDB::Table": _on_demand,
    "AWS::EC2::EIP": _address,
    "AWS::EC2::FlowLog": _by_use,
    "AWS::EC2::Instance": _instance,
    "AWS::EC2::NatGateway": _nat,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::Events::Rule": _by_use,
    "AWS::Glue::Job": _by_use,
    "AWS::KMS::Key": _key,
    "AWS::Lambda::Alias": _provisioned,
    "AWS::Lambda::Function": _by_use,
    "AWS::Logs::LogGroup": _by_use,
    "AWS::RDS::DBInstance": _database,
    "AWS::S3::Bucket": _by_use,
    "AWS::SQS::Queue": _by_use,
    "AWS::Scheduler::Schedule": _by_use,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::WAFv2::LoggingConfiguration": _refusals_alone,
    "AWS::WAFv2::WebACL": _acl,
}

_CUSTOM = ("Custom::", "AWS::CloudFormation::CustomResource")
"""Run by a function while the stack is deployed."""

_RIGHTS = "it only says who may do what"
_SETTING = "a setting of something that has its own line"
_WIRING = "what passes over it is billed, not the thing"
_CATALOG = "the first million entries of the catalog are free"
_SENT = "a few messages a day, when something is wrong"
FREE: Mapping[str, str] = {
    "AWS::ApiGateway::Account": _RIGHTS,
    "AWS::ApiGateway::BasePathMapping": _SETTING,
    "AWS::ApiGateway::Deployment": _SETTING,
    "AWS::ApiGateway::DomainName": _SETTING,
    "AWS::ApiGateway::GatewayResponse": _SETTING,
    "AWS::ApiGateway::Method": _SETTING,
    "AWS::ApiGateway::Model": _SETTING,
    "AWS::ApiGateway::RequestValidator": _SETTING,
    "AWS::ApiGateway::Resource": _SETTING,
    "AWS::ApiGateway::Stage": "its cache would be billed, and it has none",
    "AWS::ApiGateway::UsagePlan": _SETTING,
    "AWS::Athena::NamedQuery": _SETTING,
    "AWS::Backup::BackupSelection": _SETTING,
    "AWS::Backup::BackupVault": "what lies in it is billed, with the plan",
    "AWS::Budgets::Budget": "a budget that only tells is free",
    "AWS::CE::AnomalyMonitor": "cost anomaly detection is free",
    "AWS::CE::AnomalySubscription": "cost anomaly detection is free",
    "AWS::CDK::Metadata": "it is nothing but a note",
    "AWS::CertificateManager::Certificate": "public certificates for services of AWS's are free",
    "AWS::CloudWatch::AnomalyDetector": "billed with the alarm that asks it",
    "AWS::CodeDeploy::Application": "deployments to Lambda are free",
    "AWS::CodeDeploy::DeploymentConfig": "deployments to Lambda are free",
    "AWS::CodeDeploy::DeploymentGroup": "deployments to Lambda are free",
    "AWS::EC2::EIPAssociation": _WIRING,
    "AWS::EC2::InternetGateway": _WIRING,
    "AWS::EC2::NetworkAcl": _RIGHTS,
    "AWS::EC2::NetworkAclEntry": _RIGHTS,
    "AWS::EC2::Route": _WIRING,
    "AWS::EC2::RouteTable": _WIRING,
    "AWS::EC2::SecurityGroup": _RIGHTS,
    "AWS::EC2::SecurityGroupEgress": _RIGHTS,
    "AWS::EC2::SecurityGroupIngress": _RIGHTS,
    "AWS::EC2::Subnet": _WIRING,
    "AWS::EC2::SubnetNetworkAclAssociation": _RIGHTS,
    "AWS::EC2::SubnetRouteTableAssociation": _WIRING,
    "AWS::EC2::VPC": _WIRING,
    "AWS::EC2::VPCGatewayAttachment": _WIRING,
    "AWS::Events::EventBusPolicy": _RIGHTS,
    "AWS::Glue::Connection": _SETTING,
    "AWS::Glue::Database": _CATALOG,
    "AWS::Glue::SecurityConfiguration": _SETTING,
    "AWS::Glue::Table": _CATALOG,
    "AWS::IAM::InstanceProfile": _RIGHTS,
    "AWS::IAM::ManagedPolicy": _RIGHTS,
    "AWS::IAM::Policy": _RIGHTS,
    "AWS::IAM::Role": _RIGHTS,
    "AWS::KMS::Alias": _SETTING,
    "AWS::Lambda::EventInvokeConfig": _SETTING,
    "AWS::Lambda::EventSourceMapping": "its requests are billed with the queue",
    "AWS::Lambda::LayerVersion": "75 GB of code are free",
    "AWS::Lambda::Permission": _RIGHTS,
    "AWS::Lambda::Version": "75 GB of code are free",
    "AWS::Logs::MetricFilter": "its metric is counted with the custom ones",
    "AWS::Logs::QueryDefinition": _SETTING,
    "AWS::Logs::ResourcePolicy": _RIGHTS,
    "AWS::RDS::DBParameterGroup": _SETTING,
    "AWS::RDS::DBProxy": "billed by the processors of the database behind it",
    "AWS::RDS::DBProxyEndpoint": _SETTING,
    "AWS::RDS::DBProxyTargetGroup": _SETTING,
    "AWS::RDS::DBSubnetGroup": _SETTING,
    "AWS::Route53::RecordSet": "an alias to an API of AWS's",
    "AWS::S3::BucketPolicy": _RIGHTS,
    "AWS::SNS::Subscription": _SENT,
    "AWS::SNS::Topic": _SENT,
    "AWS::SNS::TopicPolicy": _RIGHTS,
    "AWS::SQS::QueuePolicy": _RIGHTS,
    "AWS::Scheduler::ScheduleGroup": _SETTING,
    "AWS::SecretsManager::ResourcePolicy": _RIGHTS,
    "AWS::SecretsManager::RotationSchedule": _SETTING,
    "AWS::SecretsManager::SecretTargetAttachment": _SETTING,
    "AWS::WAFv2::IPSet": "billed with the rule that asks it",
    "AWS::WAFv2::WebACLAssociation": _SETTING,
    "AWS::XRay::SamplingRule": _SETTING,
}
