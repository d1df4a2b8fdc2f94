"""What cdk.json may say of a stage's network and of its database."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.config_section import Section


class Network(Section):
    """The stage's own network (docs/network.md)."""

    cidr: str = Field("10.40.0.0/16", pattern=r"^\d+\.\d+\.\d+\.\d+/16$")
    """Another for each stage, where two are ever to be connected."""
    zones: int = Field(3, ge=2, le=3)
    """How many of the region's availability zones, in the order in which it names them."""
    nat: Literal["gateway", "instance"] = "gateway"
    """AWS's own, or an instance of the stage's for a third of it, which is out for some minutes where it fails."""
    nats: int = Field(1, ge=1, le=3)
    """With one, an outage of its zone delays polls and batches, and loses nothing; webhooks need none."""
    nat_instance_class: str = Field("t4g.micro", pattern=r"^[a-z]+[0-9]+g[a-z]*\.[a-z0-9]+$")
    """Graviton's alone. On less than a gibibyte of memory its first installation has been seen to fail."""
    interface_endpoints: tuple[str, ...] = ()
    """Services by their endpoint's name (``secretsmanager``), each billed by the hour and zone. None is needed."""


class Database(Section):
    """PostgreSQL on RDS, and the proxy before it (docs/network.md)."""

    instance_class: str = Field("db.t4g.small", pattern=r"^db\.[a-z0-9]+g[a-z]*\.[a-z0-9]+$")
    """Graviton's alone (``t4g``, ``m7g``, ``r8gd``…). Two of them with ``multi_az``."""
    multi_az: bool = True
    """A standby in another zone, which takes over by itself."""
    storage_gib: int = Field(20, ge=20, le=65_536)
    storage_limit_gib: int = Field(200, ge=22, le=65_536)
    """Up to where the storage grows by itself. It never shrinks."""
    backup_days: int = Field(35, ge=1, le=35)
    """Restorable to any second of so many days."""
    deletion_protection: bool = True
    proxy: bool = True
    """RDS Proxy: keeps connections over a failover, and bounds how many the database has to hold."""
    monitoring_seconds: Literal[0, 1, 5, 10, 15, 30, 60] = 60
    """How often the operating system's figures are taken; 0: never."""
