"""A hotel's reader sees its hotel's rows, whatever it tries, and nothing of another's."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors, sql

from shared.model.columns import ENTITIES, TABLES
from shared.storage.readers import CONNECTIONS, Hotel, Reader, Readers, role_of
from tests.integration.reader_databases import (
    PASSWORD,
    Connection,
    Server,
    clear,
    put_reader,
    refusal_of,
    row_of,
    session,
    store,
)

pytestmark = pytest.mark.isolation

LISBON = Hotel("hostpms", "PT-LIS-001")
PORTO = Hotel("hostpms", "PT-OPO-002")
ANOTHER_VENDORS_LISBON = Hotel("otherpms", "PT-LIS-001")
FARO = Hotel("hostpms", "PT-FAO-003")
HOTELS = (LISBON, PORTO, ANOTHER_VENDORS_LISBON, FARO)
EACH_TABLE = pytest.mark.parametrize("table", TABLES.values())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="pousada-tests-") as folder:
        server = Server(Path(folder))
        try:
            assert server.migrate_all_while_another_makes_the_roles() == []
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module")
def owner(server: Server) -> Iterator[Connection]:
    with server.owner() as connection:
        yield connection


@pytest.fixture(scope="module")
def writer(server: Server, owner: Connection) -> Iterator[Connection]:
    """A login as the functions may have one: no owner, and under policies itself."""
    owner.execute("CREATE ROLE functions LOGIN PASSWORD 'p' IN ROLE pousada_writer")
    owner.execute("GRANT CONNECT ON DATABASE first TO functions")
    with psycopg.connect(server.conninfo("first", "functions"), autocommit=True) as connection:
        yield connection


# -- Exactly its hotels' rows --------------------------------------------------------------------------

Rows = set[tuple[str, str, str]]
"""Vendor, property and id."""
ROADS = [
    "SELECT source, hotel_id, id::text FROM hotel.{table}",
    "SELECT t.source, t.hotel_id, t.id::text FROM (SELECT * FROM hotel.{table}) AS t",
    "SELECT (t).source, (t).hotel_id, (t).id::text FROM (SELECT t FROM hotel.{table} AS t)",
    "SELECT source, hotel_id, id::text FROM hotel.{table} TABLESAMPLE SYSTEM (100)",
    "SELECT source, hotel_id, id::text FROM hotel.{table} WHERE hotel_id <> ''",
    "SELECT source, hotel_id, id::text FROM hotel.{table} WHERE hotel_id = 'x' OR true",
    "SELECT b.source, b.hotel_id, b.id::text FROM hotel.{table} AS a RIGHT JOIN hotel.{table} AS b USING (id)",
    "SELECT j->>'source', j->>'hotel_id', j->>'id' FROM (SELECT to_jsonb(t) AS j FROM hotel.{table} AS t)",
    "SELECT source, hotel_id, id::text FROM hotel.{table} WHERE ctid >= '(0,0)'",
]
COPY = "COPY hotel.{table} (source, hotel_id, id) TO STDOUT"


def seen(reader: Connection, table: str) -> Rows:
    """What the reader finds in ``table``, on every road the same."""
    union = " UNION ALL ".join(f"SELECT {number}, * FROM ({road}) AS r" for number, road in enumerate(ROADS))
    found: dict[int, list[Any]] = {number: [] for number in range(len(ROADS))}
    for number, *row in reader.execute(union.format(table=table)).fetchall():
        found[number].append(tuple(row))
    first = sorted(found[0])
    assert [ROADS[number] for number, rows in found.items() if sorted(rows) != first] == []
    with reader.cursor() as cursor, cursor.copy(COPY.format(table=table)) as copy:
        assert sorted(copy.rows()) == first
    return set(first)


Held = dict[Hotel, dict[str, int]]
"""How many rows of each table a hotel has."""
HELD: st.SearchStrategy[Held] = st.dictionaries(
    st.sampled_from(HOTELS), st.fixed_dictionaries(dict.fromkeys(TABLES, st.integers(0, 3))), max_size=len(HOTELS)
)
GRANTS = st.tuples(*[st.sets(st.sampled_from(HOTELS))] * 2)
NAMES = ("one", "two")


@pytest.fixture(scope="module")
def logins(server: Server, owner: Connection) -> Iterator[dict[str, Connection]]:
    """Two readers, whose sessions go on while their hotels change."""
    opened = {name: server.login(put_reader(owner, name)) for name in NAMES}
    yield opened
    for name, connection in opened.items():
        connection.close()
        Readers(owner).remove(name)


@given(held=HELD, grants=GRANTS)
def test_a_reader_sees_exactly_its_hotels_rows_in_every_table(owner, writer, logins, held, grants) -> None:
    clear(owner)
    ids = put_held(writer, held)
    for name, hotels in zip(NAMES, grants, strict=True):
        set_hotels(owner, name, hotels)
    for name, hotels in zip(NAMES, grants, strict=True):
        for table in TABLES.values():
            wanted = {(*hotel, id_) for hotel, id_ in ids[table] if hotel in hotels}
            assert seen(logins[name], table) == wanted
        own = logins[name].execute("SELECT role_name::text, source, hotel_id FROM hotel.reader_hotels").fetchall()
        assert sorted(own) == sorted((role_of("first", name), *hotel) for hotel in hotels)


def put_held(writer: Connection, held: Held) -> dict[str, set[tuple[Hotel, str]]]:
    ids: dict[str, set[tuple[Hotel, str]]] = defaultdict(set)
    for hotel, counts in held.items():
        rows = {entity: [row_of(entity, hotel, number) for number in range(counts[entity])] for entity in ENTITIES}
        store(writer, rows, [refusal_of(hotel, number) for number in range(counts["quarantine"])])
    for table in TABLES.values():
        found = writer.execute(f"SELECT source, hotel_id, id::text FROM hotel.{table}").fetchall()
        ids[table] = {(Hotel(source, hotel_id), id_) for source, hotel_id, id_ in found}
    assert {table: len(ids[table]) for table in TABLES.values()} == {
        TABLES[entity]: sum(counts[entity] for counts in held.values()) for entity in TABLES
    }
    return ids


def set_hotels(owner: Connection, name: str, hotels: set[Hotel]) -> None:
    """Without a new password, whose verifier takes longer than all the rest."""
    with owner.cursor() as cursor:
        rows = [(role_of("first", name), *hotel) for hotel in hotels]
        cursor.executemany("INSERT INTO hotel.reader_hotels VALUES (%s, %s, %s)", rows)


# -- What a reader may try -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lisbon(server: Server, owner: Connection) -> Iterator[Reader]:
    """Its reader. Lisbon's guests are called by numbers; what is not a number is Porto's."""
    yield put_reader(owner, "lisbon", LISBON)
    Readers(owner).remove("lisbon")


@pytest.fixture
def reader(server: Server, owner: Connection, writer: Connection, lisbon: Reader) -> Iterator[Connection]:
    """Lisbon's, with one row in each table beside one of Porto's and one of the other vendor's hotel."""
    clear(owner)
    put_reader(owner, "lisbon", LISBON)
    guests = {LISBON: "1", PORTO: "Rui Exemplo", ANOTHER_VENDORS_LISBON: "Eva Exemplo"}
    for hotel, guest in guests.items():
        rows = {entity: [row_of(entity, hotel, 1)] for entity in ENTITIES}
        rows["booking"][0].guest_name = rows["guest"][0].first_name = guest
        rows["booking"][0].guest_email = f"{guest}@example.org"
        store(writer, rows, [refusal_of(hotel, 1)])
    with server.login(lisbon) as connection:
        yield connection


