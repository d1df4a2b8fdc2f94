"""Batch queue → one manifest: all that the queue hands over at once becomes one batch."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger

from shared.errors import Malformed
from shared.pipeline.manifest import Manifest, RawEvent, manifest_of, read_event
from shared.settings import EnvironmentModel, read
from shared.storage.manifests import Manifests

logger = Logger(service="pousada")


class Settings(EnvironmentModel, frozen=True):
    work_bucket: str


@cache
def _manifests() -> Manifests:
    return Manifests(read(Settings).work_bucket, boto3.client("s3"))


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """SQS event → the messages to be tried again (partial batch response): those that are no raw event.

    Any other failure leaves all messages in the queue; they come back and make the same manifest.
    """
    events: list[RawEvent] = []
    failed: list[str] = []
    for record in event["Records"]:
        try:
            events.append(read_event(record["body"]))
        except Malformed as error:
            logger.error("message is no raw event", error=error.message)
            failed.append(record["messageId"])
    if events:
        _write(manifest_of(events))
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}


def _write(manifest: Manifest) -> None:
    _manifests().add(manifest)
    logger.info("manifest written", batch_id=manifest.batch_id, objects=len(manifest.objects), size=manifest.size)
