"""Who may do what: a role that writes, and readers who see the rows of their hotels alone.

The two group roles are of the whole server, and so the same in every database on it. What keeps a login role to its
own database is CONNECT, which nobody has but by name; and should it get in elsewhere, ``reader_hotels`` there does
not know it. Nothing here needs a superuser: RDS has none, nor may its master user give BYPASSRLS.

A table that comes later needs what ``_isolate`` does, or its readers see nothing of it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = ("bookings", "guests", "rooms", "payments", "quarantine")

# Two databases of one server may be migrated at once, and the roles are in neither: who comes second finds them.
_ROLES = """
DO $$
DECLARE
    wanted name;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['pousada_reader', 'pousada_writer'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF EXISTS (
            SELECT FROM pg_roles AS r WHERE r.rolname = wanted AND (
                r.rolcanlogin OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
                OR EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = r.oid)
            )
        ) THEN
            RAISE EXCEPTION 'the role % is there already, and may do more than it should', wanted;
        END IF;
    END LOOP;
END $$
"""
# The owner is refused nothing by this; who is no owner can revoke nothing, and is only warned.
_DATABASE = """
DO $$
BEGIN
    EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO pousada_writer', current_database());
END $$
"""
# session_user: who logged in. SET ROLE changes current_user, and a setting can be set by anyone.
_READER_HOTELS = """
CREATE TABLE hotel.reader_hotels (
    role_name name NOT NULL,
    source text NOT NULL,
    hotel_id text NOT NULL,
    PRIMARY KEY (role_name, source, hotel_id)
);
ALTER TABLE hotel.reader_hotels ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON hotel.reader_hotels FOR SELECT TO pousada_reader USING (role_name = session_user);
GRANT SELECT ON hotel.reader_hotels TO pousada_reader;
"""
# Whose row it is must be asked before what a reader's own WHERE asks, or EXPLAIN ANALYZE tells by what was "never
# executed" whether any hotel has such a row. PostgreSQL takes conditions that leak nothing by their cost, cheapest
# first: this one says that it costs less than all that compares. In plpgsql: SQL would be inlined, and lose that.
_IS_AMONG = """
CREATE FUNCTION hotel.is_among(source text, hotel_id text, hotels text[]) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 0.0001
    AS $$ BEGIN RETURN source OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) hotel_id
        OPERATOR(pg_catalog.=) ANY (hotels); END $$;
REVOKE EXECUTE ON FUNCTION hotel.is_among FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hotel.is_among TO pousada_reader;
"""
# A hotel is its vendor's: two vendors may use one property id. The second condition, on hotel_id alone, is what the
# indexes can find. Each array is made once for a query.
_MINE = "hotel.reader_hotels AS mine WHERE mine.role_name = session_user"
_READERS_OWN = f"""
    hotel.is_among(source, hotel_id, ARRAY(SELECT mine.source || '/' || mine.hotel_id FROM {_MINE}))
    AND hotel_id = ANY (ARRAY(SELECT mine.hotel_id FROM {_MINE}))
"""  # nosec B608 # our own names
# A record that came under one hotel's name and bears another's is not the first one's to read.
_AND = {"quarantine": "AND reason <> 'property_mismatch'"}

# An index that leads to rows before their hotel is looked at tells a reader, by EXPLAIN ANALYZE's counts, what values
# other hotels' rows have. By its hash a raw key can only be found by who knows it whole.
_INDEXES = """
DROP INDEX hotel.bookings_guest_email;
CREATE INDEX bookings_hotel_email ON hotel.bookings (hotel_id, guest_email);
DROP INDEX hotel.guests_email, hotel.guests_hotel;
CREATE INDEX guests_hotel_email ON hotel.guests (hotel_id, email);
DROP INDEX hotel.payments_booking;
CREATE INDEX payments_hotel_booking ON hotel.payments (hotel_id, booking_id);
DROP INDEX hotel.quarantine_raw_key;
CREATE INDEX quarantine_raw_key ON hotel.quarantine USING hash (raw_key);
"""
# The planner's statistics are of all hotels, and its estimates show in EXPLAIN: by them alone a reader could find the
# most common values and the histogram's bounds. What names a person, a record or a raw object therefore has none.
_UNCOUNTED = {
    "bookings": ("external_id", "guest_name", "guest_email", "guest_phone", "guest_tax_id", "special_requests"),
    "guests": ("external_id", "first_name", "last_name", "email", "phone", "tax_id", "date_of_birth"),
    "rooms": ("external_id",),
    "payments": ("external_id",),
    "quarantine": ("external_id",),
}
# Without any, a replay's look-up of many raw keys would read the whole quarantine. This little tells that they differ;
# of the keys themselves it holds the first, the last, and the most common.
_LITTLE = {("quarantine", "raw_key"): 1}
_TYPES = {"date_of_birth": "date", "raw_key": 'text COLLATE "C"'}


def upgrade() -> None:
    op.execute(_ROLES)
    op.execute(_DATABASE)
    op.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    op.execute("GRANT USAGE ON SCHEMA hotel TO pousada_reader, pousada_writer")
    op.execute(_READER_HOTELS)
    op.execute(_IS_AMONG)
    for table in _TABLES:
        _isolate(table)
    op.execute(_INDEXES)
    for table, columns in _UNCOUNTED.items():
        for column in (*columns, "raw_key"):
            _forget(table, column)


def _isolate(table: str) -> None:
    """Rows by hotel for readers, all rows for the writer; nobody deletes but the owner, who is under no policy."""
    seen = f"{_READERS_OWN} {_AND.get(table, '')}"
    op.execute(f"ALTER TABLE hotel.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY reader ON hotel.{table} FOR SELECT TO pousada_reader USING ({seen})")
    op.execute(f"CREATE POLICY writer ON hotel.{table} TO pousada_writer USING (true) WITH CHECK (true)")
    op.execute(f"GRANT SELECT ON hotel.{table} TO pousada_reader")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON hotel.{table} TO pousada_writer")


def _forget(table: str, column: str) -> None:
    """No statistics from now on; those there are go with a change of type, and the same type will do."""
    target = _LITTLE.get((table, column), 0)
    kind = "text" if table == "quarantine" else _TYPES.get(column, "text")
    op.execute(
        f"ALTER TABLE hotel.{table} ALTER COLUMN {column} TYPE {kind}, ALTER COLUMN {column} SET STATISTICS {target}"
    )