def names(connection: Connection, where: str = "true") -> list[str]:
    return [name for (name,) in connection.execute(f"SELECT guest_name FROM hotel.bookings WHERE {where}").fetchall()]


WRITING = [
    "INSERT INTO hotel.{table} SELECT * FROM hotel.{table}",
    "UPDATE hotel.{table} SET hotel_id = hotel_id",
    "DELETE FROM hotel.{table}",
    "TRUNCATE hotel.{table}",
    "COPY hotel.{table} FROM STDIN",
    "SELECT 1 FROM hotel.{table} FOR SHARE",
    "BEGIN; LOCK TABLE hotel.{table} IN SHARE MODE",
    "ALTER TABLE hotel.{table} DISABLE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON hotel.{table} USING (true)",
    "DROP POLICY reader ON hotel.{table}",
    "CREATE INDEX ON hotel.{table} (hotel_id)",
    "CREATE RULE spy AS ON SELECT TO hotel.{table} DO INSTEAD SELECT 1",
]


def granted(reader: Connection, statements: Iterable[str]) -> list[str]:
    """Those of ``statements`` that are not refused for want of a right."""
    reader.execute("SET default_transaction_read_only = off")
    done = []
    for statement in statements:
        try:
            reader.execute(statement)
            done.append(statement)
        except errors.InsufficientPrivilege:
            reader.execute("ROLLBACK")
    return done


