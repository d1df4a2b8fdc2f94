"""A role that reads every hotel's rows and writes none: the daily audit's.

It may make temporary tables, in which the audit lays out what raw records should have come to.

A table that comes later needs what ``_show`` does, or the audit sees nothing of it.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = ("bookings", "guests", "rooms", "payments", "quarantine")

# As in m0002: of the whole server, and perhaps made by another database's migration at this moment.
_ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pousada_auditor') THEN
        BEGIN
            CREATE ROLE pousada_auditor NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
    IF EXISTS (
        SELECT FROM pg_roles AS r WHERE r.rolname = 'pousada_auditor' AND (
            r.rolcanlogin OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
            OR EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = r.oid)
        )
    ) THEN
        RAISE EXCEPTION 'the role pousada_auditor is there already, and may do more than it should';
    END IF;
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO pousada_auditor', current_database());
END $$
"""


def upgrade() -> None:
    op.execute(_ROLE)
    op.execute("GRANT USAGE ON SCHEMA hotel TO pousada_auditor")
    for table in _TABLES:
        _show(table)


def _show(table: str) -> None:
    op.execute(f"GRANT SELECT ON hotel.{table} TO pousada_auditor")
    op.execute(f"CREATE POLICY auditor ON hotel.{table} FOR SELECT TO pousada_auditor USING (true)")
