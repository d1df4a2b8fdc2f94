"""What the traffic costs on what a stage has: each service by what is asked of it."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.cost.charges import Unpriced
from scripts.cost.estimate import traffic_of
from scripts.cost.metrics import billed, counted
from scripts.cost.templates import Resources
from scripts.cost.traffic import Traffic
from scripts.cost.workload import WORK
from tests.cost_stages import DATABASE, HUNDRED, function, stage, used


def test_a_delivery_is_billed_at_the_door_by_each_that_looks_at_it() -> None:
    with_firewall = stage(api=("ApiGateway::RestApi", {}), acl=("WAFv2::WebACL", {"Rules": []}))

    assert used(with_firewall, "API Gateway")["deliveries"].quantity == pytest.approx(229_950)
    assert used(with_firewall, "WAF")["deliveries"].usd == pytest.approx(229_950 * 0.60e-6)
    assert not used(stage(), "API Gateway")


def test_of_deliveries_the_share_is_traced_that_the_stages_rule_says() -> None:
    traced = {"TracingConfig": {"Mode": "Active"}}
    functions = {"webhook": function("webhook", **traced), "poller": function("poller", **traced)}
    rule = ("XRay::SamplingRule", {"SamplingRule": {"FixedRate": 0.25}})

    by_itself = used(stage(webhook=functions["webhook"]), "X-Ray")["traces"].quantity
    by_rule = used(stage(webhook=functions["webhook"], rule=rule), "X-Ray")["traces"].quantity
    poller = [used(stage(poller=functions["poller"], **more), "X-Ray") for more in ({}, {"rule": rule})]

    # Fewer than one a second.
    assert by_itself == pytest.approx(229_950)
    assert by_rule == pytest.approx(229_950 / 4)
    assert poller[0] == poller[1]


def test_metrics_of_each_method_are_custom_ones() -> None:
    settings = {"MethodSettings": [{"MetricsEnabled": True}]}
    method = ("ApiGateway::Method", {})

    detailed = stage(one=method, two=method, api=("ApiGateway::Stage", settings))

    assert used(detailed, "CloudWatch")["metrics of the API's methods"].usd == pytest.approx(2 * 5 * 0.30)
    assert not used(stage(one=method, api=("ApiGateway::Stage", {})), "CloudWatch")


def test_half_of_the_memory_makes_processor_time_longer_and_waiting_cheaper() -> None:
    small, large = (used(stage(it=function("apply", MemorySize=size)), "Lambda") for size in (885, 1769))
    work = WORK["apply"](HUNDRED)

    ratio = small["`apply`, time"].quantity / large["`apply`, time"].quantity

    assert 0.5 < ratio < 1
    assert work.billed_ms(2) - work.billed_ms(1) == pytest.approx(work.billed_ms(1) - work.waited_ms)


@pytest.mark.parametrize(
    ("selectors", "reads"),
    [
        ({"EventSelectors": [{"DataResources": [{"Type": "AWS::S3::Object"}]}]}, True),
        ({"EventSelectors": [{"ReadWriteType": "WriteOnly", "DataResources": [{"Type": "AWS::S3::Object"}]}]}, False),
        (
            {
                "AdvancedEventSelectors": [
                    {
                        "FieldSelectors": [
                            {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
                            {"Field": "readOnly", "Equals": ["false"]},
                        ]
                    }
                ]
            },
            False,
        ),
        (
            {
                "AdvancedEventSelectors": [
                    {
                        "FieldSelectors": [
                            {"Equals": ["AWS::S3::Object"], "Field": "resources.type"},
                            {"Equals": ["false"], "Field": "readOnly"},
                        ]
                    }
                ]
            },
            False,
        ),
        (
            {
                "AdvancedEventSelectors": [
                    {
                        "FieldSelectors": [
                            {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
                            {"Field": "eventName", "Equals": ["false"]},
                        ]
                    }
                ]
            },
            True,
        ),
    ],
)
def test_a_trail_bills_reads_where_it_tells_them(selectors: dict[str, Any], reads: bool) -> None:
    trail = used(stage(it=("CloudTrail::Trail", selectors), watch=function("watch")), "CloudTrail")

    assert trail["objects written"].quantity > HUNDRED.objects
    assert ("objects read" in trail) is reads
    assert ("keys listed" in trail) is reads


LAKE = {"EventSelectors": [{"DataResources": [{"Type": "AWS::S3::Object"}]}]}


def test_each_list_of_raw_keys_is_billed_by_s3_and_by_the_trail() -> None:
    resources = stage(it=("CloudTrail::Trail", LAKE), watch=function("watch"), audit=function("audit"))
    # Twelve cycles a day, and an audit.
    lists = 100 * 365 / 12 * 13 * (12 + 1)

    assert used(resources, "CloudTrail")["keys listed"].quantity == pytest.approx(lists)
    assert used(resources, "S3")["LIST"].quantity == pytest.approx(lists + 100 * 365 / 12 * 2)


def test_a_trail_s_files_are_kept_as_long_as_its_bucket_keeps_them_and_its_logs_are_taken_in() -> None:
    rules = {"Rules": [{"ExpirationInDays": 365}]}
    bucket = ("S3::Bucket", {"BucketName": "pousada-x-audit-trail", "LifecycleConfiguration": rules})
    plain = stage(it=("CloudTrail::Trail", LAKE), bucket=bucket)
    to_logs = stage(it=("CloudTrail::Trail", {**LAKE, "CloudWatchLogsLogGroupArn": "a log"}))
    young, old = (used(plain, "S3", Traffic(100, 12, months))["the trail's files stored"] for months in (1, 24))

    assert old.quantity == pytest.approx(12 * young.quantity)
    assert "the trail, as logs" not in used(plain, "CloudWatch")
    events = sum(charge.quantity for charge in used(to_logs, "CloudTrail").values())
    assert used(to_logs, "CloudWatch")["the trail, as logs"].quantity == pytest.approx(events * 1_500 / 1e9)


IN_TABLE = function("webhook", Environment={"Variables": {"HOTEL_SECRETS_TABLE": "pousada-x-hotel-secrets"}})
OF_SECRETS = ("DynamoDB::Table", {"TableName": "pousada-x-hotel-secrets", "BillingMode": "PAY_PER_REQUEST"})


def test_a_trail_bills_the_reading_of_secrets_where_it_tells_that() -> None:
    selectors = {"AdvancedEventSelectors": [{"FieldSelectors": [{"Equals": ["AWS::DynamoDB::Table"]}]}]}

    trail = used(stage(it=("CloudTrail::Trail", selectors), hook=IN_TABLE), "CloudTrail")

    assert not used(stage(it=("CloudTrail::Trail", selectors), hook=function("webhook")), "CloudTrail")
    assert {what: charge.quantity for what, charge in trail.items()} == {
        "hotels' secrets read": pytest.approx(HUNDRED.deliveries)
    }


def test_a_trail_of_management_events_alone_is_free() -> None:
    assert not used(stage(it=("CloudTrail::Trail", {"EventSelectors": []})), "CloudTrail")


def test_hotels_secrets_cost_where_they_lie() -> None:
    """The table is there in either case: it is what functions are told that counts."""
    elsewhere = function("webhook", Environment={"Variables": {"HOTEL_SECRETS_TABLE": ""}})
    in_table, in_secrets_manager = (stage(it=hook, table=OF_SECRETS) for hook in (IN_TABLE, elsewhere))

    assert used(in_secrets_manager, "Secrets Manager")["secrets of the hotels"].usd == pytest.approx(80)
    assert used(in_secrets_manager, "Secrets Manager")["requests"].quantity == pytest.approx(HUNDRED.deliveries)
    assert not used(in_table, "Secrets Manager")
    asked = used(in_table, "DynamoDB")["reads"].quantity
    assert asked - used(in_secrets_manager, "DynamoDB")["reads"].quantity == pytest.approx(HUNDRED.deliveries)


ETL = function("etl", Environment={"Variables": {"SMALL_BATCH_BYTES": str(8 * 1024 * 1024)}})
JOB = ("Glue::Job", {"WorkerType": "G.1X", "NumberOfWorkers": 2})


def test_the_job_runs_once_an_hour_is_too_much_for_the_function() -> None:
    both = stage(etl=ETL, job=JOB)

    assert not used(both, "Glue")
    many = Traffic(hotels=20_000, bookings_per_day=12)
    assert used(both, "Glue", many)["runs of the job"].usd > 730 / 60 * 2 * 0.44
    assert used(both, "Lambda", many)["`etl`, time"].usd < used(both, "Lambda")["`etl`, time"].usd


def batches(worker: str = "G.1X", workers: int = 2, hotels: int = 100, schedule: str = "cron(15 * * * ? *)") -> float:
    """DPU-hours of a stage whose batches are all the job's."""
    job = ("Glue::Job", {"WorkerType": worker, "NumberOfWorkers": workers})
    often = ("Scheduler::Schedule", {"Name": "pousada-x-etl", "ScheduleExpression": schedule})
    resources = stage(etl=function("etl"), job=job, often=often)
    return used(resources, "Glue", traffic_of(resources, hotels, 12))["runs of the job"].quantity