@pytest.mark.parametrize("table", [*TABLES.values(), "reader_hotels"])
def test_a_reader_writes_nothing_though_it_may_call_off_its_being_read_only(reader, table) -> None:
    assert granted(reader, [statement.format(table=table) for statement in WRITING]) == []


MAKING = [
    "CREATE TABLE hotel.t ()",
    "CREATE TABLE public.t ()",
    "CREATE TEMPORARY TABLE t ()",
    "CREATE VIEW public.v AS SELECT 1",
    "CREATE SCHEMA s",
    "CREATE FUNCTION public.leak(text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN true; END'",
    "CREATE FUNCTION hotel.leak(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    "CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    "CREATE OPERATOR public.<<< (FUNCTION = texteq, LEFTARG = text, RIGHTARG = text)",
    "CREATE ROLE other",
    "CREATE DATABASE other",
    "CREATE PUBLICATION p FOR TABLE hotel.bookings",
    "CREATE STATISTICS s ON hotel_id, source FROM hotel.bookings",
]
RISING = [
    "SET ROLE pousada_writer",
    "SET ROLE functions",
    "SET ROLE master",
    "SET SESSION AUTHORIZATION master",
    "SELECT set_config('role', 'pousada_writer', false)",
    "GRANT pousada_writer TO CURRENT_USER",
    "ALTER ROLE CURRENT_USER BYPASSRLS",
    "ALTER ROLE CURRENT_USER CONNECTION LIMIT -1",
    "ALTER ROLE functions RENAME TO mine",
    "ALTER FUNCTION hotel.is_among OWNER TO CURRENT_USER",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_statistic",
    "SELECT * FROM public.schema_version",
    "SELECT pg_read_file('postgresql.conf')",
    "COPY hotel.bookings TO PROGRAM 'cat'",
]


def test_a_reader_makes_nothing(reader) -> None:
    assert granted(reader, MAKING) == []


def test_a_reader_becomes_no_other_and_looks_behind_nothing(reader) -> None:
    assert granted(reader, RISING) == []


def test_as_its_group_a_reader_sees_what_it_saw(reader, owner) -> None:
    """Even where somebody gave the group a hotel."""
    owner.execute("INSERT INTO hotel.reader_hotels VALUES ('pousada_reader', 'hostpms', 'PT-OPO-002')")
    with session(reader):
        reader.execute("SET ROLE pousada_reader")
        assert names(reader) == ["1"]


@EACH_TABLE
def test_without_row_security_a_reader_gets_an_error_and_no_row(reader, table) -> None:
    with session(reader):
        reader.execute("SET row_security = off")
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
            reader.execute(f"SELECT * FROM hotel.{table}")


