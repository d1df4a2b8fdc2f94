"""What the capabilities of a stage are built on."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_kms as kms

from infra.capabilities.network import Network
from infra.config import StageConfig
from infra.target import Target
from shared.names import Names


@dataclass(frozen=True, slots=True)
class Foundation:
    """Of one stage: what it shall be, where it lies, and the keys of what it keeps."""

    config: StageConfig
    target: Target
    network: Network | None
    """Where functions and job run; None where the target has no networks."""
    key: kms.IKey
    """Of the lake, the control tables and the logs."""
    secrets_key: kms.IKey
    """Of the hotels' secrets."""

    @property
    def hotel_secrets_table(self) -> str:
        """What ``HOTEL_SECRETS_TABLE`` is for a function; empty: they are in Secrets Manager."""
        return self.names.hotel_secrets_table if self.config.hotel_secrets.in_table else ""

    @property
    def names(self) -> Names:
        return self.config.names
