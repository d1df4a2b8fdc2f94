"""The unified tables and the quarantine."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# raw_key is of the order of versions, and compared byte by byte whatever the database's locale.
# fillfactor: a sync that changes nothing but the order fields then updates in place (HOT), without the indexes.
_IDENTITY = """
    id uuid PRIMARY KEY,
    external_id text NOT NULL,
    source text NOT NULL,
    hotel_id text NOT NULL,
"""
_SYNC = """
    source_updated_at timestamptz,
    raw_received_at timestamptz NOT NULL,
    synced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    version integer NOT NULL DEFAULT 1,
    mapping_version integer NOT NULL,
    raw_key text COLLATE "C" NOT NULL,
    raw_line integer NOT NULL DEFAULT 0
) WITH (fillfactor = 90)
"""


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS hotel")
    op.execute(
        f"""CREATE TABLE hotel.bookings ({_IDENTITY}
            guest_id uuid,
            guest_name text,
            guest_email text,
            guest_phone text,
            guest_country text,
            guest_tax_id text,
            room_id uuid,
            room_number text,
            room_type text,
            check_in_date date NOT NULL,
            check_out_date date NOT NULL,
            booked_at timestamptz,
            total_amount numeric,
            currency text,
            tax_amount numeric,
            city_tax_amount numeric,
            deposit_paid numeric,
            rate_plan text,
            adults integer,
            children integer,
            status text NOT NULL,
            source_status text,
            channel text NOT NULL,
            source_channel text,
            payment_method text,
            source_payment_method text,
            special_requests text,
            lead_time integer,
            length_of_stay integer NOT NULL,
            {_SYNC}"""
    )
    op.execute("CREATE INDEX bookings_hotel_dates ON hotel.bookings (hotel_id, check_in_date, check_out_date)")
    op.execute("CREATE INDEX bookings_hotel_status ON hotel.bookings (hotel_id, status)")
    op.execute("CREATE INDEX bookings_guest_email ON hotel.bookings (guest_email)")
    op.execute(
        f"""CREATE TABLE hotel.guests ({_IDENTITY}
            first_name text,
            last_name text,
            email text,
            phone text,
            country text,
            tax_id text,
            date_of_birth date,
            loyalty_tier text,
            source_loyalty_tier text,
            preferred_room_type text,
            marketing_consent boolean,
            is_profile boolean NOT NULL,
            {_SYNC}"""
    )
    op.execute("CREATE INDEX guests_email ON hotel.guests (email)")
    op.execute("CREATE INDEX guests_hotel ON hotel.guests (hotel_id)")
    op.execute(
        f"""CREATE TABLE hotel.rooms ({_IDENTITY}
            number text,
            floor integer,
            type text,
            status text NOT NULL,
            source_status text,
            max_occupancy integer,
            bed_type text,
            amenities text[],
            base_rate numeric,
            currency text,
            {_SYNC}"""
    )
    op.execute("CREATE INDEX rooms_hotel_number ON hotel.rooms (hotel_id, number)")
    op.execute(
        f"""CREATE TABLE hotel.payments ({_IDENTITY}
            booking_id uuid,
            amount numeric NOT NULL,
            currency text NOT NULL,
            method text,
            source_method text,
            status text NOT NULL,
            source_status text,
            received_at timestamptz,
            {_SYNC}"""
    )
    op.execute("CREATE INDEX payments_booking ON hotel.payments (booking_id)")
    op.execute("CREATE INDEX payments_hotel_received ON hotel.payments (hotel_id, received_at)")
    op.execute(
        """CREATE TABLE hotel.quarantine (
            id uuid PRIMARY KEY,
            source text NOT NULL,
            hotel_id text NOT NULL,
            record_entity text NOT NULL,
            external_id text,
            reason text NOT NULL,
            field text,
            raw_key text NOT NULL,
            raw_line integer NOT NULL DEFAULT 0,
            raw_received_at timestamptz,
            mapping_version integer NOT NULL,
            first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
            last_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
            resolved_at timestamptz
        )"""
    )
    op.execute("CREATE INDEX quarantine_raw_key ON hotel.quarantine (raw_key)")
    op.execute("CREATE INDEX quarantine_waiting ON hotel.quarantine (hotel_id, first_seen) WHERE resolved_at IS NULL")
