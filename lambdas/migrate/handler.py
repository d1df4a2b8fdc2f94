"""CloudFormation's custom resource ``Migrations``: the database brought to what this version needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from aws_lambda_powertools import Logger

from lambdas.migrate.answer import answer, reason
from lambdas.migrate.preparation import prepare
from shared.settings import EnvironmentModel, read
from shared.storage.database_address import parse

logger = Logger(service="pousada")
MARGIN_SECONDS = 30
"""Before the function's end: to tell CloudFormation that it was not done."""


class Settings(EnvironmentModel, frozen=True):
    database: str


# Not the event: it has the address at which anybody may answer.
@logger.inject_lambda_context(log_event=False)
def handle(event: Mapping[str, Any], context: Any) -> None:
    """Create and update migrate; delete leaves everything as it is. Answers whatever happens: CloudFormation would
    wait for it until its patience ends."""
    failure = None
    if event["RequestType"] != "Delete":
        try:
            _migrate(context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS)
        except Exception as error:
            failure = reason(error)
            logger.error("not migrated", cause=failure)
    answer(event, failure)
    logger.info("answered", request=event["RequestType"], succeeded=failure is None)


def _migrate(seconds: float) -> None:
    address = parse(read(Settings).database)
    prepare(lambda: address.conninfo("pousada-migrate", boto3.client), seconds)
