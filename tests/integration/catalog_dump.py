"""All that a database's catalog says of it and its rows: a line for each thing, the same where that is the same."""

from __future__ import annotations

from typing import Any

import psycopg

Dump = frozenset[str]

_OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"


def _may(column: str) -> str:
    """Who may what, in no order of granting."""
    return f"(SELECT array_agg(one::text ORDER BY one::text) FROM unnest({column}) AS one)"


def _of_schema(namespace: str) -> str:
    return f"JOIN pg_namespace AS n ON n.oid = {namespace} WHERE {_OURS}"


_CATALOG = {
    "role": (
        "rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,"
        " rolconnlimit, rolpassword, rolvaliduntil",
        "pg_authid WHERE rolname !~ '^pg_'",
    ),
    "member": (
        "member::regrole, roleid::regrole, grantor::regrole, admin_option, inherit_option, set_option",
        "pg_auth_members",
    ),
    "login": (
        "member::regrole, roleid::regrole",
        "pg_auth_members JOIN pg_roles AS r ON r.oid = member WHERE rolcanlogin",
    ),
    "setting": ("setdatabase, setrole::regrole, setconfig", "pg_db_role_setting"),
    "database": (f"datdba::regrole, {_may('datacl')}", "pg_database WHERE datname = current_database()"),
    "schema": (f"nspname, nspowner::regrole, {_may('nspacl')}", f"pg_namespace AS n WHERE {_OURS}"),
    "relation": (
        "c.oid::regclass, relkind, relowner::regrole, relrowsecurity, relforcerowsecurity, relpersistence, reloptions,"
        f" {_may('relacl')}",
        f"pg_class AS c {_of_schema('relnamespace')}",
    ),
    "column": (
        "attrelid::regclass, attnum, attname, attisdropped, format_type(atttypid, atttypmod), attnotnull,"
        f" attstattarget, attcollation::regcollation, pg_get_expr(adbin, adrelid), {_may('attacl')}",
        "pg_attribute LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)"
        f" JOIN pg_class AS c ON c.oid = attrelid {_of_schema('relnamespace')} AND attnum > 0",
    ),
    "index": (
        "pg_get_indexdef(indexrelid), indisvalid, indisready",
        f"pg_index JOIN pg_class AS c ON c.oid = indexrelid {_of_schema('relnamespace')}",
    ),
    "constraint": (
        "conrelid::regclass, conname, convalidated, pg_get_constraintdef(k.oid)",
        f"pg_constraint AS k {_of_schema('connamespace')}",
    ),
    "policy": (
        "polrelid::regclass, polname, polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid),"
        " pg_get_expr(polwithcheck, polrelid)",
        "pg_policy",
    ),
    "function": (
        f"pg_get_functiondef(p.oid), proowner::regrole, {_may('proacl')}",
        f"pg_proc AS p {_of_schema('pronamespace')}",
    ),
    "default": (f"defaclrole::regrole, defaclobjtype, {_may('defaclacl')}", "pg_default_acl"),
    "extension": ("extname, extversion", "pg_extension"),
    "prepared": ("gid", "pg_prepared_xacts"),
}
"""Of each kind the columns, and where they are from. No oid: another database's are others."""
_TABLES = f"SELECT c.oid::regclass::text FROM pg_class AS c {_of_schema('relnamespace')} AND relkind = 'r'"


def dump(connection: psycopg.Connection[Any]) -> Dump:
    """``connection``: a superuser's."""
    parts = [f"SELECT '{kind} ' || row({columns})::text FROM {source}" for kind, (columns, source) in _CATALOG.items()]
    for (table,) in connection.execute(_TABLES).fetchall():
        parts.append(f"SELECT '{table} ' || t::text FROM {table} AS t")
    return frozenset(line for (line,) in connection.execute(" UNION ALL ".join(parts)).fetchall())
