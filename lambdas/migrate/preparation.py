"""From an address to a database that this version's functions can work with."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from shared.storage import migrations
from shared.storage.logins import put_logins
from shared.storage.statements import show_statements

PATIENCE_SECONDS = 300.0
"""How long a database may take to let us in: one that was just made, or is failing over."""


def prepare(conninfo: Callable[[], str], seconds: float) -> None:
    """Migrates, makes the logins, and has the owner see which statements take the time. May be run twice, and two at
    once. ``conninfo`` is asked anew for each connection: a password may have just been rotated.

    Raises psycopg.OperationalError where the database cannot be reached within its patience, or within ``seconds``.
    """
    _wait(conninfo, min(seconds, PATIENCE_SECONDS))
    migrations.upgrade(conninfo())
    put_logins(conninfo())
    show_statements(conninfo())


def _wait(conninfo: Callable[[], str], seconds: float) -> None:
    patiently = Retrying(
        retry=retry_if_exception_type(psycopg.OperationalError),
        stop=stop_after_delay(seconds),
        wait=wait_exponential(multiplier=0.5, max=10),
        reraise=True,
    )
    patiently(lambda: psycopg.connect(conninfo()).close())
