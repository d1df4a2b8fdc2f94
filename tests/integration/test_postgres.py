"""The connection: opened late, kept, and opened anew where the server dropped it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from shared.errors import Misconfigured, StoreUnavailable
from shared.storage import postgres as storage
from shared.storage.postgres import Database, conninfo, conninfo_from_secret

SECRET = {"host": "db.example", "port": 5432, "dbname": "pousada", "username": "u", "password": "p w'd\\"}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries a run waits at random; here it need not."""
    monkeypatch.setattr(storage, "wait_random_exponential", lambda **_: lambda _state: 0)


@pytest.fixture
def opened(database: str) -> Iterator[tuple[Database, list[str]]]:
    """The database, and a note of each time the secret was read."""
    reads: list[str] = []

    def read_conninfo() -> str:
        reads.append("read")
        return database

    connected = Database(read_conninfo)
    yield connected, reads
    connected.close()


def backend(cursor: psycopg.Cursor[Any]) -> int:
    row = cursor.execute("SELECT pg_backend_pid()").fetchone()
    assert row
    return int(row[0])


def kill(database: str, pid: int) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


# -- The secret ----------------------------------------------------------------------------------------


def test_a_secret_as_rds_writes_it_becomes_a_connection_string() -> None:
    fields = conninfo_to_dict(conninfo(json.dumps(SECRET | {"engine": "postgres"}), "pousada-apply"))
    assert (fields["host"], fields["user"], fields["password"]) == ("db.example", "u", "p w'd\\")
    assert (fields["dbname"], fields["application_name"]) == ("pousada", "pousada-apply")
    assert fields["sslmode"] == "require"


def test_only_where_the_secret_says_so_there_is_no_tls() -> None:
    assert conninfo_to_dict(conninfo(json.dumps(SECRET | {"sslmode": "disable"})))["sslmode"] == "disable"


@pytest.mark.parametrize("secret", ["", "not json", "[]", "null", '"text"', "{}", json.dumps(SECRET)[:-2]])
def test_a_secret_of_another_form_is_misconfigured_and_not_quoted(secret) -> None:
    with pytest.raises(Misconfigured) as caught:
        conninfo(secret)
    assert "p w" not in str(caught.value)


def test_the_secret_is_read_by_its_name() -> None:
    class Secrets:
        def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:
            return {"SecretString": json.dumps(SECRET | {"dbname": SecretId})}

    assert (
        conninfo_to_dict(conninfo_from_secret(Secrets(), "pousada/local/database"))["dbname"]
        == "pousada/local/database"
    )


# -- The connection ------------------------------------------------------------------------------------


def test_it_is_opened_at_first_use_and_kept(opened) -> None:
    database, reads = opened
    assert reads == []
    assert database.run(backend) == database.run(backend)
    assert reads == ["read"]


def test_after_closing_it_is_opened_anew_with_a_fresh_secret(opened) -> None:
    database, reads = opened
    first = database.run(backend)
    database.close()
    database.close()
    assert database.run(backend) != first
    assert reads == ["read", "read"]


def test_a_connection_dropped_between_two_uses_is_replaced(opened, request) -> None:
    database, reads = opened
    first = database.run(backend)
    kill(request.getfixturevalue("database"), first)
    assert database.run(backend) != first
    assert reads == ["read", "read"]


def test_a_connection_dropped_in_the_midst_has_the_work_done_again(opened, request) -> None:
    database, _ = opened
    tries: list[int] = []

    def work(cursor: psycopg.Cursor[Any]) -> int:
        tries.append(backend(cursor))
        if len(tries) == 1:
            kill(request.getfixturevalue("database"), tries[0])
        return backend(cursor)

    assert database.run(work) == tries[1]
    assert len(tries) == 2


def test_a_server_that_is_not_there_is_tried_three_times() -> None:
    tries: list[str] = []

    def nowhere() -> str:
        tries.append("read")
        return "host=127.0.0.1 port=1 dbname=x user=marker connect_timeout=1"

    with pytest.raises(StoreUnavailable, match="OperationalError"):
        Database(nowhere).run(backend)
    assert len(tries) == 3


def test_a_secret_that_is_wrong_is_not_tried_again() -> None:
    tries: list[str] = []

    def wrong() -> str:
        tries.append("read")
        return conninfo("{}")

    with pytest.raises(Misconfigured):
        Database(wrong).run(backend)
    assert len(tries) == 1


# -- The transaction -----------------------------------------------------------------------------------


def test_what_ends_well_is_committed_and_what_does_not_is_rolled_back(opened, request) -> None:
    database, _ = opened
    database.run(lambda cursor: cursor.execute("CREATE TABLE kept (n int)"))

    def spoiled(cursor: psycopg.Cursor[Any]) -> None:
        cursor.execute("INSERT INTO kept VALUES (1)")
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        database.run(spoiled)
    database.run(lambda cursor: cursor.execute("INSERT INTO kept VALUES (2)"))
    with psycopg.connect(request.getfixturevalue("database")) as other:
        assert other.execute("SELECT n FROM kept").fetchall() == [(2,)]


def test_data_that_does_not_fit_is_raised_as_it_is_and_not_tried_again(opened) -> None:
    database, reads = opened
    tries: list[int] = []

    def work(cursor: psycopg.Cursor[Any]) -> None:
        tries.append(1)
        cursor.execute("SELECT 'x'::int")

    with pytest.raises(psycopg.DataError):
        database.run(work)
    assert tries == [1]
    assert database.run(backend)
    assert reads == ["read"]  # on the same connection


def test_of_two_that_deadlock_both_come_through(opened, request) -> None:
    mine, _ = opened
    dsn = request.getfixturevalue("database")
    theirs = Database(lambda: dsn)
    mine.run(
        lambda cursor: cursor.execute("CREATE TABLE two (n int PRIMARY KEY, by text); INSERT INTO two VALUES (1), (2)")
    )
    meeting = threading.Barrier(2, timeout=20)
    tries = {"mine": 0, "theirs": 0}
    one_is_through = threading.Event()

    def work(name: str, first: int, second: int) -> Any:
        def both(cursor: psycopg.Cursor[Any]) -> None:
            tries[name] += 1
            if tries[name] > 1:
                one_is_through.wait(20)  # or the two might meet again, before the other has noticed that it may go on
            cursor.execute("SET LOCAL deadlock_timeout = '20ms'")
            cursor.execute("UPDATE two SET by = %s WHERE n = %s", (name, first))
            if tries[name] == 1:
                meeting.wait()
            cursor.execute("UPDATE two SET by = %s WHERE n = %s", (name, second))

        return both

    def run(database: Database, name: str, first: int, second: int) -> None:
        database.run(work(name, first, second))
        one_is_through.set()

    thread = threading.Thread(target=run, args=(theirs, "theirs", 2, 1))
    thread.start()
    run(mine, "mine", 1, 2)
    thread.join(20)
    theirs.close()
    assert sorted(tries.values()) == [1, 2]
    assert mine.run(lambda cursor: cursor.execute("SELECT count(DISTINCT by), count(*) FROM two").fetchone()) == (1, 2)
