"""Which statements take the time: the server's own count of them, for its owner to look at."""

from __future__ import annotations

import psycopg

SCHEMA = "monitoring"
"""Of the owner alone. Nobody else needs to know what others ask."""
_GATHERED = """
    SELECT FROM pg_settings
    WHERE name = 'shared_preload_libraries' AND 'pg_stat_statements' = ANY (regexp_split_to_array(setting, '\\s*,\\s*'))
"""
_LOCK = 7_207_732_304


def show_statements(conninfo: str) -> bool:
    """Makes the view ``monitoring.pg_stat_statements`` where the server gathers it, as on RDS: whether it does.

    As the database's owner; may be run twice, and two at once.
    """
    with psycopg.connect(conninfo) as connection:
        if not connection.execute(_GATHERED).fetchall():
            return False
        # Two at once would both find it missing.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        connection.execute(f"CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA {SCHEMA}")
    return True
