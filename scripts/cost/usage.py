"""What the traffic costs, by service, on the resources that the templates have."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from scripts.cost import figures as f
from scripts.cost import prices as p
from scripts.cost.charges import Charge
from scripts.cost.metrics import counted
from scripts.cost.schedules import times_an_hour
from scripts.cost.templates import Function, Resources
from scripts.cost.traffic import DAYS, HOURS_A_MONTH, SECONDS_A_MONTH, Traffic
from scripts.cost.workload import Work, audited_objects, manifests_read, work_of

_GB = 1e9
_DPUS = {"G.1X": 1, "G.2X": 2, "G.4X": 4}
_JOB_START_SECONDS = 30.0
_CORES_A_DPU = 4


class Month:
    """A stage's month: its functions with their work, and what it comes to together."""

    def __init__(self, resources: Resources, traffic: Traffic) -> None:
        """Raises Unpriced for a function whose work is unknown."""
        self.resources, self.traffic = resources, traffic
        self.work: list[tuple[Function, Work]] = [(it, work_of(it.folder, traffic)) for it in resources.functions]

    def of_functions(self, asked: Callable[[Work], float]) -> float:
        """``asked`` of an invocation, in the month, by all functions."""
        return sum(work.invocations * asked(work) for _, work in self.work)

    @property
    def invocations(self) -> float:
        return self.of_functions(lambda work: 1)

    @property
    def audited_objects(self) -> float:
        return self.traffic.hotels * DAYS * audited_objects(self.traffic)

    @property
    def manifests_read(self) -> float:
        return self.traffic.hotels * DAYS * manifests_read(self.traffic)

    @property
    def gets(self) -> float:
        """Of S3: by the live path, the batches, the audits of each day."""
        batches = self.traffic.objects + 2 * self.traffic.manifests
        return self.of_functions(lambda work: work.calls.gets) + batches + self.audited_objects + self.manifests_read

    @property
    def raw_gets(self) -> float:
        """Of those, the raw bucket's: each object once live, once in a batch, and in the audits."""
        return 2 * self.traffic.objects + self.audited_objects

    @property
    def puts(self) -> float:
        """Of S3, with what is billed alike: an hour's batch lists the manifests, moves them, and writes its files."""
        batches = HOURS_A_MONTH * 12 + self.traffic.manifests
        return self.of_functions(lambda work: work.calls.puts + work.calls.lists) + batches

    @property
    def reads(self) -> float:
        secrets = self.hotel_secrets if self.resources.table(_HOTEL_SECRETS) else 0
        scans = 2 * HOURS_A_MONTH * max(1.0, self.traffic.hotels * 300 / 8_192)
        return self.of_functions(lambda work: work.calls.reads) + secrets + scans

    @property
    def writes(self) -> float:
        return self.of_functions(lambda work: work.calls.writes)

    @property
    def hotel_secrets(self) -> float:
        return self.of_functions(lambda work: work.calls.hotel_secrets)


_HOTEL_SECRETS = "hotel-secrets"


def usage(resources: Resources, traffic: Traffic) -> Iterator[Charge]:
    """Raises Unpriced for a function whose work is unknown."""
    month = Month(resources, traffic)
    for of_service in _SERVICES:
        yield from of_service(month)


def _door(month: Month) -> Iterator[Charge]:
    deliveries = month.traffic.deliveries
    if month.resources.of("AWS::ApiGateway::RestApi"):
        yield Charge("API Gateway", "deliveries", deliveries, p.API_REQUEST)
    if month.resources.of("AWS::WAFv2::WebACL"):
        yield Charge("WAF", "deliveries", deliveries, p.WAF_REQUEST)


def _functions(month: Month) -> Iterator[Charge]:
    for function, work in month.work:
        used = work.invocations * work.billed_ms(function.slowness) / 1000 * function.gb
        if function.folder == "etl" and not _done_by_function(month):
            # It only looks, and starts the job.
            used = work.invocations * (f.COLD_START_MS.value + 200) / 1000 * function.gb
        yield Charge("Lambda", f"`{function.folder}`, time", used, p.LAMBDA_GB_SECOND)
        yield Charge("Lambda", f"`{function.folder}`, calls", work.invocations, p.LAMBDA_CALL)


def _done_by_function(month: Month) -> bool:
    """Whether an ordinary hour's batch is small enough for the function etl."""
    limits = [
        float(it.properties["Environment"]["Variables"].get("SMALL_BATCH_BYTES", 0))
        for it in month.resources.of("AWS::Lambda::Function")
        if it.text("Handler").startswith("lambdas.etl.")
    ]
    return month.traffic.bytes_an_hour <= max(limits, default=0.0)


def _glue(month: Month) -> Iterator[Charge]:
    for job in month.resources.of("AWS::Glue::Job"):
        if _done_by_function(month):
            return
        dpus = _DPUS[job.text("WorkerType", "G.1X")] * job.number("NumberOfWorkers", 2)
        seconds = max(60.0, _JOB_START_SECONDS + _ms_of_batch(month.traffic) / 1000 / (_CORES_A_DPU * dpus))
        yield Charge("Glue", "runs of the job", HOURS_A_MONTH * seconds / 3600 * dpus, p.GLUE_DPU_HOUR)


def _ms_of_batch(traffic: Traffic) -> float:
    fetched = f.S3_GET_MS.value / f.OBJECTS_AT_ONCE.value
    return traffic.objects_an_hour * (f.ETL_MS_AN_OBJECT.value + fetched)


