"""cdk.json is checked before anything is made of it."""

from __future__ import annotations

from typing import Any

import pytest

from infra.config import InvalidConfiguration, parse, select

pytestmark = pytest.mark.infra


def document(**stage: Any) -> dict[str, Any]:
    return {"vendors": ["hostpms"], "stages": {"prod-eu-west-1": {"region": "eu-west-1", **stage}}}


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
        ({"audit": {"days": 0}}, "stages.prod-eu-west-1.audit.days: Input should be greater"),
        ({"audit": {"grace_hours": 0}}, "stages.prod-eu-west-1.audit.grace_hours: Input should be greater"),
        ({"etl": {"small_batch_mib": 33}}, "stages.prod-eu-west-1.etl.small_batch_mib: Input should be less"),
        ({"etl": {"small_batch_mib": -1}}, "stages.prod-eu-west-1.etl.small_batch_mib: Input should be greater"),
        ({"network": {"cidr": "10.0.0.0/8"}}, "stages.prod-eu-west-1.network.cidr: String should match"),
        ({"network": {"nat_gateways": 0}}, "stages.prod-eu-west-1.network.nat_gateways: Input should be greater"),
        ({"network": {"zones": 1}}, "stages.prod-eu-west-1.network.zones: Input should be greater"),
        ({"database": {"instance_class": "db.t3.small"}}, "database.instance_class: String should match"),
        ({"database": {"backup_days": 0}}, "stages.prod-eu-west-1.database.backup_days: Input should be greater"),
        ({"database": {"monitoring_seconds": 2}}, "database.monitoring_seconds: Input should be 0, 1, 5"),
        ({"log_retention_days": 10}, "stages.prod-eu-west-1.log_retention_days: Input should be"),
        ({"account": "12"}, "stages.prod-eu-west-1.account: String should match"),
        ({"region": "eu-south-2"}, "the stage's name must end with its region, eu-south-2"),
        ({"vendors": ["Host PMS"]}, "'Host PMS' is no vendor's folder name"),
        ({"prefix": "p" * 40}, "would have more than 63 characters"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(stage: dict[str, Any], told: str):
    with pytest.raises(InvalidConfiguration) as refused:
        parse(document(**stage))
    assert told in str(refused.value)


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
