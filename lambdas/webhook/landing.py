"""Puts a delivery into the raw bucket once: Powertools' idempotency around one S3 put."""

from __future__ import annotations

from typing import Any, Literal

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
)

from shared.errors import StoreUnavailable
from shared.pipeline.delivery import RawDelivery
from shared.storage.raw_lake import RawLake

Result = Literal["accepted", "duplicate"]

REMEMBERED_SECONDS = 7 * 24 * 3600


class Landing:
    """``table`` is the idempotency table, ``dynamodb`` a boto3 client."""

    def __init__(self, lake: RawLake, dynamodb: Any, table: str) -> None:
        self._lake = lake
        self._config = IdempotencyConfig(
            expires_after_seconds=REMEMBERED_SECONDS,
            # A duplicate often comes to the same worker at once: then not even DynamoDB is asked.
            use_local_cache=True,
            # The default, md5, is not to be had on a FIPS endpoint's Python.
            hash_function="sha256",
            response_hook=lambda first, _record: {**first, "repeated": True},
        )
        self._put_once = idempotent_function(
            self._put,
            data_keyword_argument="identity",
            persistence_store=DynamoDBPersistenceLayer(table_name=table, boto3_client=dynamodb),
            config=self._config,
            # Without it the record's id holds this module's name, and moving the code would forget seven days.
            key_prefix="webhook",
        )

    def land(self, delivery: RawDelivery, context: Any) -> Result:
        """``context`` is Lambda's: an execution that outlives it counts as crashed. Raises StoreUnavailable.

        A crash deletes the record (or, where the process dies, meets the branch below), so that the
        vendor's next try is a first one.
        """
        self._config.register_lambda_context(context)
        try:
            first = self._put_once(identity=delivery.identity, delivery=delivery)
        except (IdempotencyAlreadyInProgressError, IdempotencyInconsistentStateError):
            # The other execution may be dead, or die yet: "duplicate" would be a promise in its name. The put
            # is deterministic, so doing it too changes nothing where the other succeeds.
            self._put(identity=delivery.identity, delivery=delivery)
            return "accepted"
        except IdempotencyPersistenceLayerError as error:
            raise StoreUnavailable("the idempotency table did not answer", store="dynamodb") from error
        return self._result(first, delivery)

    def _result(self, first: dict[str, Any], delivery: RawDelivery) -> Result:
        if not first.get("repeated"):
            return "accepted"
        if _content_name(first["raw_key"]) != _content_name(delivery.key):
            # One delivery id, two contents: nothing is dropped on the word of an id.
            self._put(identity=delivery.identity, delivery=delivery)
            return "accepted"
        return "duplicate"

    def _put(self, *, identity: tuple[str, ...], delivery: RawDelivery) -> dict[str, Any]:
        """What it returns is stored for seven days, so it holds nothing of the payload."""
        self._lake.put(delivery.key, delivery.content)
        return {"raw_key": delivery.key}


def _content_name(key: str) -> str:
    """``{delivery}-{digest}.json``: without the day, which a retry signed after midnight moves."""
    return key.rpartition("/")[2]
