"""cdk.json is checked before anything is made of it."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from infra.config import HotelSecrets, InvalidConfiguration, parse, select
from infra.webhook_config import COUNTRIES
from lambdas.webhook.receiver import REFRESH_SECONDS
from scripts.cli import stage as cli

pytestmark = pytest.mark.infra


def document(**stage: Any) -> dict[str, Any]:
    return {"vendors": ["hostpms"], "stages": {"prod-eu-west-1": {"region": "eu-west-1", **stage}}}


OWN_RAW = "arn:aws:s3:::pousada-prod-eu-west-1-raw"
REPLICA_KEY = f"arn:aws:kms:eu-south-2:{'1' * 12}:key/0a-1b"


def domain(region: str) -> dict[str, str]:
    return {"name": "hooks.hotel.example", "certificate_arn": f"arn:aws:acm:{region}:{'1' * 12}:certificate/0a-1b"}


def test_a_stage_says_only_what_differs_from_the_defaults():
    (stage,) = parse(document(etl={"workers": 8}))
    assert stage.etl.workers == 8
    assert stage.etl.worker_type == "G.1X"
    assert stage.polling.schedule == "cron(0 * * * ? *)"
    assert stage.names.raw_bucket == "pousada-prod-eu-west-1-raw"


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ({"retention": 30}, "stages.prod-eu-west-1.retention: Extra inputs are not permitted"),
        ({"polling": {"concurrency": 1}}, "stages.prod-eu-west-1.polling.concurrency: Input should be greater"),
        ({"polling": {"schedule": "hourly"}}, "stages.prod-eu-west-1.polling.schedule: String should match"),
        ({"watch": {"every_minutes": 7}}, "stages.prod-eu-west-1.watch.every_minutes: Input should be 5, 10"),
        ({"watch": {"raw_cycle_minutes": 721}}, "watch.raw_cycle_minutes: Input should be less than or equal to 720"),
        ({"observability": {"page": ["http://x.example"]}}, "observability.page.0"),
        ({"observability": {"mail": ["operations"]}}, "observability.mail.0"),
        (
            {"observability": {"page": ["a@hotel.example", "b@hotel.example", "a@hotel.example"]}},
            "stages.prod-eu-west-1.observability.page: Value error, a@hotel.example: named twice",
        ),
        ({"audit": {"days": 0}}, "stages.prod-eu-west-1.audit.days: Input should be greater"),
        ({"audit": {"grace_hours": 0}}, "stages.prod-eu-west-1.audit.grace_hours: Input should be greater"),
        ({"etl": {"small_batch_mib": 33}}, "stages.prod-eu-west-1.etl.small_batch_mib: Input should be less"),
        ({"etl": {"small_batch_mib": -1}}, "stages.prod-eu-west-1.etl.small_batch_mib: Input should be greater"),
        ({"network": {"cidr": "10.0.0.0/8"}}, "stages.prod-eu-west-1.network.cidr: String should match"),
        ({"network": {"nats": 0}}, "stages.prod-eu-west-1.network.nats: Input should be greater"),
        ({"network": {"nat": "none"}}, "stages.prod-eu-west-1.network.nat: Input should be 'gateway' or 'instance'"),
        ({"network": {"nat_instance_class": "t3.micro"}}, "network.nat_instance_class: String should match pattern"),
        ({"network": {"zones": 1}}, "stages.prod-eu-west-1.network.zones: Input should be greater"),
        ({"network": {"nats": 3, "zones": 2}}, "network: Value error, nats: 2 at the most"),
        ({"network": {"cidr": "10.40.7.9/16"}}, "network.cidr: Value error, 10.40.7.9/16 has host bits set"),
        ({"network": {"cidr": "10.400.0.0/16"}}, "network.cidr: Value error, Octet 400"),
        ({"network": {"cidr": "8.8.0.0/16"}}, "network.cidr: Value error, 8.8.0.0/16 is no private network"),
        ({"network": {"cidr": "172.32.0.0/16"}}, "172.32.0.0/16 is no private network"),
        (
            {"network": {"interface_endpoints": [""]}},
            "network.interface_endpoints: Value error, '' is no service's name",
        ),
        ({"network": {"interface_endpoints": ["SQS"]}}, "'SQS' is no service's name"),
        ({"network": {"interface_endpoints": ["com.amazonaws.eu-west-1.sqs"]}}, "sqs' is no service's name"),
        ({"network": {"interface_endpoints": ["s3"]}}, "s3 has its gateway endpoint"),
        ({"network": {"interface_endpoints": ["sqs", "ecr.api", "sqs"]}}, "a service is named twice"),
        ({"database": {"storage_gib": 200}}, "database: Value error, storage_limit_gib: 220 at the least"),
        ({"database": {"storage_gib": 21, "storage_limit_gib": 23}}, "storage_limit_gib: 24 at the least"),
        ({"database": {"instance_class": "db.t3.small"}}, "database.instance_class: String should match"),
        ({"database": {"backup_days": 0}}, "stages.prod-eu-west-1.database.backup_days: Input should be greater"),
        ({"database": {"monitoring_seconds": 2}}, "database.monitoring_seconds: Input should be 0, 1, 5"),
        ({"log_retention_days": 10}, "stages.prod-eu-west-1.log_retention_days: Input should be"),
        ({"hotel_secrets": {"store": "secretsmanager", "notice_seconds": 61}}, "notice_seconds: 60 at the most"),
        ({"hotel_secrets": {"store": "secretsmanager"}}, "in network.interface_endpoints"),
        ({"account": "12"}, "stages.prod-eu-west-1.account: String should match"),
        ({"region": "eu-south-2"}, "the stage's name must end with its region, eu-south-2"),
        ({"vendors": ["Host PMS"]}, "'Host PMS' is no vendor's folder name"),
        ({"prefix": "p" * 40}, "would have more than 63 characters"),
        ({"webhooks": {"vendors": {"opera": {}}}}, "webhooks: unknown vendor opera; known are hostpms"),
        ({"webhooks": {"allowed_addresses": {"opera": ["203.0.113.0/24"]}}}, "webhooks: unknown vendor opera"),
        ({"webhooks": {"allowed_addresses": {"hostpms": ["0.0.0.0/0"]}}}, "a list that holds every address is none"),
        ({"webhooks": {"allowed_addresses": {"hostpms": ["203.0.113.7/24"]}}}, "has host bits set"),
        ({"webhooks": {"allowed_addresses": {"hostpms": []}}}, "webhooks.allowed_addresses.hostpms: Tuple should have"),
        (
            {"webhooks": {"vendors": {"hostpms": {"burst": 0}}}},
            "webhooks.vendors.hostpms.burst: Input should be greater",
        ),
        (
            {"webhooks": {"vendors": {"hostpms": {"required_headers": ["X:Y"]}}}},
            "required_headers.0: String should match",
        ),
        ({"webhooks": {"countries": ["Portugal"]}}, "webhooks.countries.0: Value error, 'Portugal' is no country"),
        ({"webhooks": {"countries": ["PT", "UK"]}}, "'UK' is no country of ISO 3166-1: two capital letters, and the"),
        ({"webhooks": {"requests_per_second": 500}}, "webhooks.requests_per_address: 150200 at the least"),
        (
            {"webhooks": {"vendors": {"hostpms": {"requests_per_second": 333, "burst": 101}}}},
            "webhooks.requests_per_address: 100001 at the least",
        ),
        ({"webhooks": {"domain": domain("us-east-1")}}, "the certificate's region is us-east-1, not eu-west-1"),
        ({"webhooks": {"domain": {**domain("eu-west-1"), "name": "https://h.example"}}}, "domain.name: String should"),
        ({"governance": {"trail_retention_days": 364}}, "governance.trail_retention_days: Input should be greater"),
        ({"governance": {"notify": ["finance"]}}, "governance.notify.0: String should match"),
        ({"recovery": {"copy_to_region": "eu-west-1"}}, "recovery.copy_to_region: eu-west-1 is the stage's own"),
        ({"recovery": {"replicate_raw_to": {"bucket_arn": "raw"}}}, "replicate_raw_to.bucket_arn: String should match"),
        (
            {"recovery": {"replicate_raw_to": {"bucket_arn": OWN_RAW, "kms_key_arn": REPLICA_KEY}}},
            "recovery.replicate_raw_to: pousada-prod-eu-west-1-raw is the stage's own",
        ),
        ({"recovery": {"schedule": "rate(1 day)"}}, "recovery.schedule: String should match pattern '^cron"),
        ({"recovery": {"schedule": "cron(30 4 * * ?)"}}, "recovery.schedule: String should match pattern '^cron"),
        ({"governance": {"trail_regions": "some"}}, "governance.trail_regions: Input should be 'all' or 'own'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(stage: dict[str, Any], told: str):
    with pytest.raises(InvalidConfiguration) as refused:
        parse(document(**stage))
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("region", "told"),
    [
        ("il-central-1", "region: shared/storage/certificates.pem has no authority of RDS in il-central-1"),
        ("ca-west-1", "add it from https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"),
        ("us-gov-west-1", "region: us-gov-west-1 is of another partition"),
        ("cn-north-1", "region: cn-north-1 is of another partition"),
    ],
)
def test_a_region_whose_database_nobody_here_would_believe_is_refused(region: str, told: str):
    with pytest.raises(InvalidConfiguration) as refused:
        parse({"vendors": ["hostpms"], "stages": {f"prod-{region}": {"region": region}}})
    assert told in str(refused.value)


def test_what_just_fits_is_taken():
    (stage,) = parse(document(network={"cidr": "172.31.0.0/16"}, database={"storage_gib": 20, "storage_limit_gib": 22}))
    assert (stage.network.cidr, stage.database.storage_limit_gib) == ("172.31.0.0/16", 22)


def test_what_all_stages_say_of_webhooks_is_said_once_and_a_stages_own_words_win():
    shared = {"countries": ["PT"], "burst": 50}
    (stage,) = parse({**document(webhooks={"burst": 60}), "webhooks": shared})
    assert (stage.webhooks.countries, stage.webhooks.burst) == (("PT",), 60)


def test_the_countries_are_those_that_the_firewall_knows():
    firewall = botocore.session.get_session().get_service_model("wafv2")
    assert set(firewall.shape_for("CountryCode").enum) == COUNTRIES


def test_what_the_throttle_lets_in_is_below_what_the_firewall_does():
    assert parse(document(webhooks={"requests_per_second": 500, "requests_per_address": 150_200}))
    of_the_vendor = {"hostpms": {"requests_per_second": 333, "burst": 100}}
    assert parse(document(webhooks={"requests_per_second": 500, "vendors": of_the_vendor}))


def test_a_vendors_limit_is_its_own_or_that_of_all():
    vendors = {"hostpms": {"burst": 7}}
    (stage,) = parse(document(webhooks={"requests_per_second": 30, "vendors": vendors}))
    assert (stage.webhooks.of("hostpms").requests_per_second, stage.webhooks.of("hostpms").burst) == (30, 7)


@pytest.mark.parametrize("context", [None, [], {"vendors": ["hostpms"]}, {"vendors": ["hostpms"], "stages": {}}])
def test_an_incomplete_document_is_refused(context: object):
    with pytest.raises(InvalidConfiguration, match=r"cdk\.json: context\.pousada"):
        parse(context)


def test_stages_are_chosen_by_name():
    (stage,) = stages = parse(document())
    assert select(stages, None) == stages
    assert select(stages, "prod-eu-west-1") == (stage,)
    with pytest.raises(InvalidConfiguration, match=r"unknown stage prod; cdk\.json has prod-eu-west-1"):
        select(stages, "prod")


def test_a_vendor_on_aws_is_not_told_of_a_secret_before_every_worker_would_verify_with_it() -> None:
    with pytest.raises(InvalidConfiguration, match="notice_seconds must be 20 at the least"):
        parse(document(hotel_secrets={"notice_seconds": 19}))
    (stage,) = parse(document(hotel_secrets={"notice_seconds": 20}))
    assert stage.hotel_secrets.notice_seconds > REFRESH_SECONDS


def test_the_command_line_and_the_stacks_mean_the_same_by_what_is_not_said() -> None:
    for field in cli.HotelSecrets.__struct_fields__:
        assert getattr(cli.HotelSecrets(), field) == getattr(HotelSecrets(), field)
