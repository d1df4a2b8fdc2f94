"""A region is self-contained, and the regions are alike.

What is read is the text of the templates, whatever is in them. Not to be known off line: whether a region has Lambda on
arm64, the version of Glue and the classes of database instance that are asked for; AWS's lists of regional services
say so, and a deployment does.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import botocore.session
import pytest

from infra.stage import add_stages
from tests.infra.templates import AWS_STAGES, CONTEXT, Resource, Synthesised, read_stage, synthesise

pytestmark = pytest.mark.infra

BOTOCORE = botocore.session.get_session()
REGIONS = set(BOTOCORE.get_available_regions("ec2"))
ELSEWHERE = ("prod-eu-south-2", "prod-eu-central-1", "prod-us-east-1")
"""A region that cdk.json has and two that nobody thought of, beside that of ``LIKE``."""
LIKE = "prod-eu-west-1"
PLAIN = {name: {"region": name.removeprefix("prod-")} for name in (LIKE, *ELSEWHERE)}
"""Stages that say nothing of their own: what cdk.json's switch on is one region's, and may be none of another's."""

BOTOCORE_NAMES = {
    "ApplicationAutoScaling": "application-autoscaling",
    "CertificateManager": "acm",
    "KinesisFirehose": "firehose",
    "ServiceDiscovery": "servicediscovery",
}
"""CloudFormation's name of a service → botocore's, where small letters do not make the one of the other."""

GLOBAL = {
    "IAM": "one for all regions of an account",
    "Budgets": "one for all regions of an account",
    "CE": "Cost Explorer is one for all regions of an account",
    "Route53": "names are the same in all regions",
    "CloudFormation": "what deploys is in every region",
    "CDK": "what CDK tells of itself",
}

ACROSS: Mapping[str, tuple[str, str]] = {
    "AWS::CloudWatch::Dashboard": ("us-east-1", "AWS keeps what it charges there, for all regions of an account"),
}
"""Types of resources that may name one other region → which, and why."""

IN_SOME_REGIONS: Mapping[str, str] = {
    "AWS::Budgets::Budget": "CloudFormation has it in some regions; one budget is for all regions of an account",
}
"""Types that a stage may have in one region and not in another, and why."""

COPYING: Mapping[str, str] = {
    "governance/BackupsPlan": "each backup is copied to the vault of the same name in recovery.copy_to_region",
    "governance/BackupsRoleDefaultPolicy": "whose role may copy there, and nothing else",
}
"""Beginnings of what may name the region that takes a stage's copies, and why. Nothing else of a stage may."""

OF_ONE_REGION: Mapping[str, str] = {"recovery.copy_to_region": "each copies its backups to the other"}
"""What regions of production may set differently in cdk.json, and why."""

# CDK's own ids have a hash of the construct's path, in which the stage is; of an API's deployment one of its content,
# and of a NAT instance one of what it is told at its first boot: its stack and its region.
_HASH_OF_A_PATH = re.compile(r"[0-9A-F]{8,}")
_HASH_OF_CONTENT = re.compile(r"((?:Deployment|CurrentVersion|Instance\d)[0-9A-F]{8})[0-9a-f]{16,32}")
_VIEW = re.compile(r"/\* Presto View: (\S+) \*/")


# -- What a template names -------------------------------------------------------------------------


def foreign_regions(resources: Mapping[str, Resource], region: str, copied_to: str | None = None) -> list[str]:
    """``resource: region`` of every other region that is named."""
    return [
        f"{id}: {other}"
        for id, resource in resources.items()
        for other in sorted(REGIONS - {region})
        if other in _written_out(resource)
        and other != ACROSS.get(resource["Type"], ("", ""))[0]
        and not (other == copied_to and id.startswith(tuple(COPYING)))
    ]


def foreign_stages(resources: Mapping[str, Resource], others: Iterable[Synthesised]) -> list[str]:
    return [
        f"{id}: {name}"
        for id, resource in resources.items()
        for other in others
        for name in _spellings(other)
        if name in _written_out(resource)
    ]


