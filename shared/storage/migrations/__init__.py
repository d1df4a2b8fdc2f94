"""The schema ``hotel``, by alembic: forward only, safe to run twice and two at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, create_engine, text

# Any number, the same in every process: PostgreSQL lets one holder at a time past it.
_LOCK = 7_207_732_301


def upgrade(conninfo: str, revision: str = "head") -> None:
    """Brings the database at ``conninfo`` (libpq's form) to ``revision``."""
    engine = create_engine(_url(conninfo))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            try:
                config = Config()
                config.set_main_option("script_location", str(Path(__file__).parent))
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
                connection.commit()
            finally:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
    finally:
        engine.dispose()


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
