"""What the traffic costs, by service, on the resources that the templates have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scripts.cost import figures as f
from scripts.cost import prices as p
from scripts.cost.auditing import trails
from scripts.cost.backups import backups, rds_backups
from scripts.cost.charges import Charge
from scripts.cost.metrics import billed
from scripts.cost.month import GB, Month
from scripts.cost.schedules import times_an_hour
from scripts.cost.templates import Resource, Resources
from scripts.cost.traffic import DAYS, HOURS_A_MONTH, SECONDS_A_MONTH, Traffic

_DPUS = {"G.1X": 1, "G.2X": 2, "G.4X": 4}
_JOB_START_SECONDS = 30.0
_LEAST_JOB_SECONDS = 60.0
_CORES_A_DPU = 4


def usage(resources: Resources, traffic: Traffic) -> Iterator[Charge]:
    """Raises Unpriced for a function whose work is unknown."""
    month = Month(resources, traffic)
    charges = [charge for of_service in _SERVICES for charge in of_service(month)]
    yield from charges
    yield _logs_kept(month, charges)


def _door(month: Month) -> Iterator[Charge]:
    deliveries = month.traffic.deliveries
    if month.resources.of("AWS::ApiGateway::RestApi"):
        yield Charge("API Gateway", "deliveries", deliveries, p.API_REQUEST)
    if month.resources.of("AWS::WAFv2::WebACL"):
        yield Charge("WAF", "deliveries", deliveries, p.WAF_REQUEST)


def _functions(month: Month) -> Iterator[Charge]:
    for function, work in month.work:
        used = work.invocations * work.billed_ms(function.slowness) / 1000 * function.gb
        if function.folder == "etl" and not month.done_by_function:
            # It only looks, and starts the job.
            used = work.invocations * (f.COLD_START_MS.value + 200) / 1000 * function.gb
        yield Charge("Lambda", f"`{function.folder}`, time", used, p.LAMBDA_GB_SECOND)
        yield Charge("Lambda", f"`{function.folder}`, calls", work.invocations, p.LAMBDA_CALL)


def _glue(month: Month) -> Iterator[Charge]:
    for job in month.resources.of("AWS::Glue::Job"):
        if month.done_by_function:
            return
        dpus = _DPUS[job.text("WorkerType", "G.1X")] * job.number("NumberOfWorkers", 2)
        work = _ms_of_batch(month.traffic) / 1000 / (_CORES_A_DPU * dpus)
        seconds = max(_LEAST_JOB_SECONDS, _JOB_START_SECONDS + work)
        yield Charge("Glue", "runs of the job", month.batches * seconds / 3600 * dpus, p.GLUE_DPU_HOUR)


def _ms_of_batch(traffic: Traffic) -> float:
    fetched = f.S3_GET_MS.value / f.OBJECTS_AT_ONCE.value
    return traffic.objects_a_batch * (f.ETL_MS_AN_OBJECT.value + fetched)


def _s3(month: Month) -> Iterator[Charge]:
    traffic = month.traffic
    raw = traffic.bytes_an_hour * HOURS_A_MONTH * traffic.months / GB
    parquet = traffic.objects * f.PARQUET_BYTES.value * traffic.months
    asked = month.gets + month.puts + month.lists
    logs = asked * f.S3_LOG_BYTES.value * min(traffic.months, f.S3_LOGS_KEPT_MONTHS.value)
    yield Charge("S3", "PUT", month.puts, p.S3_PUT)
    yield Charge("S3", "LIST", month.lists, p.S3_PUT)
    yield Charge("S3", "GET", month.gets, p.S3_GET)
    yield Charge("S3", "raw objects stored", raw, p.S3_STANDARD)
    yield Charge("S3", "Parquet stored", parquet / GB, p.S3_STANDARD)
    yield Charge("S3", "access logs stored", logs / GB, p.S3_STANDARD)
    for _ in _replicated(month):
        yield Charge("S3", "PUT", traffic.objects, p.S3_PUT)
        yield Charge("S3", "raw objects elsewhere", raw, p.S3_STANDARD)
        yield Charge("S3", "raw objects to elsewhere", raw / traffic.months, p.BETWEEN_REGIONS_GB)


def _replicated(month: Month) -> list[Resource]:
    return [it for it in month.resources.of("AWS::S3::Bucket") if "ReplicationConfiguration" in it.properties]


def _dynamodb(month: Month) -> Iterator[Charge]:
    traffic = month.traffic
    remembered = traffic.deliveries / DAYS * f.IDEMPOTENCY_DAYS.value * f.IDEMPOTENCY_BYTES.value
    runs = traffic.polls * min(traffic.months, f.RUNS_KEPT_MONTHS.value) * f.RUN_BYTES.value
    stored = (remembered + runs) / GB
    yield Charge("DynamoDB", "writes", month.writes, p.DYNAMODB_WRITE)
    yield Charge("DynamoDB", "reads", month.reads, p.DYNAMODB_READ)
    yield Charge("DynamoDB", "stored", stored, p.DYNAMODB_STORED)
    yield Charge("DynamoDB", "point-in-time recovery", stored, p.DYNAMODB_RECOVERABLE)


def _secrets(month: Month) -> Iterator[Charge]:
    if month.secrets_in_table:
        return
    # One to verify its deliveries, one to read its lists.
    yield Charge("Secrets Manager", "secrets of the hotels", 2 * month.traffic.hotels, p.SECRET)
    yield Charge("Secrets Manager", "requests", month.hotel_secrets, p.SECRET_REQUEST)


def _messages(month: Month) -> Iterator[Charge]:
    traffic = month.traffic
    # Each object is sent to the live queue and the batch queue; there it is received and deleted, alone and in tens.
    of_objects = traffic.objects * (1 + 2) + traffic.objects * (1 + 2 / 10)
    orders = traffic.polls + traffic.hotels * DAYS
    of_orders = orders * (1 / 10 + 2)
    queues = len(month.resources.of("AWS::Lambda::EventSourceMapping"))
    idle = queues * f.POLLERS.value * SECONDS_A_MONTH / f.LONG_POLL_SECONDS.value
    scheduled = sum(
        times_an_hour(it.text("ScheduleExpression")) for it in month.resources.of("AWS::Scheduler::Schedule")
    )
    yield Charge("EventBridge", "objects announced", traffic.objects, p.EVENT)
    yield Charge("EventBridge", "schedules", scheduled * HOURS_A_MONTH, p.SCHEDULED_CALL)
    yield Charge("SQS", "objects' events", of_objects, p.SQS_REQUEST)
    yield Charge("SQS", "orders to poll and to audit", of_orders, p.SQS_REQUEST)
    yield Charge("SQS", "waiting at the queues", idle, p.SQS_REQUEST, standing=True)


def _keys(month: Month) -> Iterator[Charge]:
    asked = f.KMS_SHARE.value * (month.gets + month.puts + month.lists + month.reads + month.writes)
    yield Charge("KMS", "requests", asked, p.KMS_REQUEST)


def _logs(month: Month) -> Iterator[Charge]:
    asked = month.traffic.deliveries if month.resources.of("AWS::ApiGateway::RestApi") else 0
    taken = (month.invocations * f.LOG_BYTES.value + asked * f.ACCESS_LOG_BYTES.value) / GB
    yield Charge("CloudWatch", "logs taken in", taken, p.LOG_GB)


def _logs_kept(month: Month, taken: Iterable[Charge]) -> Charge:
    """Of whatever is taken in, by the longest retention."""
    days = max((it.number("RetentionInDays", 0) for it in month.resources.of("AWS::Logs::LogGroup")), default=0)
    kept = min(month.traffic.months, days / DAYS) * f.LOG_COMPRESSED.value
    gb = sum(charge.quantity for charge in taken if charge.price is p.LOG_GB)
    return Charge("CloudWatch", "logs kept", gb * kept, p.LOG_STORED_GB)


def _watching(month: Month) -> Iterator[Charge]:
    metrics = sum(billed(function.folder, month.traffic) for function, _ in month.work)
    yield Charge("CloudWatch", "custom metrics", metrics, p.METRIC, standing=True)
    traces = sum(_traced(month, function.folder, work.invocations) for function, work in month.work if function.traced)
    yield Charge("X-Ray", "traces", traces, p.TRACE)


def _traced(month: Month, folder: str, invocations: float) -> float:
    """Of deliveries what the stage's rule says; else the first in a second, and a share of the others."""
    rules = month.resources.of("AWS::XRay::SamplingRule")
    if folder == "webhook" and rules:
        return invocations * float(rules[0].properties["SamplingRule"]["FixedRate"])
    first = min(invocations, SECONDS_A_MONTH)
    return first + (invocations - first) * f.TRACED_SHARE.value