def test_no_setting_chooses_the_hotel(reader) -> None:
    with session(reader):
        settings = reader.execute("SELECT name FROM pg_settings WHERE context = 'user' AND vartype = 'string'")
        for (name,) in settings.fetchall():
            for value in ("PT-OPO-002", "hostpms/PT-OPO-002", "master", "first.porto"):
                with reader.transaction(force_rollback=True):
                    try:
                        reader.execute("SELECT set_config(%s, %s, true)", (name, value))
                    except psycopg.Error:
                        continue
                    assert names(reader) == ["1"], name


def test_what_is_no_number_is_never_cast(reader, owner) -> None:
    """An error would quote it."""
    assert names(reader, "guest_name::int > 0") == ["1"]
    with pytest.raises(errors.InvalidTextRepresentation, match="Exemplo"):
        names(owner, "guest_name::int > 0")


def test_a_function_that_tells_what_it_is_asked_is_asked_of_own_rows_alone(reader, owner) -> None:
    """A reader cannot make one; the owner did, as cheap as can be, so that PostgreSQL would like to ask it first."""
    owner.execute(
        """CREATE FUNCTION public.telling(text) RETURNS boolean LANGUAGE plpgsql COST 0.00001
        AS $$ BEGIN RAISE NOTICE 'asked of %', $1; RETURN true; END $$"""
    )
    owner.execute("CREATE OPERATOR public.~~~ (FUNCTION = telling, RIGHTARG = text)")
    told: list[str] = []
    for connection in (reader, owner):
        connection.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    try:
        for where in ("public.telling(guest_name)", "OPERATOR(public.~~~) guest_name"):
            assert names(reader, where) == ["1"]
        assert set(told) == {"asked of 1"}
        names(owner, "public.telling(guest_name)")
        assert "asked of Rui Exemplo" in told
    finally:
        owner.execute("DROP OPERATOR public.~~~ (NONE, text); DROP FUNCTION public.telling")


def test_a_view_runs_with_the_rights_of_who_asks(reader, owner) -> None:
    owner.execute("CREATE VIEW hotel.stays WITH (security_invoker) AS SELECT guest_name FROM hotel.bookings")
    owner.execute("GRANT SELECT ON hotel.stays TO pousada_reader")
    try:
        assert reader.execute("SELECT * FROM hotel.stays").fetchall() == [("1",)]
    finally:
        owner.execute("DROP VIEW hotel.stays")


def test_a_record_under_the_wrong_hotels_name_is_not_shown_in_the_quarantine(reader, writer) -> None:
    """It came as Lisbon's, and bears the external id of Porto's."""
    store(writer, {}, [refusal_of(LISBON, 9, "property_mismatch", "RSV-OF-PORTO"), refusal_of(PORTO, 9)])
    shown = reader.execute("SELECT hotel_id, reason, external_id FROM hotel.quarantine").fetchall()
    assert shown == [("PT-LIS-001", "malformed_json", None)]


def test_a_session_sees_its_hotels_as_they_change(reader, owner) -> None:
    owner.execute("DELETE FROM hotel.reader_hotels")
    assert names(reader) == []
    put_reader(owner, "lisbon", PORTO)
    assert names(reader) == ["Rui Exemplo"]


# -- Readers come and go, and there may be another database -------------------------------------------


def test_a_reader_of_one_database_cannot_get_into_another(server, lisbon) -> None:
    with pytest.raises(psycopg.OperationalError, match="CONNECT"):
        server.login(lisbon, "second")


@EACH_TABLE
def test_and_would_see_nothing_there_if_it_could(server, lisbon, table) -> None:
    with server.owner("second") as other:
        store(other, {entity: [row_of(entity, LISBON, 1)] for entity in ENTITIES}, [refusal_of(LISBON, 1)])
        put_reader(other, "lisbon", LISBON)
        other.execute(sql.SQL("GRANT CONNECT ON DATABASE second TO {}").format(sql.Identifier(lisbon.role)))
        with server.login(lisbon, "second") as connection:
            assert connection.execute(f"SELECT * FROM hotel.{table}").fetchall() == []
            assert connection.execute("SELECT * FROM hotel.reader_hotels").fetchall() == []
        other.execute(sql.SQL("REVOKE CONNECT ON DATABASE second FROM {}").format(sql.Identifier(lisbon.role)))
        Readers(other).remove("lisbon")


