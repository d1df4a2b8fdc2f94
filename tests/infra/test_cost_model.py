"""The cost model on the synthesised stages: it knows all of them, and docs/cost.md says what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scripts.cost.estimate import estimate, traffic_of
from scripts.cost.page import page
from scripts.cost.switches import SWITCHES
from scripts.cost.templates import Resources
from scripts.simulation.settings import DATABASE_CLASS, MEMORY_MIB
from tests.infra.templates import REPOSITORY, Synthesised, synthesise

pytestmark = pytest.mark.infra


def resources(stage: Synthesised) -> Resources:
    return Resources.of_templates([*stage.templates.values(), *stage.elsewhere.values()])


def test_everything_that_a_stage_has_is_priced_or_free_for_a_reason(aws_stage: Synthesised) -> None:
    found = resources(aws_stage)

    assert estimate(found, traffic_of(found, 100, 12)).usd > 0


def test_the_switch_to_a_nat_gateway_costs_what_a_stage_with_one_costs_more(tmp_path: Path) -> None:
    """The switch exchanges by hand what the stage would have."""
    stages = {kind: synthesise(tmp_path / kind, stages="prod-eu-west-1", network={"nat": kind}) for kind in NATS}
    gateway, instance = (resources(stages[kind]["prod-eu-west-1"]) for kind in NATS)
    before = estimate(gateway, traffic_of(gateway, 100, 12))
    after = estimate(instance, traffic_of(instance, 100, 12))
    (switch,) = (it for it in SWITCHES if it.where == '`"network": {"nat": "gateway"}`')

    assert switch.saved(after, instance) == pytest.approx(after.usd - before.usd)
    assert switch.saved(after, instance) < -20
    assert switch.saved(before, gateway) == 0


NATS = ("gateway", "instance")


def test_the_schedules_are_read_from_the_templates(prod: Synthesised) -> None:
    traffic = traffic_of(resources(prod), 100, 12)

    assert traffic.polls_an_hour == 1
    assert traffic.audited_days == prod.config.audit.days


def test_everything_that_a_stage_may_switch_on_is_priced_or_free_for_a_reason(every_option: Synthesised) -> None:
    found = resources(every_option)

    charged = {charge.what for charge in estimate(found, traffic_of(found, 100, 12)).charges}

    assert {"raw objects elsewhere", "the trail, as logs", "to the other region"} <= charged


def test_what_a_stage_may_switch_off_it_does_not_pay_for(no_option: Synthesised) -> None:
    found = resources(no_option)

    charged = {charge.what for charge in estimate(found, traffic_of(found, 100, 12)).charges if charge.usd}

    assert not {"traces", "dashboards", "proxy, 2 vCPU"} & charged
    assert "db.t4g.small, zones: 1" in charged


def test_traces_cost_what_the_switch_says(prod: Synthesised, tmp_path: Path) -> None:
    off = resources(synthesise(tmp_path, stages="prod-eu-west-1", observability={"traces": False})["prod-eu-west-1"])
    (switch,) = (it for it in SWITCHES if '"traces"' in it.where)

    before, after = (estimate(it, traffic_of(it, 100, 12)) for it in (resources(prod), off))

    assert after.usd == pytest.approx(before.usd - switch.saved(before, resources(prod)))


def test_the_batches_and_the_vendors_are_those_of_the_stage(prod: Synthesised) -> None:
    traffic = traffic_of(resources(prod), 100, 12)

    assert traffic.batches_an_hour == 1
    assert traffic.vendors == len(prod.config.vendors)
    assert traffic.watch_cycle_hours == prod.config.watch.raw_cycle_minutes / 60


def test_hotels_secrets_in_secrets_manager_cost_what_the_switch_says(prod: Synthesised, tmp_path: Path) -> None:
    network = {**prod.config.network.model_dump(), "interface_endpoints": ["secretsmanager"]}
    told = {"hotel_secrets": {"store": "secretsmanager"}, "network": network}
    moved = resources(synthesise(tmp_path, stages="prod-eu-west-1", **told)["prod-eu-west-1"])
    (switch,) = (it for it in SWITCHES if '"hotel_secrets"' in it.where)

    before, after = (estimate(it, traffic_of(it, 100, 12)) for it in (resources(prod), moved))

    assert {"secrets of the hotels", "interface endpoints"} <= {charge.what for charge in after.charges}
    assert after.usd == pytest.approx(before.usd - switch.saved(before, resources(prod)))


def test_the_simulation_reckons_with_the_functions_memory(prod: Synthesised) -> None:
    deployed = {function.folder: function.memory_mib for function in resources(prod).functions}

    assert {folder: deployed[folder] for folder in MEMORY_MIB} == MEMORY_MIB


def test_the_simulation_reckons_with_the_stage_s_database(prod: Synthesised) -> None:
    """Another class in cdk.json: the simulation's, and what docs/scale.md says of it, go with it."""
    (database,) = resources(prod).of("AWS::RDS::DBInstance")

    assert database.text("DBInstanceClass") == DATABASE_CLASS


def test_the_page_says_what_the_model_says(prod: Synthesised) -> None:
    text = (REPOSITORY / "docs" / "cost.md").read_text(encoding="utf-8")

    assert text == page(text, resources(prod)), "write it anew: python -m scripts.cost"


@pytest.mark.parametrize(("hotels", "most"), [(100, 1.50), (1_000, 0.50)])
def test_a_hotel_costs_no_more_than_it_may_with_all_that_a_stage_has(
    prod: Synthesised, hotels: int, most: float
) -> None:
    found = resources(prod)

    assert found.of("AWS::RDS::DBProxy")
    assert [it.properties["MultiAZ"] for it in found.of("AWS::RDS::DBInstance")] == [True]
    assert estimate(found, traffic_of(found, hotels, 12)).per_hotel < most


def test_a_large_groups_lines_cost_what_the_page_says(tmp_path: Path) -> None:
    text = (REPOSITORY / "docs" / "cost.md").read_text(encoding="utf-8")
    (written,) = re.findall(r'```json\n("network": .*?)```', text, re.DOTALL)
    large = synthesise(tmp_path, stages="prod-eu-west-1", **json.loads(f"{{{written}}}"))["prod-eu-west-1"]
    found = resources(large)
    cost = estimate(found, traffic_of(found, 1_000, 12))

    table = text.partition("<!-- large group -->")[2]
    assert f"| 1,000 | {cost.usd:,.2f} |" in table.partition("<!-- end of large group -->")[0]