def _network(month: Month) -> Iterator[Charge]:
    polls = month.traffic.polls
    # An instance is not billed for what passes it.
    if month.resources.of("AWS::EC2::NatGateway"):
        yield Charge("VPC", "through the NAT gateways", polls * f.POLL_WIRE_BYTES.value / GB, p.NAT_GB)
    for log in month.resources.of("AWS::EC2::FlowLog"):
        price = p.VENDED_LOG_GB if log.text("LogDestinationType") == "s3" else p.LOG_GB
        yield Charge("CloudWatch", "flow logs", polls * f.FLOW_LOG_BYTES.value / GB, price)
    if (zones := month.resources.zones) > 1:
        # The database is in one of them, whoever asks it in any.
        crossing = month.traffic.objects * f.POSTGRESQL_BYTES.value / GB * (1 - 1 / zones)
        yield Charge("VPC", "between zones, to the database", 2 * crossing, p.BETWEEN_ZONES_GB)


def _database(month: Month) -> Iterator[Charge]:
    for database in month.resources.of("AWS::RDS::DBInstance"):
        zones = 2 if database.yes("MultiAZ") else 1
        beyond = max(0.0, 1.3 * month.stored_gb - database.number("AllocatedStorage"))
        yield Charge("RDS", "storage that has grown", zones * beyond, p.RDS_GP3)


_SERVICES = (
    _door,
    _functions,
    _glue,
    _s3,
    _dynamodb,
    _secrets,
    _messages,
    _keys,
    _logs,
    _watching,
    trails,
    _network,
    _database,
    rds_backups,
    backups,
)
