"""The schema as PostgreSQL knows it: nothing in it, now or to come, goes round the readers' policies."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from shared.model.columns import TABLES
from tests.integration.reader_databases import Connection

pytestmark = pytest.mark.isolation


@pytest.fixture(scope="module")
def owner(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
WAYS_ROUND = {
    "a table without row security": f"""
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {OURS} AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity AND c.relname <> 'schema_version'""",
    # Of what has a hotel: no policy, or one that does not ask who logged in; and none that asks less beside it.
    "a table whose readers are not told apart": f"""
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {OURS} AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_version' AND 1 <> (
            SELECT count(*) FILTER (WHERE polname = 'reader') + count(*) FILTER (
                WHERE polname <> 'reader' OR polcmd <> 'r' OR polwithcheck IS NOT NULL
                OR pg_get_expr(polqual, polrelid) NOT LIKE '%role_name = SESSION_USER%'
            ) FROM pg_policy WHERE polrelid = c.oid AND polroles <> ARRAY['pousada_writer'::regrole::oid]
            AND (polroles, polcmd) IS DISTINCT FROM (ARRAY['pousada_auditor'::regrole::oid], 'r'::"char")
        )""",
    "a right that is more than reading": f"""
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
        aclexplode(c.relacl) AS a WHERE {OURS} AND (
            a.grantee = 0 OR a.grantee IN ('pousada_reader'::regrole, 'pousada_auditor'::regrole)
            AND (a.privilege_type <> 'SELECT' OR a.is_grantable)
        )""",
    # A view runs as its owner, unless it is told to run as who asks; a materialized one holds rows of its own.
    "a view that runs as its owner": f"""
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS} AND (
            c.relkind IN ('m', 'f')
            OR c.relkind = 'v' AND coalesce(c.reloptions::text, '') !~ 'security_invoker=(true|on|1)'
        )""",
    "a function that runs as its owner, or is said to leak nothing": f"""
        SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {OURS} AND (p.prosecdef OR p.proleakproof)""",
    # By an index that does not begin with the hotel, EXPLAIN ANALYZE shows what others' rows hold. Two may be: a
    # primary key, whose ids are hashes, and one in which a raw key is found whole or not at all.
    "an index by which others' values can be found": f"""
        SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = i.relam
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0]
        WHERE {OURS} AND c.relrowsecurity AND NOT x.indisprimary AND a.attname IS DISTINCT FROM 'hotel_id'
        AND (m.amname, a.attname) IS DISTINCT FROM ('hash', 'raw_key')""",
    "a schema in which readers may make something": f"""
        SELECT n.nspname FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a
        WHERE {OURS} AND a.privilege_type = 'CREATE' AND a.grantee IN (0, 'pousada_reader'::regrole)""",
    "a right that comes by itself": "SELECT defaclobjtype::text FROM pg_default_acl",
    "a group that may more than it should": """
        SELECT rolname FROM pg_roles WHERE rolname IN ('pousada_reader', 'pousada_writer', 'pousada_auditor') AND (
            rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
            OR EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = pg_roles.oid)
        )""",
    "a column that names a person or a record, with statistics": """
        SELECT attrelid::regclass || '.' || attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
        WHERE c.relnamespace = 'hotel'::regnamespace AND c.relkind = 'r' AND attstattarget IS DISTINCT FROM 0
        AND (c.relname, attname, attstattarget) IS DISTINCT FROM ('quarantine', 'raw_key', 1)
        AND attname ~ '(external_id|raw_key|(first|last|guest)_name|email|phone|tax_id|birth|special_requests)$'""",
}
PLANTED = {
    "a table without row security": [
        "CREATE TABLE hotel.reviews (id uuid PRIMARY KEY, hotel_id text)",
        "ALTER TABLE hotel.guests DISABLE ROW LEVEL SECURITY",
    ],
    "a table whose readers are not told apart": [
        "DROP POLICY reader ON hotel.bookings",
        "ALTER POLICY reader ON hotel.bookings USING (true)",
        "ALTER POLICY reader ON hotel.bookings USING (hotel_id = current_setting('pousada.hotel'))",
        "CREATE POLICY other ON hotel.rooms FOR SELECT USING (true)",
        "ALTER POLICY writer ON hotel.rooms TO pousada_writer, pousada_reader",
        "ALTER POLICY auditor ON hotel.rooms TO pousada_auditor, pousada_reader",
        "CREATE POLICY changing ON hotel.rooms FOR UPDATE TO pousada_auditor USING (true)",
        "CREATE TABLE hotel.reviews (hotel_id text); ALTER TABLE hotel.reviews ENABLE ROW LEVEL SECURITY",
    ],
    "a right that is more than reading": [
        "GRANT UPDATE ON hotel.rooms TO pousada_reader",
        "GRANT SELECT ON hotel.rooms TO PUBLIC",
        "GRANT INSERT ON hotel.rooms TO pousada_auditor",
    ],
    "a view that runs as its owner": [
        "CREATE VIEW hotel.stays AS SELECT * FROM hotel.bookings",
        "CREATE VIEW public.stays WITH (security_barrier) AS SELECT * FROM hotel.bookings",
        "CREATE MATERIALIZED VIEW hotel.stays AS SELECT * FROM hotel.bookings",
    ],
    "a function that runs as its owner, or is said to leak nothing": [
        "CREATE FUNCTION hotel.stays() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "ALTER FUNCTION hotel.is_among LEAKPROOF",
    ],
    "an index by which others' values can be found": [
        "CREATE INDEX ON hotel.guests (email)",
        "CREATE INDEX ON hotel.guests (lower(email))",
        "CREATE INDEX ON hotel.guests USING hash (email)",
    ],
    "a schema in which readers may make something": ["GRANT CREATE ON SCHEMA public TO PUBLIC"],
    "a right that comes by itself": [
        "ALTER DEFAULT PRIVILEGES IN SCHEMA hotel GRANT SELECT ON TABLES TO pousada_reader"
    ],
    "a group that may more than it should": ["GRANT pousada_writer TO pousada_reader"],
    "a column that names a person or a record, with statistics": [
        "ALTER TABLE hotel.guests ALTER COLUMN email SET STATISTICS 10",
        "ALTER TABLE hotel.guests ADD COLUMN second_phone text",
    ],
}


def found(owner: Connection) -> dict[str, list[str]]:
    ways = {way: [str(name) for (name,) in owner.execute(query).fetchall()] for way, query in WAYS_ROUND.items()}
    return {way: names for way, names in ways.items() if names}


def test_there_is_no_way_round_the_policies(owner) -> None:
    assert found(owner) == {}


@pytest.mark.parametrize(("way", "statement"), [(way, one) for way, some in PLANTED.items() for one in some])
def test_a_way_round_would_be_found(owner, way, statement) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute(statement)
        assert way in found(owner)


def test_each_way_round_was_planted_once() -> None:
    assert PLANTED.keys() == WAYS_ROUND.keys()


@pytest.mark.parametrize("table", TABLES.values())
def test_the_writer_may_do_what_the_functions_do_and_not_delete(owner, table) -> None:
    rights = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    asked = "SELECT has_table_privilege('pousada_writer', %s, %s)"
    may = {right for right in rights if owner.execute(asked, (f"hotel.{table}", right)).fetchone() == (True,)}
    assert may == {"SELECT", "INSERT", "UPDATE"}
