"""What RDS says of the database's server."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import StoreUnavailable

_GIB = 1024**3


class DatabaseServer:
    """The instance of RDS of this name. ``client`` is a boto3 RDS client."""

    def __init__(self, name: str, client: Any) -> None:
        self._name = name
        self._client = client

    def storage_bytes(self) -> int:
        """How large its storage is by now, free or not: RDS enlarges it by itself. Raises StoreUnavailable."""
        try:
            (instance,) = self._client.describe_db_instances(DBInstanceIdentifier=self._name)["DBInstances"]
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable(f"RDS did not answer ({type(error).__name__})", store="rds") from error
        return int(instance["AllocatedStorage"]) * _GIB
