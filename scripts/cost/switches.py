"""What could be otherwise, and what it would save: each is priced by the same model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from scripts.cost import figures as f
from scripts.cost.estimate import Estimate, estimate
from scripts.cost.templates import Resource, Resources
from scripts.cost.traffic import Traffic

Change = Callable[[Resources, Traffic], tuple[Resources, Traffic]]


class Switch(NamedTuple):
    where: str
    """In cdk.json, below the stage; or that it is not built."""
    gives_up: str
    change: Change

    def saved(self, before: Estimate, resources: Resources) -> float:
        """USD a month; negative where it costs more. 0 where the stage does not have what it switches."""
        return before.usd - estimate(*self.change(resources, before.traffic)).usd


def _without(*types: str) -> Change:
    return lambda resources, traffic: (resources.without(*types), traffic)


def _with(type: str, **properties: object) -> Change:
    return lambda resources, traffic: (resources.replaced(type, **properties), traffic)


def _traffic(**changes: Any) -> Change:
    return lambda resources, traffic: (resources, replace(traffic, **changes))


def _untraced(resources: Resources, traffic: Traffic) -> tuple[Resources, Traffic]:
    return resources.replaced("AWS::Lambda::Function", TracingConfig={"Mode": "PassThrough"}), traffic


def _secrets_manager(resources: Resources, traffic: Traffic) -> tuple[Resources, Traffic]:
    """With the endpoint by which the webhook reaches it, in each zone."""
    endpoint = {"VpcEndpointType": "Interface", "SubnetIds": ["a subnet"] * resources.zones}
    without = resources.told("HOTEL_SECRETS_TABLE", "")
    return without.plus(Resource("AWS::EC2::VPCEndpoint", "SecretsManager", endpoint)), traffic


def _nat_gateways(resources: Resources, traffic: Traffic) -> tuple[Resources, Traffic]:
    """For each instance a gateway, which has no alarm."""
    instances = len(resources.of("AWS::EC2::Instance"))
    kept = [it for it in resources.without("AWS::EC2::Instance") if not _is_on_nat(it)]
    return Resources([*kept, *[Resource("AWS::EC2::NatGateway", "Nat", {})] * instances]), traffic


def _is_on_nat(resource: Resource) -> bool:
    return resource.type == "AWS::CloudWatch::Alarm" and "-nat-" in resource.text("AlarmName")


_WRITES = [{"ReadWriteType": "WriteOnly", "DataResources": [{"Type": "AWS::S3::Object"}]}]

_PROXY = Switch(
    '`"database": {"proxy": false}`',
    "connections kept over a failover; the functions connect anew",
    _without("AWS::RDS::DBProxy", "AWS::RDS::DBProxyTargetGroup"),
)
_TRACES = Switch('`"observability": {"traces": false}`', "traces; the logs' correlation ids remain", _untraced)
_READS = Switch(
    "CloudTrail without the reading of objects",
    "who has read which raw object; S3's own access logs still tell, later and not signed",
    _with("AWS::CloudTrail::Trail", EventSelectors=_WRITES, AdvancedEventSelectors=[]),
)
_CYCLE = Switch(
    '`"watch": {"raw_cycle_minutes": 720}`',
    "hours until the watch finds an event that was lost",
    _traffic(watch_cycle_hours=12),
)
_GATEWAY = Switch(
    '`"network": {"nat": "gateway"}`',
    "(buys a way out that AWS keeps up: [network.md](network.md#a-gateway-or-an-instance))",
    _nat_gateways,
)
_SMALL = Switch(
    '`"database": {"instance_class": "db.t4g.small"}`',
    "(buys twice the memory)",
    _with("AWS::RDS::DBInstance", DBInstanceClass="db.t4g.small"),
)
_FOUR = (_PROXY, _TRACES, _READS, _CYCLE)


def _all_of(*switches: Switch) -> Change:
    def change(resources: Resources, traffic: Traffic) -> tuple[Resources, Traffic]:
        for switch in switches:
            resources, traffic = switch.change(resources, traffic)
        return resources, traffic

    return change


LARGE_GROUP = Switch("a large group's", "", _all_of(_GATEWAY, _SMALL))
"""What a group of a thousand hotels and more takes besides; docs/cost.md has the lines of cdk.json."""
SWITCHES: tuple[Switch, ...] = (
    *_FOUR,
    Switch("these four together", "", _all_of(*_FOUR)),
    Switch(
        '`"database": {"multi_az": false}`',
        "a standby: an outage of the zone stops the rows, not the landing",
        _with("AWS::RDS::DBInstance", MultiAZ=False),
    ),
    _SMALL,
    Switch(
        "`polling`: every two hours",
        "an hour until a missed delivery is found",
        _traffic(polls_an_hour=0.5, pages_per_poll=f.PAGES_PER_RARE_POLL.value),
    ),
    Switch('`"watch": {"every_minutes": 15}`', "ten minutes until a gauge moves", _traffic(watch_passes_an_hour=4)),
    Switch('`"audit": {"days": 1}`', "the second look at each object", _traffic(audited_days=1)),
    Switch("no dashboards", "the dashboards", _without("AWS::CloudWatch::Dashboard")),
    _GATEWAY,
    Switch(
        '`"hotel_secrets": {"store": "secretsmanager"}`, and the endpoint that it needs',
        "(buys rotation by Secrets Manager itself)",
        _secrets_manager,
    ),
)