def test_readers_of_one_name_in_two_databases_are_two(server, owner) -> None:
    here = put_reader(owner, "bi", LISBON)
    with server.owner("second") as other:
        there = put_reader(other, "bi", PORTO)
        assert here.role != there.role
        assert Readers(other).all() == [there]
        assert here in Readers(owner).all()
        assert Readers(owner).remove("bi")
        server.login(there, "second").close()
        assert Readers(other).remove("bi")


def test_put_again_a_reader_has_the_hotels_and_the_password_of_the_last_time(server, owner) -> None:
    put_reader(owner, "again", LISBON, PORTO)
    reader = Readers(owner).put("again", "another", [PORTO])
    with pytest.raises(psycopg.OperationalError, match="password"):
        server.login(reader)
    with psycopg.connect(server.conninfo("first", reader.role, "another")) as connection:
        assert connection.execute("SELECT hotel_id FROM hotel.reader_hotels").fetchall() == [("PT-OPO-002",)]
    assert Readers(owner).remove("again")


def test_removed_a_reader_is_out_with_all_that_was_its_own(server, owner) -> None:
    reader = put_reader(owner, "gone", LISBON)
    with server.login(reader) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("SELECT lo_create(0)")
        assert Readers(owner).remove("gone")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        server.login(reader)
    assert owner.execute("SELECT count(*) FROM hotel.reader_hotels WHERE role_name = 'first.gone'").fetchone() == (0,)
    assert Readers(owner).remove("gone") is False


def test_a_reader_begins_read_only_with_limits(server, lisbon) -> None:
    with server.login(lisbon) as connection:
        with pytest.raises(errors.ReadOnlySqlTransaction):
            connection.execute("SELECT lo_create(0)")
        shown = {name: connection.execute(f"SHOW {name}").fetchone() for name in LIMITS}
        assert shown == LIMITS
        others = [server.login(lisbon) for _ in range(CONNECTIONS - 1)]
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            server.login(lisbon)
        for other in others:
            other.close()


LIMITS = {"default_transaction_read_only": ("on",), "statement_timeout": ("1min",), "search_path": ("hotel",)}


def test_the_server_is_not_told_the_password(server, lisbon) -> None:
    with server.superuser("first") as superuser:
        query = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
        ((verifier,),) = superuser.execute(query, (lisbon.role,)).fetchall()
    assert verifier.startswith("SCRAM-SHA-256$")
    assert PASSWORD not in verifier


def test_a_role_that_is_no_reader_is_left_alone(owner, writer) -> None:
    owner.execute('CREATE ROLE "first.functions" LOGIN')
    for change in (lambda: put_reader(owner, "functions", LISBON), lambda: Readers(owner).remove("functions")):
        with pytest.raises(Exception, match="is no reader"):
            change()
    owner.execute('DROP ROLE "first.functions"')


def test_who_is_no_owner_manages_no_reader(writer) -> None:
    with pytest.raises(Exception, match="may not manage readers"):
        put_reader(writer, "mine", LISBON)


def test_a_group_role_that_may_more_than_it_should_stops_the_migration(server) -> None:
    from shared.storage import migrations

    with server.superuser("postgres") as superuser, server.owner("postgres") as master:
        master.execute("CREATE DATABASE third TEMPLATE template0")
        superuser.execute("ALTER ROLE pousada_reader BYPASSRLS")
        try:
            with pytest.raises(Exception, match="may do more than it should"):
                migrations.upgrade(server.conninfo("third"))
        finally:
            superuser.execute("ALTER ROLE pousada_reader NOBYPASSRLS")
        master.execute("DROP DATABASE third")
