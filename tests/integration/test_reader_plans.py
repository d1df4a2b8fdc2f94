"""What PostgreSQL's planner tells a reader by plans, counts and estimates: nothing of what others' rows say.

That it tells how many rows there are, and what remains to who knows a record's exact id, is said in docs/tables.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from shared.storage.readers import Hotel, Readers
from tests.integration.reader_databases import PASSWORD, Connection, put_reader, row_of, session, store

pytestmark = pytest.mark.isolation

FARO = Hotel("hostpms", "PT-FAO-003")
OTHERS = [Hotel("hostpms", f"H-{number}") for number in range(29)]
ONCE, COMMON = "m150@h-17", "m@agency"
"""Addresses that other hotels have, one of them once and one each of them. Faro's begin with g, theirs with m."""


@pytest.fixture(scope="module")
def owner(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def faro(database: str, owner: Connection) -> Iterator[Connection]:
    """The session of a reader of one hotel among thirty."""
    for hotel in (FARO, *OTHERS):
        mails = [f"{'g' if hotel is FARO else 'm'}{number}@{hotel.property_id.lower()}" for number in range(199)]
        mails.append("g@faro" if hotel is FARO else COMMON)
        store(owner, {"booking": [row_of("booking", hotel, n, guest_email=mail) for n, mail in enumerate(mails)]})
    # What vacuums by itself, whenever it likes, would give one of two plans other estimates than the other.
    for table in ("bookings", "reader_hotels"):
        owner.execute(f"ALTER TABLE hotel.{table} SET (autovacuum_enabled = off)")
    owner.execute("VACUUM ANALYZE hotel.bookings")
    reader = put_reader(owner, "faro", FARO)
    with psycopg.connect(make_conninfo(database, user=reader.role, password=PASSWORD), autocommit=True) as connection:
        yield connection
    Readers(owner).remove("faro")


RUN = "ANALYZE, TIMING off, BUFFERS off"


def explained(reader: Connection, where: str, settings: tuple[str, ...] = (), options: str = RUN) -> str:
    """The plan and its counts, and no time or memory."""
    with session(reader):
        for setting in settings:
            reader.execute(f"SET {setting} = off")
        query = f"EXPLAIN ({options}, SUMMARY off) SELECT * FROM hotel.bookings WHERE {where}"
        return "\n".join(line for (line,) in reader.execute(query))


def test_the_readers_hotels_are_found_once_and_by_the_index(faro) -> None:
    for where in ("true", "check_in_date >= '2024-01-01'", "status = 'x'", "guest_name IS NULL"):
        plan = explained(faro, where)
        assert "Index Cond: (hotel_id = ANY ((InitPlan 2).col1))" in plan.replace("((hotel_id", "(hotel_id"), plan
        assert "Rows Removed by Filter" not in plan
        looked_up = [line for line in plan.splitlines() if "on reader_hotels mine" in line]
        assert len(looked_up) == 2
        assert all("loops=1" in line for line in looked_up)


PROBES: dict[str, Callable[[str], str]] = {
    "equal": "guest_email = '{}'".format,
    "less": "guest_email < '{}'".format,
    "between": "guest_email BETWEEN '{0}' AND '{0}~'".format,
    "one of one": "guest_email = ANY ('{{{}}}')".format,
    "less than one of one": "guest_email < ANY ('{{{}}}')".format,
    "not distinct": "guest_email IS NOT DISTINCT FROM '{}'".format,
    "greatest": "greatest(guest_email, '{0}') = '{0}'".format,
    "record": "(guest_email, external_id) >= ('{0}', '') AND (guest_email, external_id) < ('{0}~', '')".format,
    "like": "guest_email LIKE '{}%'".format,
}
WAYS = [(), ("enable_seqscan",), ("enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan")]


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
@pytest.mark.parametrize("way", WAYS, ids=["any plan", "by index", "row by row"])
def test_explain_says_the_same_of_an_address_that_others_know_and_of_one_that_nobody_knows(
    faro, owner, probe, way
) -> None:
    for known in (ONCE, COMMON):
        unknown = f"{known[:-1]}!"
        assert owner.execute(f"SELECT count(*) > 0 FROM hotel.bookings WHERE {probe(known)}").fetchone() == (True,)
        for options in (RUN, "COSTS"):
            plans = {explained(faro, probe(mail), way, options).replace(mail, "…") for mail in (known, unknown)}
            assert len(plans) == 1


@pytest.mark.parametrize("way", WAYS, ids=["any plan", "by index", "row by row"])
def test_explain_does_not_say_where_others_addresses_lie(faro, way) -> None:
    """No step of count or estimate on the way through all of theirs, where none of Faro's own lie."""
    plans = {explained(faro, f"guest_email < '{mail}'", way).replace(f"'{mail}'", "…") for mail in BETWEEN}
    assert len(plans) == 1


BETWEEN = ["h", "m", "m1", "m100@h-3", "m@", "m@b", "n", "z"]


def test_the_statistics_of_what_it_may_read_are_hidden_from_a_reader(faro, owner) -> None:
    query = "SELECT tablename, attname FROM pg_stats WHERE schemaname = 'hotel'"
    assert ("bookings", "hotel_id") in owner.execute(query).fetchall()
    assert faro.execute(query).fetchall() == []
    for view in ("pg_stats_ext", "pg_stats_ext_exprs"):
        assert faro.execute(f"SELECT count(*) FROM {view}").fetchone() == (0,)


def test_of_what_names_a_person_or_a_record_there_are_no_statistics(faro, owner) -> None:
    counted = {column for (column,) in owner.execute("SELECT attname FROM pg_stats WHERE tablename = 'bookings'")}
    assert "hotel_id" in counted
    assert counted & {"guest_email", "external_id", "raw_key", "guest_name"} == set()