def test_a_run_of_the_job_is_billed_for_a_minute_at_least_on_all_its_workers() -> None:
    assert batches() == pytest.approx(730 / 60 * 2)
    assert batches("G.2X") == pytest.approx(2 * batches())
    assert batches("G.4X", workers=10) == pytest.approx(4 * 5 * batches())


def test_half_as_many_batches_are_half_as_many_runs_each_of_twice_as_much() -> None:
    assert batches(schedule="cron(15 0/2 * * ? *)") == pytest.approx(batches() / 2)
    # All but the job's start, of half a minute.
    large = batches(hotels=50_000) - 730 / 120 * 2
    assert batches(hotels=50_000, schedule="cron(15 0/2 * * ? *)") - 730 / 240 * 2 == pytest.approx(large)


def test_more_memory_than_a_whole_processor_s_makes_nothing_quicker() -> None:
    whole, more = (stage(it=function("webhook", MemorySize=size)).functions[0].slowness for size in (1769, 3538))

    assert whole == more == 1


def test_access_logs_grow_for_a_year_and_no_longer() -> None:
    month, year, two = (
        used(stage(it=function("apply")), "S3", Traffic(100, 12, months))["access logs stored"].quantity
        for months in (1, 12, 24)
    )

    assert year == pytest.approx(12 * month) == pytest.approx(two)


