"""What cdk.json may say of a stage's network and of its database."""

from __future__ import annotations

import re
from functools import cache
from ipaddress import IPv4Network
from typing import Literal

from pydantic import Field, field_validator, model_validator

from infra.config_section import Section
from infra.paths import CERTIFICATES, ROOT

_PRIVATE = tuple(IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"


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

    @field_validator("cidr")
    @classmethod
    def _is_one_of_private_networks(cls, cidr: str) -> str:
        # With host bits set, a network of other addresses than those written would be made of it.
        network = IPv4Network(cidr)
        if not any(network.subnet_of(block) for block in _PRIVATE):
            raise ValueError(f"{cidr} is no private network (RFC 1918): whoever has it could not be reached")
        return cidr

    @field_validator("interface_endpoints")
    @classmethod
    def _endpoints_are_named_once(cls, services: tuple[str, ...]) -> tuple[str, ...]:
        for service in services:
            if not re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", service) or service.startswith(("com.", "aws.")):
                raise ValueError(f"{service!r} is no service's name such as secretsmanager or ecr.api")
            if service in ("s3", "dynamodb"):
                raise ValueError(f"{service} has its gateway endpoint, which costs nothing")
        if len(set(services)) < len(services):
            raise ValueError("a service is named twice")
        return services

    @model_validator(mode="after")
    def _a_zone_has_one_gateway_at_the_most(self) -> Network:
        if self.nats > self.zones:
            raise ValueError(f"nats: {self.zones} at the most, one for each of zones")
        return self


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

    @model_validator(mode="after")
    def _storage_can_grow(self) -> Database:
        # A tenth is RDS's own rule.
        if self.storage_limit_gib * 10 < self.storage_gib * 11:
            least = -(-self.storage_gib * 11 // 10)
            raise ValueError(f"storage_limit_gib: {least} at the least, a tenth more than storage_gib")
        return self


def check_region(region: str) -> None:
    """Raises ValueError where no ARN would be right, or functions and job would not believe the database."""
    if region.startswith(("cn-", "us-gov-", "us-iso", "eu-iso")):
        raise ValueError(f"region: {region} is of another partition, and every ARN here is of AWS's own, arn:aws")
    if region not in _known_regions():
        file = CERTIFICATES.relative_to(ROOT)
        raise ValueError(
            f"region: {file} has no authority of RDS in {region} (Root CA RSA2048 G1), so that nobody would believe the"
            f" database there; add it from {_BUNDLE}"
        )


@cache
def _known_regions() -> frozenset[str]:
    """Of which the file of authorities has the one whose certificates RDS gives our databases."""
    written = CERTIFICATES.read_text(encoding="utf-8")
    return frozenset(re.findall(r"^# Amazon RDS (\S+) Root CA RSA2048 G1$", written, re.MULTILINE))