def _spellings(stage: Synthesised) -> list[str]:
    names = stage.config.names
    return [names.named(""), names.glue_database, names.database_secret, f"/{stage.config.name}/"]


def _written_out(value: object) -> str:
    """As JSON; a view's text, which is in base64, in clear."""
    text = json.dumps(value, sort_keys=True)
    return _VIEW.sub(lambda found: base64.b64decode(found[1]).decode().replace('"', ""), text)


def everything(stage: Synthesised) -> dict[str, Resource]:
    """Every resource in its region, and each template's other sections as if they were one."""
    return _everything(stage.templates)


def _everything(templates: Mapping[str, Any]) -> dict[str, Resource]:
    found: dict[str, Resource] = {}
    for stack, template in templates.items():
        found |= {f"{stack}/{id}": resource for id, resource in template["Resources"].items()}
        rest = {name: section for name, section in template.items() if name != "Resources"}
        found[f"{stack}/"] = {"Type": "template", **rest}
    return found


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Synthesised]:
    context = {**CONTEXT, "pousada": {**CONTEXT["pousada"], "stages": PLAIN}}
    app = cdk.App(context=context, outdir=str(tmp_path_factory.mktemp("elsewhere")))
    built = add_stages(app)
    assembly = app.synth()
    return {stage.node.id: read_stage(stage, assembly) for stage in built}


@pytest.fixture(scope="module", params=(*AWS_STAGES, *(f"elsewhere/{name}" for name in ELSEWHERE)))
def somewhere(
    request: pytest.FixtureRequest, every_stage: dict[str, Synthesised], elsewhere: dict[str, Synthesised]
) -> Synthesised:
    _, _, name = request.param.rpartition("/")
    return (elsewhere if "/" in request.param else every_stage)[name]


def test_a_stage_names_no_region_but_its_own(somewhere: Synthesised):
    assert somewhere.config.region in REGIONS
    copied_to = somewhere.config.recovery.copy_to_region
    assert foreign_regions(everything(somewhere), somewhere.config.region, copied_to) == []


def test_the_stack_of_the_copies_has_their_vault_and_names_no_region_but_in_the_stages_name(somewhere: Synthesised):
    assert foreign_regions(_everything(somewhere.elsewhere), somewhere.config.region) == []
    there = {resource["Type"] for resource in _everything(somewhere.elsewhere).values()}
    assert there <= {"AWS::Backup::BackupVault", "AWS::KMS::Key", "AWS::KMS::Alias", "template"}


def test_a_stage_names_no_other_stage(somewhere: Synthesised, every_stage: dict[str, Synthesised]):
    others = [stage for name, stage in every_stage.items() if name != somewhere.config.name]
    assert foreign_stages(everything(somewhere) | _everything(somewhere.elsewhere), others) == []


def test_nothing_is_imported_that_the_stage_does_not_export_itself(somewhere: Synthesised):
    exports = [output["Export"]["Name"] for output in _outputs(somewhere) if "Export" in output]
    assert all(name.startswith(somewhere.config.names.named("")) for name in exports)
    imported = set(_imports(somewhere.templates))
    assert imported
    assert imported <= set(exports)


def test_assets_are_published_in_the_stages_own_region(somewhere: Synthesised):
    """Its template is an asset of a stack: that of the copies' is in their region, and nothing else."""
    region, copied_to = somewhere.config.region, somewhere.config.recovery.copy_to_region
    published = _assets(Path(somewhere.assembly.directory))
    elsewhere = [(file, where) for file, where in published if where != region]
    assert len(elsewhere) < len(published)
    assert elsewhere == ([(f"{somewhere.config.names.stack('copies')} Template", copied_to)] if copied_to else [])


def test_every_service_that_is_used_is_there_in_the_region(somewhere: Synthesised):
    kinds = {resource["Type"] for resource in everything(somewhere).values()}
    assert missing_services(kinds, somewhere.config.region) == []


def missing_services(kinds: Iterable[str], region: str) -> list[str]:
    services = {kind.split("::")[1] for kind in kinds if kind.startswith("AWS::")} - GLOBAL.keys()
    return [service for service in sorted(services) if region not in _regions_of(service)]


