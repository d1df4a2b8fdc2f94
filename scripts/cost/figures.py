"""The figures that the cost and the scale are reckoned with, each with where it comes from.

``measured``: by a command or a test of this repository, on its machine. ``documented``: by AWS, a vendor or the code.
``assumed``: by nobody yet; the first bill, or the first day on AWS, puts it right. docs/cost.md prints them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

Basis = Literal["measured", "documented", "assumed"]


class Figure(NamedTuple):
    value: float
    unit: str
    basis: Basis
    source: str


# -- What a hotel sends -------------------------------------------------------------------------------
DELIVERIES_PER_BOOKING = Figure(
    6.3,
    "deliveries for each booking made: the booking, its changes, its guest, its payments, its room's states",
    "measured",
    "the simulated hotel of 40 rooms, 60 days: 11.2 bookings and 70.7 deliveries a day; tests/unit/test_cost.py",
)
ENTITIES_POLLED = Figure(4, "lists of a hotel that are polled", "documented", "docs/vendors/hostpms.md")
PAGES_PER_POLL = Figure(
    0.38,
    "pages landed by a poll: one where its list has anything new, or nothing for a day",
    "measured",
    "the simulated hotel, 60 days: 0.6 of bookings, 0.23 of guests, 0.45 of rooms, 0.25 of payments; "
    "tests/unit/test_cost.py",
)
PAGES_PER_RARE_POLL = Figure(
    0.53, "pages landed by a poll, where there is one in two hours", "measured", "as those of a poll in every hour"
)
DELIVERY_BYTES = Figure(
    600,
    "bytes of a raw object of one delivery, in the mean",
    "measured",
    "the simulated hotel; tests/unit/test_cost.py",
)
PAGE_BYTES = Figure(
    700,
    "bytes of a polled page of few records, gzipped",
    "measured",
    "the simulated hotel: 509 with one booking, 818 with three",
)
POLL_WIRE_BYTES = Figure(
    12_000, "bytes through the NAT gateway for a poll: TLS, request, answer", "assumed", "a handshake of 6 kB"
)

# -- Time --------------------------------------------------------------------------------------------
WEBHOOK_OWN_MS = Figure(0.127, "ms of processor for a delivery", "measured", "docs/performance.md: own_us_p50")
APPLY_OWN_MS = Figure(
    1.37, "ms of processor for an event that comes alone", "measured", "docs/performance.md: alone_own_us_p50"
)
APPLY_OWN_MS_OF_TEN = Figure(
    0.21, "ms of processor for an event, ten at once", "measured", "docs/performance.md: own_us_p50"
)
SDK_MS = Figure(
    0.6,
    "ms of processor for a call to AWS: signing, HTTP, parsing",
    "assumed",
    "0.23 to 0.30 were measured up to the network, boto3 answered in its before-send; as much again for TLS",
)
DYNAMODB_MS = Figure(5, "ms that a call to DynamoDB is waited for", "assumed", "the same region")
S3_PUT_MS = Figure(30, "ms that a PUT is waited for", "assumed", "the same region, small objects")
S3_GET_MS = Figure(20, "ms that a GET is waited for", "assumed", "the same region, small objects")
SQS_MS = Figure(8, "ms that a call to SQS is waited for", "assumed", "the same region")
POSTGRESQL_MS = Figure(
    1, "ms that PostgreSQL is waited for each time: the way between zones, and its proxy", "assumed", "the same region"
)
POSTGRESQL_MS_AN_EVENT = Figure(
    0.44, "ms that an event waits for PostgreSQL, ten at once", "measured", "docs/performance.md: postgresql_us_p50"
)
VENDOR_MS = Figure(
    400, "ms that a poll waits for the vendor: connection and one list", "assumed", "no vendor has been measured"
)
COLD_START_MS = Figure(
    950, "ms of the init phase", "measured", "docs/cost.md: s of init; the largest function's, taken for all"
)
COLD_SHARE = Figure(0.02, "of deliveries and events that meet a cold start", "assumed", "traffic that trickles")
ETL_SECONDS = Figure(
    0.2, "s of work of the function etl, however little there is", "measured", "docs/cost.md: 100 records, polled"
)
ETL_MS_AN_OBJECT = Figure(0.92, "ms more for each raw object", "measured", "docs/cost.md: 100 and 1,000 deliveries")
LISTS_A_HOTEL = Figure(
    13,
    "LISTs to find what of a hotel came since yesterday, in nine events' folders and four entities'",
    "measured",
    "the simulated hotel after a year: tests/unit/pipeline/test_raw_walk.py",
)
LIST_OWN_MS = Figure(
    6.7, "ms of processor to read what a LIST of 100 keys answers", "measured", "boto3 answered in its before-send"
)
HOTELS_AT_ONCE = Figure(8, "hotels whose folders the watch walks at once", "documented", "shared/pipeline/unbatched.py")
OBJECTS_AT_ONCE = Figure(8, "raw objects fetched at once", "documented", "shared/storage/raw_lake.py")
AUDIT_MS_AN_OBJECT = Figure(
    1.4, "ms of processor for each raw object audited", "assumed", "as an event of the live path"
)
ENTRY_MS = Figure(
    0.00025,
    "ms of processor for an address in a manifest that is read",
    "measured",
    "100,000 addresses: 0.18 µs to decode one, 0.06 to pass it over",
)

# -- What it leaves behind ---------------------------------------------------------------------------
LOG_BYTES = Figure(
    1_500,
    "bytes of log for an invocation: its lines, its metrics, Lambda's own three",
    "measured",
    "tests/integration/test_calls_made.py; Lambda's 450 are assumed",
)
ACCESS_LOG_BYTES = Figure(
    450, "bytes of the API's access log for a request", "documented", "infra/capabilities/webhook_api.py: its fields"
)
S3_LOG_BYTES = Figure(600, "bytes of S3's access log for a request", "assumed", "one line")
FLOW_LOG_BYTES = Figure(
    720,
    "bytes of flow logs for a poll",
    "assumed",
    "six records of 120: each way at the function's interface, and at both sides of the NAT's",
)
TRAIL_EVENT_BYTES = Figure(1_500, "bytes of a data event in a trail", "assumed", "one JSON object")
TRAIL_COMPRESSED = Figure(0.1, "of a data event's bytes that a trail's file has", "assumed", "gzip: much is alike")
S3_LOGS_KEPT_MONTHS = Figure(
    12, "months that S3's access logs are kept", "documented", "infra/capabilities/buckets.py: their lifecycle"
)
LOG_COMPRESSED = Figure(0.15, "of a log's bytes that are kept", "documented", "CloudWatch's pricing page")
ROW_BYTES = Figure(
    2_500,
    "bytes in PostgreSQL for a booking: its rows, its guest's and payments', and their indexes",
    "assumed",
    "docs/tables.md",
)
CHANGED_BYTES = Figure(
    8_192,
    "bytes of the database that a delivery changes, as a backup sees it",
    "assumed",
    "a page of PostgreSQL's; the disk's are larger",
)
WRITES_AN_EVENT = Figure(4, "writes to the database's disk for an event", "assumed", "its row, two indexes, the log")
POSTGRESQL_BYTES = Figure(10_000, "bytes to and from PostgreSQL for a raw object", "assumed", "21 statements")
INTEGRATION_BYTES = Figure(300, "bytes of a hotel's integration", "assumed", "shared/storage/integrations.py")
SECRET_BYTES = Figure(500, "bytes of a hotel's secret in its table", "assumed", "shared/storage/secret_stores.py")
PARQUET_BYTES = Figure(200, "bytes of Parquet for a raw object", "assumed", "versions of few columns that change")
IDEMPOTENCY_BYTES = Figure(400, "bytes of an idempotency item", "assumed", "docs: Powertools' layout")
RUN_BYTES = Figure(450, "bytes of a sync run's record", "assumed", "shared/storage/sync_state.py")
RUNS_KEPT_MONTHS = Figure(
    13, "months that a sync run's record is kept", "documented", "shared/storage/sync_state.py: RUNS_KEPT"
)
IDEMPOTENCY_DAYS = Figure(7, "days that a delivery is remembered", "documented", "lambdas/webhook/landing.py")

# -- AWS's own ways ----------------------------------------------------------------------------------
POLLERS = Figure(5, "connections with which Lambda waits at a queue", "documented", "Lambda's guide: SQS event sources")
LONG_POLL_SECONDS = Figure(
    20, "s that an idle one waits before it is billed again", "documented", "Lambda's guide: SQS event sources"
)
KMS_SHARE = Figure(
    0.01, "requests to KMS for a request to S3 or DynamoDB", "assumed", "S3's guide: bucket keys save up to 99 %"
)
TRACED_SHARE = Figure(
    0.05,
    "of the invocations above one a second that are traced, where no rule of ours says",
    "documented",
    "Lambda's guide: X-Ray",
)
REASONS = Figure(
    2,
    "reasons that refusals come with at every hour; a metric is billed for the hours it is told in",
    "assumed",
    "docs/runbook.md lists all",
)
DAILY_METRIC_HOURS = Figure(
    2,
    "hours of a day in which what is done once a day tells its metrics, each of which is billed by the hour",
    "assumed",
    "CloudWatch's pricing page; a thousand hotels are audited in an hour",
)
MONITORING_BYTES = Figure(
    6_000,
    "bytes of log for each look at the database's operating system",
    "assumed",
    "one JSON object with its processes",
)


def all_figures() -> Iterator[tuple[str, Figure]]:
    for name, value in globals().items():
        if isinstance(value, Figure):
            yield name, value
