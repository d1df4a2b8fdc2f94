"""A changed setting touches what it is about and nothing else: that is what ``cdk diff`` shows (docs/deploy.md)."""

from __future__ import annotations

import json

import pytest

from tests.infra.templates import REPOSITORY, Resource, Synthesised, synthesise

pytestmark = pytest.mark.infra

STAGE = "prod-eu-west-1"
CHANGED = {"log_retention_days": 90, "audit": {"days": 3}}

Change = tuple[str, frozenset[str]]
"""A resource's type, and the properties that are not as they were; of one that is new or gone, all of them."""


@pytest.fixture(scope="module")
def changes(every_stage: dict[str, Synthesised], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Change]:
    """``{stack}/{logical id}`` → what has become of it."""
    after = synthesise(tmp_path_factory.mktemp("changed"), stages=STAGE, **CHANGED)[STAGE]
    was, now = _resources(every_stage[STAGE]), _resources(after)
    differing = {id for id in was.keys() | now.keys() if was.get(id) != now.get(id)}
    return {id: _change(was.get(id, {}), now.get(id, {})) for id in differing}


def _resources(stage: Synthesised) -> dict[str, Resource]:
    return {f"{stack}/{id}": r for stack, t in stage.templates.items() for id, r in t["Resources"].items()}


def _change(was: Resource, now: Resource) -> Change:
    before, after = was.get("Properties", {}), now.get("Properties", {})
    names = frozenset(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return (was or now)["Type"], names


def test_another_retention_changes_that_of_every_log_and_not_a_function(changes: dict[str, Change], prod: Synthesised):
    logs = {id: names for id, (kind, names) in changes.items() if kind == "AWS::Logs::LogGroup"}
    assert logs == dict.fromkeys(prod.resources("AWS::Logs::LogGroup"), frozenset({"RetentionInDays"}))


def test_another_variable_of_one_function_releases_that_one(changes: dict[str, Change]):
    others = {id: change for id, change in changes.items() if change[0] != "AWS::Logs::LogGroup"}
    assert all(id.startswith("transform/DailyAuditFunction") for id in others)
    assert sorted(others.values(), key=str) == [
        ("AWS::Lambda::Alias", {"FunctionVersion"}),
        ("AWS::Lambda::Function", {"Environment"}),
        # The version that was, and the one that is new.
        ("AWS::Lambda::Version", {"FunctionName"}),
        ("AWS::Lambda::Version", {"FunctionName"}),
    ]


def test_the_command_line_adds_nothing_of_its_own_but_where_a_resource_is_written():
    """Else a new release of the tool, or a function's new archive, would show in resources that nobody changed."""
    written = json.loads((REPOSITORY / "cdk.json").read_text())
    assert (written["versionReporting"], written["assetMetadata"]) == (False, False)
    assert written.get("pathMetadata", True)
