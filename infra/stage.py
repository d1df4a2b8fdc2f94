"""Which stacks one environment in one region has, each built on those before it:

storage          the keys, the lake's buckets, the control tables
network          VPC, endpoints, security groups (docs/network.md)
database         RDS, its proxy, the migrations; run before transform is changed
ingest           the webhooks' API and its firewall, polling
transform        both paths from raw objects to rows and Parquet; the audit
observability    gauges, alarms, dashboards; knows the others' functions and queues, which know nothing of it
governance       trail, budget, backups; the same
copies           in a second region, where a stage says one: the vault that takes a copy of each backup
"""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from infra.capabilities.log import encrypt_logs
from infra.config import StageConfig, parse, select
from infra.foundation import Foundation
from infra.local_target import local_target
from infra.stacks.copies import CopiesStack
from infra.stacks.database import DatabaseStack
from infra.stacks.governance import GovernanceStack
from infra.stacks.ingest import IngestStack
from infra.stacks.network import NetworkStack
from infra.stacks.observability import ObservabilityStack
from infra.stacks.storage import StorageStack
from infra.stacks.transform import TransformStack
from infra.target import AWS


def add_stages(app: cdk.App) -> tuple[PousadaStage, ...]:
    """The stages of cdk.json; with ``-c stages=a,b`` those alone. Raises InvalidConfiguration."""
    configured = parse(app.node.try_get_context("pousada"))
    wanted = select(configured, app.node.try_get_context("stages"))
    return tuple(PousadaStage(app, config) for config in wanted)


class PousadaStage(cdk.Stage):
    """``cdk deploy '{name}/*'`` deploys it whole, ``cdk deploy '{name}/ingest'`` a part."""

    def __init__(self, scope: Construct, config: StageConfig) -> None:
        # No account: taken from the credentials at deployment, so that synthesis needs none.
        super().__init__(scope, config.name, env=cdk.Environment(account=config.account, region=config.region))
        self.config = config
        target = AWS if config.target == "aws" else local_target()
        protected = {"termination_protection": target.deletion_protection}
        self.storage = StorageStack(self, "storage", config=config, target=target, **protected)
        network = NetworkStack(self, "network", config=config, **protected).network if target.network else None
        foundation = Foundation(config, target, network, self.storage.key, self.storage.secrets.key)
        database = DatabaseStack(self, "database", foundation=foundation, **protected)
        # Its API's id stands in the URL that every vendor delivers to.
        self.ingest = IngestStack(self, "ingest", foundation=foundation, **protected)
        self.transform = TransformStack(self, "transform", foundation=foundation, door=database.door)
        # Functions come after the tables that they write, and go before them.
        self.transform.add_stack_dependency(database)
        # It has an alarm for every function and every dead-letter queue that there is by then.
        self.observability = ObservabilityStack(self, "observability", foundation=foundation)
        if target.governance:
            told = self.observability.topics.mail
            keys = [self.storage.key, self.storage.secrets.key, *database.keys]
            governance = GovernanceStack(
                self, "governance", config=config, target=target, keys=keys, topic=told, **protected
            )
            if region := config.recovery.copy_to_region:
                # Its plan copies from the first night on.
                governance.add_stack_dependency(
                    CopiesStack(self, "copies", config=config, region=region, target=target, **protected)
                )
        cdk.Tags.of(self).add("application", config.prefix)
        cdk.Tags.of(self).add("stage", config.name)
        encrypt_logs(self, self.storage.key)