def test_the_watch_s_cycle_is_read_from_its_environment() -> None:
    def lists(minutes: int) -> float:
        watch = function("watch", Environment={"Variables": {"RAW_CYCLE_MINUTES": str(minutes)}})
        resources = stage(it=watch)
        return used(resources, "S3", traffic_of(resources, 100, 12))["LIST"].quantity

    assert lists(120) > 5.9 * lists(720) > 0


def test_vendors_are_as_many_as_have_paths_and_each_has_metrics_of_its_own() -> None:
    path = ("ApiGateway::Resource", {"PathPart": "{propertyId}"})
    one, two = stage(a=path, it=function("poller")), stage(a=path, b=path, it=function("poller"))

    assert (traffic_of(one, 100, 12).vendors, traffic_of(two, 100, 12).vendors) == (1, 2)
    metrics = [used(it, "CloudWatch", traffic_of(it, 100, 12))["custom metrics"].quantity for it in (one, two)]
    assert metrics[1] == 2 * metrics[0] > 0


def test_what_is_told_once_a_day_is_billed_for_those_hours() -> None:
    assert billed("audit", HUNDRED) == pytest.approx(counted("audit", HUNDRED) / 12)
    assert billed("watch", HUNDRED) == counted("watch", HUNDRED)


def test_a_proxy_is_billed_by_the_processors_of_the_database_behind_it() -> None:
    def proxied(kind: str) -> float:
        database = ("RDS::DBInstance", {**DATABASE, "DBInstanceClass": kind})
        (proxy,) = (
            charge
            for what, charge in used(stage(it=database, p=("RDS::DBProxy", {})), "RDS").items()
            if "proxy" in what
        )
        return proxy.usd

    assert proxied("db.t4g.micro") == proxied("db.m7g.large") == pytest.approx(26.28)
    assert proxied("db.r7g.2xlarge") == pytest.approx(4 * 26.28)


def test_flow_logs_are_billed_by_where_they_go() -> None:
    to_logs, to_s3 = (
        used(stage(it=("EC2::FlowLog", {"LogDestinationType": kind})), "CloudWatch")
        for kind in ("cloud-watch-logs", "s3")
    )

    assert to_logs["flow logs"].usd == pytest.approx(2 * to_s3["flow logs"].usd)
    assert to_logs["flow logs"].quantity == pytest.approx(HUNDRED.polls * 720 / 1e9)


def test_all_that_is_taken_in_as_logs_is_kept_for_as_long_as_the_stage_keeps_logs() -> None:
    log = ("Logs::LogGroup", {"RetentionInDays": 365})
    flows = used(stage(flows=("EC2::FlowLog", {}), log=log), "CloudWatch")

    assert flows["logs kept"].quantity == pytest.approx(flows["flow logs"].quantity * 12 * 0.15)


