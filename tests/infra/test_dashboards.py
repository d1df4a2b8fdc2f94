"""Dashboards: that they show what is really counted, and leave no hole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.alarms.definition import OURS
from infra.capabilities.dashboards import ENTITIES, WIDTH
from tests.infra.alarm_tables import GAUGES, is_counted
from tests.infra.templates import Resource, Synthesised

pytestmark = pytest.mark.infra


def dashboards(stage: Synthesised) -> dict[str, list[dict[str, Any]]]:
    prefix = stage.config.names.named("")
    found = stage.properties("AWS::CloudWatch::Dashboard").values()
    return {one["DashboardName"].removeprefix(prefix): _body(one, stage.config.region)["widgets"] for one in found}


def _body(dashboard: Resource, region: str) -> dict[str, Any]:
    body = dashboard["DashboardBody"]
    # What CloudFormation would join: texts, and the stack's own region between them.
    text = body if isinstance(body, str) else "".join(p if isinstance(p, str) else region for p in body["Fn::Join"][1])
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def graphed(widget: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    for namespace, name, *rest in widget["properties"]["metrics"]:
        words = [word for word in rest if isinstance(word, str)]
        yield namespace, name, dict(zip(words[::2], words[1::2], strict=True))


def test_there_are_three_dashboards(stage: Synthesised):
    assert dashboards(stage).keys() == {"integrations", "performance", "cost"}


def test_switched_off_there_is_none(no_option: Synthesised):
    assert dashboards(no_option) == {}


@pytest.mark.parametrize("name", ["integrations", "performance", "cost"])
def test_a_dashboard_fills_its_rows_and_no_two_graphs_lie_on_one_another(prod: Synthesised, name: str):
    taken: set[tuple[int, int]] = set()
    for widget in dashboards(prod)[name]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken, widget["properties"]["title"]
        taken |= cells
    assert {x for x, _ in taken} == set(range(WIDTH))
    assert len(taken) == WIDTH * len({y for _, y in taken})


@pytest.mark.parametrize("name", ["integrations", "performance", "cost"])
def test_a_dashboard_shows_what_is_really_counted(aws_stage: Synthesised, name: str):
    shown = [metric for widget in dashboards(aws_stage)[name] for metric in graphed(widget)]
    assert shown
    own = aws_stage.config.names.metrics_namespace
    assert [m for m in shown if not is_counted(OURS if m[0] == own else m[0], *m[1:])] == []


def test_every_gauge_is_on_a_dashboard_and_every_percentile_that_was_asked_for(prod: Synthesised):
    shown = {name for widgets in dashboards(prod).values() for widget in widgets for _, name, _ in graphed(widget)}
    assert {"WatchedHotels", "SyncFailurePercent", "DatabaseStorageBytes"} == GAUGES - shown
    (latency,) = (w for w in dashboards(prod)["performance"] if w["properties"]["title"].startswith("Webhook, ms"))
    assert [metric[-1]["stat"] for metric in latency["properties"]["metrics"]] == ["p50", "p95", "p99"]


def test_the_account_s_charges_are_looked_up_where_alone_they_are(prod: Synthesised):
    regions = {w["properties"]["title"]: w["properties"]["region"] for w in dashboards(prod)["cost"]}
    elsewhere = {title for title, region in regions.items() if region != prod.config.region}
    assert elsewhere == {"Account: month to date, USD"}
    assert regions["Account: month to date, USD"] == "us-east-1"


def test_the_graphs_of_polls_have_every_entity_that_a_vendor_lists():
    from shared.vendors.hostpms import api

    assert set(ENTITIES) == set(api.ENTITIES)
