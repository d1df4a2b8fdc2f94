"""From an address to a database that this version's functions can work with."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy.exc import OperationalError
from tenacity import (
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_delay,
    stop_before_delay,
    wait_exponential,
)

from shared.storage import migrations
from shared.storage.logins import put_logins
from shared.storage.statements import show_statements

PATIENCE_SECONDS = 300.0
"""How long a database may take to let us in: one that was just made, or is failing over."""
LOCK_SECONDS = 10.0
"""How long to wait for a lock at a time. Whoever comes after waits behind us: they have to get through in between."""


def prepare(conninfo: Callable[[], str], seconds: float) -> None:
    """Migrates, makes the logins, and has the owner see which statements take the time. May be run twice, and two at
    once. ``conninfo`` is asked anew for each connection: a password may have just been rotated.

    A database that a later version has migrated is left as it is.

    Raises psycopg.OperationalError where the database cannot be reached within its patience, and that or SQLAlchemy's
    where it is not done within ``seconds``: who reads a table, say, keeps its definition from being changed.
    """
    until = monotonic() + seconds
    _wait(conninfo, min(seconds, PATIENCE_SECONDS))
    patiently = Retrying(
        retry=retry_if_exception(_is_locked_out),
        stop=stop_before_delay(until - monotonic()),
        wait=wait_exponential(multiplier=0.5, max=5),
        reraise=True,
    )
    patiently(_bring_up_to_date, conninfo, until)


def _bring_up_to_date(conninfo: Callable[[], str], until: float) -> None:
    def limited() -> str:
        milliseconds = {"lock_timeout": LOCK_SECONDS * 1000, "statement_timeout": (until - monotonic()) * 1000}
        # Nought would be no limit.
        options = " ".join(f"-c {name}={max(1, int(value))}" for name, value in milliseconds.items())
        return make_conninfo(conninfo(), options=options)

    if migrations.upgrade(limited(), seconds=until - monotonic()):
        put_logins(limited())
        show_statements(limited())


def _is_locked_out(error: BaseException) -> bool:
    cause = error.orig if isinstance(error, OperationalError) else error
    return isinstance(cause, psycopg.errors.LockNotAvailable)


def _wait(conninfo: Callable[[], str], seconds: float) -> None:
    patiently = Retrying(
        retry=retry_if_exception_type(psycopg.OperationalError),
        stop=stop_after_delay(seconds),
        wait=wait_exponential(multiplier=0.5, max=10),
        reraise=True,
    )
    patiently(lambda: psycopg.connect(conninfo()).close())
