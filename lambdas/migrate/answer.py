"""What CloudFormation is told, and how much of an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
import psycopg
from alembic.util import CommandError

from shared.errors import PousadaError, StoreUnavailable

PHYSICAL_ID = "migrations"
"""Always the same: another one would have CloudFormation delete what it takes for the old resource."""
# PostgreSQL quotes values where it does not take them (22, data exceptions; 23, constraints): a row's, a guest's.
_QUOTING = ("22", "23")
_TRIES = 3


def answer(event: Mapping[str, Any], failure: str | None) -> None:
    """Raises StoreUnavailable where CloudFormation's address does not take it."""
    told = {
        "Status": "FAILED" if failure else "SUCCESS",
        "Reason": failure or "the database is up to date",
        "PhysicalResourceId": PHYSICAL_ID,
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    # The address is signed for a body of no type.
    with httpx.Client(transport=httpx.HTTPTransport(retries=_TRIES), timeout=10) as client:
        response = client.put(event["ResponseURL"], content=msgspec.json.encode(told), headers={"content-type": ""})
    if response.is_error:
        raise StoreUnavailable(f"CloudFormation did not take the answer ({response.status_code})")


def reason(error: BaseException) -> str:
    """One line that says what to mend: PostgreSQL's own words below SQLAlchemy's, and no value of a row."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, psycopg.Error):
            return _of_postgres(cause)
        cause = cause.__cause__ or cause.__context__
    # alembic's tells of revisions and files, and of no row.
    return str(error) if isinstance(error, PousadaError | CommandError) else type(error).__name__


def _of_postgres(error: psycopg.Error) -> str:
    name, state, words = type(error).__name__, error.sqlstate, error.diag.message_primary
    if state is None:
        return f"{name}: the database was not reached, or did not let us in"
    return f"{name} ({state})" if state.startswith(_QUOTING) or not words else f"{name} ({state}): {words}"