def _regions_of(service: str) -> list[str]:
    """As botocore knows them, without asking anybody."""
    regions: list[str] = BOTOCORE.get_available_regions(BOTOCORE_NAMES.get(service, service.lower()))
    assert regions, f"botocore knows no region of {service}: add its name there to BOTOCORE_NAMES, or it to GLOBAL"
    return regions


def _outputs(stage: Synthesised) -> Iterator[dict[str, Any]]:
    for template in stage.templates.values():
        yield from template.get("Outputs", {}).values()


def _imports(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "Fn::ImportValue":
                yield inner
            else:
                yield from _imports(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _imports(inner)


def _assets(assembly: Path) -> list[tuple[str, str]]:
    """What each is called in words, and the region it is published in."""
    return [
        (file["displayName"], destination["region"])
        for manifest in assembly.glob("*.assets.json")
        for file in json.loads(manifest.read_text())["files"].values()
        for destination in file["destinations"].values()
    ]


# -- Two regions, side by side ---------------------------------------------------------------------


def differences(one: Synthesised, other: Synthesised) -> list[str]:
    """Where two stages differ but for the names of stage and region."""
    left, right = dict(_leaves(_anonymous(one))), dict(_leaves(_anonymous(other)))
    return [
        f"{'/'.join(path)}: {left.get(path)}, {right.get(path)}"
        for path in sorted(left.keys() | right.keys())
        if left.get(path) != right.get(path)
    ]


def _anonymous(stage: Synthesised) -> Any:
    """The templates without the names of stage and region, and without what CDK derives from them.

    Without what may name another region besides: in that region it would name its own. And without what not every
    region has.
    """
    text = _in_clear(json.dumps(_without(stage.templates, {*ACROSS, *IN_SOME_REGIONS})))
    name = stage.config.name
    for spelling in (name, name.replace("-", "_"), name.replace("-", "")):
        text = text.replace(spelling, "STAGE")
    for spelling in (stage.config.region, stage.config.region.replace("-", "")):
        text = text.replace(spelling, "REGION")
    return _without_hashes(json.loads(text))


def _without(templates: dict[str, Any], kinds: Iterable[str]) -> dict[str, Any]:
    return {
        stack: {**template, "Resources": {id: r for id, r in template["Resources"].items() if r["Type"] not in kinds}}
        for stack, template in templates.items()
    }


def _in_clear(text: str) -> str:
    return _VIEW.sub(lambda found: json.dumps(base64.b64decode(found[1]).decode())[1:-1], text)


def _without_hashes(value: Any) -> Any:
    match value:
        case dict():
            plain: dict[str, Any] = {}
            for name, inner in value.items():
                # Two ids may differ by their hash alone; they come in the order in which they were made.
                told = _without_hashes(name)
                number = sum(other.partition("#")[0] == told for other in plain)
                plain[f"{told}#{number}" if number else told] = _without_hashes(inner)
            return plain
        case list():
            return [_without_hashes(inner) for inner in value]
        case str():
            text = _HASH_OF_CONTENT.sub(r"\1", value)
            return _HASH_OF_A_PATH.sub("", text) if "STAGE" in text else text
        case _:
            return value


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None or not value:
        yield path, repr(value)
        return
    for name, one in inner:
        yield from _leaves(one, (*path, str(name)))


def test_two_regions_of_production_are_set_alike_but_for_what_is_listed(every_stage: dict[str, Synthesised]):
    assert differing_settings(every_stage[LIKE], every_stage["prod-eu-south-2"]) <= OF_ONE_REGION.keys()


def differing_settings(one: Synthesised, other: Synthesised) -> set[str]:
    """What two stages set differently in cdk.json; each is named, and lies, where it is."""
    left, right = (dict(_leaves(stage.config.model_dump())) for stage in (one, other))
    differing = {path for path in left.keys() | right.keys() if left.get(path) != right.get(path)}
    return {".".join(path) for path in differing} - {"name", "region"}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_another_region_differs_in_its_names_alone(name: str, elsewhere: dict[str, Synthesised]):
    assert differences(elsewhere[LIKE], elsewhere[name]) == []


def test_regions_whose_way_out_is_by_instances_are_alike_too(tmp_path: Path):
    stages = f"{LIKE},prod-eu-south-2"
    one, other = synthesise(tmp_path, stages=stages, network={"nat": "instance"}, recovery={}).values()
    assert "AWS::EC2::Instance" in {resource["Type"] for resource in everything(one).values()}
    assert differences(one, other) == []
    assert [foreign_regions(everything(stage), stage.config.region) for stage in (one, other)] == [[], []]


# -- Planted faults --------------------------------------------------------------------------------


def test_another_regions_endpoint_would_be_found():
    address = {"Fn::Join": ["", ["https://", {"Ref": "Api"}, ".execute-api.eu-west-1.amazonaws.com"]]}
    calling = {"Type": "AWS::Lambda::Function", "Properties": {"Environment": {"Variables": {"URL": address}}}}
    assert foreign_regions({"Function": calling}, "eu-south-2") == ["Function: eu-west-1"]
    assert foreign_regions({"Function": calling}, "eu-west-1") == []


def test_what_copies_backups_may_name_the_region_of_the_copies_and_nothing_else_may():
    copying = {"Type": "AWS::Backup::BackupPlan", "Properties": {"To": "eu-south-2"}}
    plan = {"governance/BackupsPlanC5": copying}
    assert foreign_regions(plan, "eu-west-1", "eu-south-2") == []
    assert foreign_regions(plan, "eu-west-1") == ["governance/BackupsPlanC5: eu-south-2"]
    assert foreign_regions(plan, "eu-west-1", "eu-central-1") == ["governance/BackupsPlanC5: eu-south-2"]
    assert foreign_regions({"storage/Raw": copying}, "eu-west-1", "eu-south-2") == ["storage/Raw: eu-south-2"]


def test_a_dashboard_may_show_what_is_kept_in_one_other_region_and_in_no_third():
    shown = {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardBody": "us-east-1 and eu-west-1"}}
    assert foreign_regions({"Cost": shown}, "eu-south-2") == ["Cost: eu-west-1"]


def test_another_stages_bucket_would_be_found_also_in_a_view(every_stage: dict[str, Synthesised]):
    other = every_stage["prod-eu-west-1"]
    query = f"SELECT * FROM {other.config.names.glue_database}.bookings"
    view = f"/* Presto View: {base64.b64encode(query.encode()).decode()} */"
    reading = {
        "Job": {"Type": "AWS::Glue::Job", "Properties": {"Arguments": {"--RAW": other.config.names.raw_bucket}}},
        "View": {"Type": "AWS::Glue::Table", "Properties": {"TableInput": {"ViewOriginalText": view}}},
    }
    assert [found.partition(":")[0] for found in foreign_stages(reading, [other])] == ["Job", "View"]


def test_a_service_that_a_region_lacks_would_be_found():
    lacking = next(region for region in sorted(REGIONS) if region not in BOTOCORE.get_available_regions("kendra"))
    assert missing_services({"AWS::Kendra::Index", "AWS::IAM::Role"}, lacking) == ["Kendra"]


def test_what_one_region_alone_has_would_be_found(every_stage: dict[str, Synthesised]):
    dev = every_stage["dev-eu-west-1"]
    found = differences(dev, every_stage[LIKE])
    assert any("RetentionInDays: 30, 365" in one for one in found)
    assert any("BytesScannedCutoffPerQuery" in one for one in found)
    assert differing_settings(dev, every_stage[LIKE]) >= {"log_retention_days", "analysts.scan_limit_gib"}


def test_a_resource_of_one_region_alone_would_be_found(every_stage: dict[str, Synthesised]):
    one = every_stage[LIKE]
    more = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "only-here"}}
    storage = {**one.templates["storage"], "Resources": {**one.templates["storage"]["Resources"], "More": more}}
    other = replace(one, templates={**one.templates, "storage": storage})
    assert [found.partition(":")[0] for found in differences(one, other)] == [
        "storage/Resources/More/Properties/QueueName",
        "storage/Resources/More/Type",
    ]
