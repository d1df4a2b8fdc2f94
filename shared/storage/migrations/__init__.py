"""The schema ``hotel``, by alembic: forward only, safe to run twice and two at once."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, Connection, Engine, create_engine, event, text

VERSION_TABLE = "schema_version"
# Any number, the same in every process: PostgreSQL lets one holder at a time past it.
_LOCK = 7_207_732_301


def upgrade(conninfo: str, revision: str = "head", *, seconds: float | None = None) -> bool:
    """Brings the database at ``conninfo`` (libpq's form) to ``revision``, each migration in a transaction of its own.

    False where it is of a later version of this code, as after a deployment that was taken back: it is left alone.

    Raises sqlalchemy.exc.OperationalError where it is not done within ``seconds``, if they are given.
    """
    engine = create_engine(_url(conninfo))
    if seconds is not None:
        _limit(engine, until=monotonic() + seconds)
    try:
        with engine.connect() as connection:
            # The session's, and gone with it.
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent))
            config.attributes["connection"] = connection
            if _is_later(connection, ScriptDirectory.from_config(config)):
                return False
            # Within one that is open already, alembic would begin no transactions of its own.
            connection.commit()
            command.upgrade(config, revision)
            connection.commit()
            return True
    finally:
        engine.dispose()


def _is_later(connection: Connection, known: ScriptDirectory) -> bool:
    """Migrations are numbered: what comes after the last that is known here is a later version's."""
    found = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    last = known.get_current_head()
    return found is not None and last is not None and found > last


def _limit(engine: Engine, until: float) -> None:
    """No statement goes on after ``until``, a time of ``monotonic``."""

    def give_what_is_left(_connection: Connection, cursor: Any, *_statement: object) -> None:
        left = max(1, int((until - monotonic()) * 1000))
        cursor.connection.execute(f"SET statement_timeout = {left}")

    event.listen(engine, "before_cursor_execute", give_what_is_left)


def _url(conninfo: str) -> URL:
    fields = conninfo_to_dict(conninfo)
    known = {"host", "port", "dbname", "user", "password"}
    return URL.create(
        "postgresql+psycopg",
        username=_text(fields.get("user")),
        password=_text(fields.get("password")),
        host=_text(fields.get("host")),
        port=int(str(fields.get("port", 5432))),
        database=_text(fields.get("dbname")),
        query={name: str(value) for name, value in fields.items() if name not in known and value is not None},
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