def test_what_crosses_a_zone_on_its_way_to_the_database_is_billed_on_both_sides() -> None:
    def crossing(zones: int) -> float:
        subnets = {f"s{zone}": ("EC2::Subnet", {"AvailabilityZone": str(zone)}) for zone in range(zones)}
        charge = used(stage(**subnets), "VPC").get("between zones, to the database")
        return charge.usd if charge else 0.0

    assert crossing(1) == 0
    assert crossing(2) == pytest.approx(HUNDRED.objects * 10_000 / 1e9 / 2 * 2 * 0.01)
    assert crossing(3) > crossing(2)


def test_a_copy_of_the_raw_bucket_is_put_sent_and_stored() -> None:
    copied = ("S3::Bucket", {"ReplicationConfiguration": {"Rules": []}})
    without, having = (used(stage(it=bucket), "S3") for bucket in (("S3::Bucket", {}), copied))

    assert having["PUT"].quantity - without["PUT"].quantity == pytest.approx(HUNDRED.objects)
    assert having["raw objects elsewhere"].quantity == pytest.approx(having["raw objects stored"].quantity)
    assert having["raw objects to elsewhere"].quantity * 12 == pytest.approx(having["raw objects stored"].quantity)


NIGHTLY = {"Lifecycle": {"DeleteAfterDays": 35}}


def vault(*tables: str, database: bool = False, **rule: Any) -> Resources:
    arns = [{"Fn::Join": ["", ["arn:aws:dynamodb:", f":table/pousada-x-{table}"]]} for table in tables]
    arns += [{"Fn::Join": ["", ["arn:aws:rds:", ":db:pousada-x-database"]]}] * database
    return stage(
        hook=IN_TABLE,
        plan=("Backup::BackupPlan", {"BackupPlan": {"BackupPlanRule": [{**NIGHTLY, **rule}]}}),
        selection=("Backup::BackupSelection", {"BackupSelection": {"Resources": arns}}),
    )


def test_a_table_in_the_vault_is_a_whole_copy_for_each_night_that_is_kept() -> None:
    both = used(vault("integrations", "hotel-secrets"), "Backup")["the tables, in its vaults"]

    assert both.usd == pytest.approx(100 * (300 + 2 * 500) / 1e9 * 35 * 0.113)
    longer = used(vault("integrations", Lifecycle={"DeleteAfterDays": 70}), "Backup")["the tables, in its vaults"]
    assert longer.quantity == pytest.approx(100 * 300 / 1e9 * 70)


def test_a_table_whose_size_is_unknown_is_not_backed_up_for_nothing() -> None:
    with pytest.raises(Unpriced, match="sync-state"):
        used(vault("integrations", "sync-state"), "Backup")
    with pytest.raises(Unpriced, match="kept for ever"):
        used(vault("integrations", Lifecycle={}), "Backup")


def test_a_database_in_the_vault_is_one_copy_and_what_changes_between_nights() -> None:
    stored, changed = HUNDRED.bookings * 12 * 2_500 / 1e9, HUNDRED.deliveries * 12 / 365 * 8_192 / 1e9

    kept = used(vault(database=True), "Backup")["the database, in its vaults"]

    assert kept.quantity == pytest.approx(stored + 35 * changed)


def test_rds_s_own_backups_are_free_up_to_the_database_s_storage() -> None:
    database = stage(it=("RDS::DBInstance", {**DATABASE, "BackupRetentionPeriod": 35}))

    assert "own backups, beyond the free" not in used(database, "RDS")
    assert used(database, "RDS", Traffic(1_000, 12, months=1))["own backups, beyond the free"].quantity > 0


def test_a_copy_in_another_region_is_a_second_one() -> None:
    copies = {"CopyActions": [{"DestinationBackupVaultArn": "there", "Lifecycle": {"DeleteAfterDays": 35}}]}

    one, two = (used(vault("integrations", database=True, **rule), "Backup") for rule in ({}, copies))

    for held in ("the database, in its vaults", "the tables, in its vaults"):
        assert two[held].quantity == pytest.approx(2 * one[held].quantity)
    assert two["to the other region"].quantity > one["the tables, in its vaults"].quantity / 35 * 30
    assert "to the other region" not in one


def test_a_database_that_outgrows_its_storage_is_billed_for_what_it_grows_by() -> None:
    database = stage(it=("RDS::DBInstance", DATABASE))

    assert "storage that has grown" not in used(database, "RDS")
    assert used(database, "RDS", Traffic(10_000, 12))["storage that has grown"].quantity > 100
