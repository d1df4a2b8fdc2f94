"""The runbook: a page for each alarm, and commands about what a stage really has."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from infra.alarms import platform
from tests.infra.alarm_tables import COMPOSITES, FUNCTIONS, PAGED, PROD, ROLLBACKS, every_alarm
from tests.infra.templates import REPOSITORY, Synthesised

pytestmark = pytest.mark.infra

PAGES = REPOSITORY / "docs" / "runbook"


def test_every_alarm_has_its_page_and_every_page_its_alarm(prod: Synthesised, every_option: Synthesised):
    every = every_alarm(prod).keys() | every_alarm(every_option).keys()
    # A reboot's page is that of the alarm on the instance, a composite's that of what pages by it.
    alone = {name for name in every if name not in COMPOSITES and not name.startswith(platform.REBOOTS)}
    assert {page.stem for page in PAGES.glob("*.md")} == {*alone, "README"}
    assert PAGED.keys() < alone


def test_an_alarm_that_rolls_back_tells_nobody_and_the_index_says_so(prod: Synthesised):
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    found = {name: alarm for name, alarm in every_alarm(prod).items() if name.startswith(ROLLBACKS)}
    assert found
    for name, alarm in found.items():
        assert "AlarmActions" not in alarm
        assert alarm["AlarmDescription"].endswith(f" {prod.config.observability.runbook_url}/{name}.md")
        assert f"[{name}]({name}.md)" in index


@pytest.mark.parametrize("name", PAGED)
def test_a_page_says_what_to_think_where_to_look_what_to_do_and_when_it_is_over(name: str):
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n\n{PAGED[name].means}\n")
    assert re.findall(r"^\*\*(\w+)\*\*:", text, re.MULTILINE) == ["Means", "Look", "Do", "Verify"]


SILENCE = {"breaching": "rings", "notBreaching": "is well", "ignore": "stays"}


def test_the_index_has_every_alarm_as_it_is():
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (PAGES / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| [")
    ]
    assert [row[0] for row in rows] == [f"[{name}]({name}.md)" for name in PAGED]
    told = {row[0].partition("]")[0].strip("["): row[1:] for row in rows}
    for alarm in PAGED.values():
        beside = f"[{alarm.follows}]({alarm.follows}.md)" if alarm.follows else ""
        over = f"{f'{alarm.enough} of ' if alarm.enough else ''}{alarm.periods} × {alarm.minutes} min"
        assert told[alarm.name] == [alarm.severity, alarm.shown, over, SILENCE[alarm.missing], beside]


def test_the_commands_of_the_pages_are_about_what_the_stage_has(prod: Synthesised):
    """What ``$POUSADA_STAGE`` stands in is the name of something that there is."""
    named = {text.replace("$POUSADA_STAGE", prod.config.name) for text in _named_on_pages()}
    assert named - _names_that_a_stage_has(prod) == set()
    assert len(named) > 20


def test_a_schedule_is_asked_for_in_its_own_group(prod: Synthesised):
    schedules = prod.properties("AWS::Scheduler::Schedule").values()
    there = {(_group(prod, one["GroupName"]["Ref"]), one["Name"]) for one in schedules}
    asked = set(re.findall(r'get-schedule --group-name "([^"]+)" --name "([^"]+)"', _commands()))
    named = {tuple(name.replace("$POUSADA_STAGE", prod.config.name) for name in pair) for pair in asked}
    assert named <= there
    assert len(named) == 5


def test_the_functions_that_a_page_goes_through_are_all_of_them():
    (listed,) = re.findall(r"for function in (.*); do", _commands())
    assert sorted(PROD.names.function(name) for name in listed.split()) == sorted(FUNCTIONS)


def test_a_search_in_a_log_says_from_when():
    searches = re.findall(r"aws logs filter-log-events (.*)", _commands())
    assert len(searches) > 20
    assert [search for search in searches if "--start-time" not in search] == []


def _commands() -> str:
    """The runbook's pages, and how to deploy, with each command on one line."""
    docs = REPOSITORY / "docs"
    pages = [docs / "deploy.md", docs / "runbook.md", *sorted(PAGES.glob("*.md"))]
    return "\n".join(re.sub(r" *\\\n *", " ", page.read_text(encoding="utf-8")) for page in pages)


def _named_on_pages() -> Iterator[str]:
    for block in re.findall(r"^```sh\n(.*?)^```", _commands(), re.MULTILINE | re.DOTALL):
        for option, name in re.findall(r"--([a-z-]+) \"([^\"]*\$POUSADA_STAGE[^\"]*)\"", block):
            if option in NAMING and "$" not in name.replace("$POUSADA_STAGE", ""):
                yield name


NAMING = {
    *("log-group-name", "queue-name", "function-name", "job-name", "name", "table-name", "group-name", "bucket"),
    *("db-instance-identifier", "source-identifier", "db-proxy-name", "application-name", "deployment-group-name"),
    *("stack-name",),
}
"""Options of the AWS command line that take a resource's name."""


def _names_that_a_stage_has(stage: Synthesised) -> set[str]:
    found = {stage.config.names.stack(stack) for stack in stage.templates}
    for template in stage.templates.values():
        for resource in template["Resources"].values():
            properties = resource.get("Properties", {})
            found |= {v for k, v in properties.items() if isinstance(v, str) and k.endswith(("Name", "Identifier"))}
    return found


def _group(stage: Synthesised, id: str) -> str:
    groups = stage.properties("AWS::Scheduler::ScheduleGroup").items()
    (name,) = (properties["Name"] for logical_id, properties in groups if logical_id.endswith(f"/{id}"))
    return str(name)
