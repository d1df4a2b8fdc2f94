"""Database: PostgreSQL, the way to it, and what brings it to this version. Transform builds on it."""

from __future__ import annotations

from functools import partial
from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.capabilities.database import DatabaseServer, Door, IamDoor, SecretDoor
from infra.capabilities.migrations import Migrations
from infra.foundation import Foundation


class DatabaseStack(Stack):
    """``door``: how functions and job come in; ``keys``: what its data are encrypted with. Output ``Owner``: the
    address for who migrates (scripts/cli/stage.py).

    Without a network there is no server either: one that stands in the database's secret is somebody else's.
    """

    def __init__(self, scope: Construct, id: str, *, foundation: Foundation, **props: Any) -> None:
        super().__init__(scope, id, stack_name=foundation.names.stack("database"), **props)
        config, network = foundation.config, foundation.network
        migrations = partial(Migrations, self, "Migrations", foundation=foundation)
        self.keys: list[kms.IKey] = []
        if network is None:
            door = SecretDoor(config.names)
            self.door: Door = door
            migrations(database=door.owner_address, admit=door.admit_owner)
            return
        server = DatabaseServer(self, "Server", config=config, target=foundation.target, network=network)
        self.keys = [server.key]
        self.door = IamDoor(self, "Door", config=config, server=server, network=network)
        migrations(database=server.owner_address, admit=server.admit_owner)
        CfnOutput(self, "Owner", value=server.owner_address)