def _s3(month: Month) -> Iterator[Charge]:
    traffic = month.traffic
    raw = traffic.bytes_an_hour * HOURS_A_MONTH * traffic.months
    parquet = traffic.objects * f.PARQUET_BYTES.value * traffic.months
    logs = (month.gets + month.puts) * f.S3_LOG_BYTES.value * min(traffic.months, 12)
    yield Charge("S3", "PUT and LIST", month.puts, p.S3_PUT)
    yield Charge("S3", "GET", month.gets, p.S3_GET)
    yield Charge("S3", "raw objects stored", raw / _GB, p.S3_STANDARD)
    yield Charge("S3", "Parquet stored", parquet / _GB, p.S3_STANDARD)
    yield Charge("S3", "access logs stored", logs / _GB, p.S3_STANDARD)


def _dynamodb(month: Month) -> Iterator[Charge]:
    traffic = month.traffic
    remembered = traffic.deliveries / DAYS * f.IDEMPOTENCY_DAYS.value * f.IDEMPOTENCY_BYTES.value
    runs = traffic.polls * min(traffic.months, f.RUNS_KEPT_MONTHS.value) * f.RUN_BYTES.value
    stored = (remembered + runs) / _GB
    yield Charge("DynamoDB", "writes", month.writes, p.DYNAMODB_WRITE)
    yield Charge("DynamoDB", "reads", month.reads, p.DYNAMODB_READ)
    yield Charge("DynamoDB", "stored", stored, p.DYNAMODB_STORED)
    yield Charge("DynamoDB", "point-in-time recovery", stored, p.DYNAMODB_RECOVERABLE)


def _secrets(month: Month) -> Iterator[Charge]:
    if month.resources.table(_HOTEL_SECRETS):
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
    asked = f.KMS_SHARE.value * (month.gets + month.puts + month.reads + month.writes)
    yield Charge("KMS", "requests", asked, p.KMS_REQUEST)


def _logs(month: Month) -> Iterator[Charge]:
    asked = month.traffic.deliveries if month.resources.of("AWS::ApiGateway::RestApi") else 0
    taken = (month.invocations * f.LOG_BYTES.value + asked * f.ACCESS_LOG_BYTES.value) / _GB
    days = max((it.number("RetentionInDays", 0) for it in month.resources.of("AWS::Logs::LogGroup")), default=0)
    kept = min(month.traffic.months, days / DAYS) * f.LOG_COMPRESSED.value
    yield Charge("CloudWatch", "logs taken in", taken, p.LOG_GB)
    yield Charge("CloudWatch", "logs kept", taken * kept, p.LOG_STORED_GB)


def _watching(month: Month) -> Iterator[Charge]:
    metrics = sum(counted(function.folder, month.traffic) for function, _ in month.work)
    yield Charge("CloudWatch", "custom metrics", metrics, p.METRIC, standing=True)
    traces = sum(_traced(work.invocations) for function, work in month.work if function.traced)
    yield Charge("X-Ray", "traces", traces, p.TRACE)


def _traced(invocations: float) -> float:
    """The first in a second, and a share of the others."""
    first = min(invocations, SECONDS_A_MONTH)
    return first + (invocations - first) * f.TRACED_SHARE.value


def _trail(month: Month) -> Iterator[Charge]:
    for trail in month.resources.of("AWS::CloudTrail::Trail"):
        told = str(trail.properties)
        if "AWS::DynamoDB::Table" in told:
            yield Charge("CloudTrail", "hotels' secrets read", month.hotel_secrets, p.TRAIL_DATA_EVENT)
        if "AWS::S3::Object" in told:
            # A trail that names "readOnly: false" leaves the reads out.
            reads = 0.0 if _writes_only(trail.properties) else month.raw_gets
            writes = month.traffic.objects + HOURS_A_MONTH * 4
            yield Charge("CloudTrail", "objects written", writes, p.TRAIL_DATA_EVENT)
            yield Charge("CloudTrail", "objects read", reads, p.TRAIL_DATA_EVENT)


def _writes_only(trail: object) -> bool:
    told = str(trail)
    return (
        "'ReadWriteType': 'WriteOnly'" in told
        or "'Equals': ['false'], 'Field': 'readOnly'" in told
        or ("'Field': 'readOnly', 'Equals': ['false']" in told)
    )


def _network(month: Month) -> Iterator[Charge]:
    polls = month.traffic.polls
    # An instance is not billed for what passes it.
    if month.resources.of("AWS::EC2::NatGateway"):
        yield Charge("VPC", "through the NAT gateways", polls * f.POLL_WIRE_BYTES.value / _GB, p.NAT_GB)
    if month.resources.of("AWS::EC2::FlowLog"):
        yield Charge("CloudWatch", "flow logs", polls * f.FLOW_LOG_BYTES.value / _GB, p.VENDED_LOG_GB)


def _database(month: Month) -> Iterator[Charge]:
    stored = month.traffic.bookings * month.traffic.months * f.ROW_BYTES.value / _GB
    for database in month.resources.of("AWS::RDS::DBInstance"):
        zones = 2 if str(database.properties.get("MultiAZ", False)).lower() == "true" else 1
        beyond = max(0.0, 1.3 * stored - database.number("AllocatedStorage"))
        yield Charge("RDS", "storage that has grown", zones * beyond, p.RDS_GP3)
    for plan in month.resources.of("AWS::Backup::BackupPlan"):
        copies = 1 + str(plan.properties).count("DestinationBackupVaultArn")
        yield Charge("Backup", "the database, in its vaults", copies * stored, p.BACKUP_GB)
        if copies > 1:
            changed = month.traffic.bookings * f.ROW_BYTES.value / _GB
            yield Charge("Backup", "to the other region", changed, p.BETWEEN_REGIONS_GB)


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
    _trail,
    _network,
    _database,
)
