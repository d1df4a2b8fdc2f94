"""The logins of functions and job, made by an owner such as RDS's master, no superuser: each may do its work alone."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from shared.errors import Misconfigured
from shared.model.columns import ENTITIES, TABLES
from shared.storage import migrations
from shared.storage.database_address import Database
from shared.storage.ledger import Ledger
from shared.storage.logins import GROUPS, put_logins
from shared.storage.readers import Hotel
from tests.integration.reader_databases import Connection, Server, put_reader, refusal_of, row_of, store

pytestmark = pytest.mark.isolation

HERE, THERE = Hotel("hostpms", "PT-LIS-001"), Hotel("hostpms", "PT-OPO-001")
LOGINS = tuple(GROUPS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("logins"))
    try:
        migrations.upgrade(server.conninfo("first"))
        put_logins(server.conninfo("first"))
        with server.superuser("first") as superuser:
            for login in LOGINS:
                # On RDS a token, which this server does not know.
                superuser.execute(f"ALTER ROLE {login} PASSWORD 'p'")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def owner(server: Server) -> Iterator[Connection]:
    with server.owner() as connection:
        yield connection


@pytest.fixture(scope="module")
def app(server: Server) -> Iterator[Connection]:
    with psycopg.connect(server.conninfo("first", "pousada_app"), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def audit(server: Server) -> Iterator[Connection]:
    with psycopg.connect(server.conninfo("first", "pousada_audit"), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module", autouse=True)
def stored(app: Connection) -> None:
    """By the app, as the functions do it: a row of each entity in both hotels, and a refusal."""
    rows = {entity: [row_of(entity, hotel, 1) for hotel in (HERE, THERE)] for entity in ENTITIES}
    store(app, rows, [refusal_of(HERE, 1)])


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_app_stores_rows_and_sees_every_hotel_s(app: Connection, entity: str):
    assert app.execute(f"SELECT count(*) FROM hotel.{TABLES[entity]} WHERE external_id = 'R-1'").fetchone() == (2,)


def test_the_audit_sees_every_hotel_s_rows_and_lays_its_own_beside_them(server: Server, audit: Connection):
    for table in TABLES.values():
        assert audit.execute(f"SELECT count(*) > 0 FROM hotel.{table}").fetchone() == (True,)
    ledger = Ledger(Database(lambda: server.conninfo("first", "pousada_audit")))
    held, missing = row_of("booking", HERE, 1), row_of("booking", HERE, 2)
    assert [finding.kind for finding in ledger.unaccounted({"booking": [held, missing]}, [])] == ["row_missing"]


CHANGES = [
    "INSERT INTO hotel.{table} SELECT * FROM hotel.{table}",
    "UPDATE hotel.{table} SET hotel_id = 'x'",
    "DELETE FROM hotel.{table}",
    "TRUNCATE hotel.{table}",
]


@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.parametrize("table", [*TABLES.values(), "reader_hotels"])
def test_the_audit_changes_nothing(audit: Connection, table: str, statement: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        audit.execute(statement.format(table=table))


@pytest.mark.parametrize(
    "statement", ["DELETE FROM hotel.bookings", "TRUNCATE hotel.guests", "SELECT * FROM hotel.reader_hotels"]
)
def test_the_app_deletes_nothing_and_does_not_say_who_reads(app: Connection, statement: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement)


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE hotel.more (id int)",
        "CREATE TABLE public.more (id int)",
        "ALTER TABLE hotel.bookings ADD COLUMN more text",
        "ALTER TABLE hotel.bookings DISABLE ROW LEVEL SECURITY",
        "DROP POLICY reader ON hotel.bookings",
        "DROP TABLE hotel.quarantine",
        "CREATE ROLE another",
        "GRANT pousada_reader TO pousada_audit",
        "SET ROLE master",
        "UPDATE schema_version SET version_num = '0001'",
    ],
)
def test_no_login_changes_the_schema_or_who_may_what(request: pytest.FixtureRequest, login: str, statement: str):
    connection: Connection = request.getfixturevalue(login.removeprefix("pousada_"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize("login", LOGINS)
def test_a_login_gets_into_its_own_database_alone(server: Server, owner: Connection, login: str):
    owner.execute("REVOKE CONNECT ON DATABASE second FROM PUBLIC")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(server.conninfo("second", login))


def test_readers_still_see_their_hotels_alone(server: Server, owner: Connection, app: Connection):
    store(app, {"room": [row_of("room", hotel, 7) for hotel in (HERE, THERE)]})
    with server.login(put_reader(owner, "lisbon", HERE)) as reader:
        assert reader.execute("SELECT DISTINCT hotel_id FROM hotel.rooms").fetchall() == [(HERE.property_id,)]


def test_made_again_they_are_the_same(server: Server, owner: Connection):
    def memberships() -> list[object]:
        return owner.execute(
            "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members ORDER BY 1, 2"
        ).fetchall()

    before = memberships()
    put_logins(server.conninfo("first"))
    assert memberships() == before


def test_where_there_is_iam_they_log_in_by_it(server: Server, owner: Connection):
    owner.execute("CREATE ROLE rds_iam NOLOGIN")
    try:
        put_logins(server.conninfo("first"))
        members = owner.execute("SELECT member::regrole::text FROM pg_auth_members WHERE roleid = 'rds_iam'::regrole")
        assert {name for (name,) in members.fetchall()} == {*LOGINS, "master"}
    finally:
        owner.execute("DROP ROLE rds_iam")


MORE = {
    "ALTER ROLE pousada_audit SUPERUSER": "ALTER ROLE pousada_audit NOSUPERUSER",
    "ALTER ROLE pousada_audit BYPASSRLS": "ALTER ROLE pousada_audit NOBYPASSRLS",
    "ALTER ROLE pousada_audit CREATEROLE": "ALTER ROLE pousada_audit NOCREATEROLE",
    "ALTER ROLE pousada_audit CREATEDB": "ALTER ROLE pousada_audit NOCREATEDB",
    "ALTER ROLE pousada_audit REPLICATION": "ALTER ROLE pousada_audit NOREPLICATION",
    "GRANT pousada_writer TO pousada_audit": "REVOKE pousada_writer FROM pousada_audit",
}


@pytest.mark.parametrize(("more", "no_more"), MORE.items())
def test_a_login_that_may_more_than_it_should_is_not_taken_over(server: Server, more: str, no_more: str):
    with server.superuser("first") as superuser:
        superuser.execute(more)
        try:
            with pytest.raises(Misconfigured, match="pousada_audit is there, and may do more than it should"):
                put_logins(server.conninfo("first"))
        finally:
            superuser.execute(no_more)
