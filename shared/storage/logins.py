"""The logins of functions and job. What each may do is its group's, and the migrations' to say.

On RDS they have no password: the group ``rds_iam`` has them log in by a token of IAM's, and in no other way. Elsewhere
there is no such group, and nobody can log in as one of them until the owner gives it a password.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from shared.errors import Misconfigured
from shared.names import AUDIT_LOGIN, WRITER_LOGIN

GROUPS = {WRITER_LOGIN: "pousada_writer", AUDIT_LOGIN: "pousada_auditor"}
_BY_IAM = "rds_iam"
_LOCK = 7_207_732_303
_MORE_THAN_A_LOGIN = """
    SELECT FROM pg_roles AS r WHERE r.rolname = %s AND (
        r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
        OR EXISTS (
            SELECT FROM pg_auth_members AS m JOIN pg_roles AS part ON part.oid = m.roleid
            WHERE m.member = r.oid AND part.rolname <> ALL (%s)
        )
    )
"""


def put_logins(conninfo: str) -> None:
    """Makes the logins that are missing, in the migrated database at ``conninfo``, as its owner. May be run twice, and
    two at once.

    Raises Misconfigured where one is there and may do more than its group.
    """
    with psycopg.connect(conninfo) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        by_iam = _is_there(connection, _BY_IAM)
        for login, group in GROUPS.items():
            _put(connection, login, [group, _BY_IAM] if by_iam else [group])


def _put(connection: psycopg.Connection[tuple[object, ...]], login: str, groups: list[str]) -> None:
    if not _is_there(connection, login):
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(login)))
    if connection.execute(_MORE_THAN_A_LOGIN, (login, groups)).fetchall():
        raise Misconfigured(f"the role {login} is there, and may do more than it should", fix="rename that one")
    for group in groups:
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(login)))
    database = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(login)))


def _is_there(connection: psycopg.Connection[tuple[object, ...]], role: str) -> bool:
    return bool(connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchall())
