"""Every stage of cdk.json synthesises, from the repository alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.vendors.registry import VENDORS
from tests.infra.templates import REPOSITORY, STAGES, Synthesised

pytestmark = pytest.mark.infra

_STACKS = ("storage", "network", "database", "ingest", "transform", "observability", "governance")
_SYNTHESISE = (
    "import tests.infra.templates as t, pathlib, sys; t.synthesise(pathlib.Path(sys.argv[1]), stages=sys.argv[2])"
)


def test_cdk_json_has_the_environments_and_regions():
    assert STAGES == ("local", "dev-eu-west-1", "prod-eu-west-1", "prod-eu-south-2")


def test_a_stage_has_its_stacks_in_its_region_and_no_account(aws_stage: Synthesised):
    for stack in aws_stage.templates:
        artifact = aws_stage.assembly.get_stack_by_name(aws_stage.config.names.stack(stack))
        assert artifact.environment.region == aws_stage.config.region
        assert artifact.environment.account == "unknown-account"
        assert artifact.hierarchical_id == f"{aws_stage.config.name}/{stack}"


def test_the_configured_vendors_are_those_that_the_code_knows(stage: Synthesised):
    assert stage.config.vendors == VENDORS


def test_a_stack_is_built_on_what_it_needs_and_no_more(stage: Synthesised):
    def needs(stack: str) -> set[str]:
        artifact = stage.assembly.get_stack_by_name(stage.config.names.stack(stack))
        named = [d.stack_name for d in artifact.dependencies if hasattr(d, "stack_name")]
        return {name.removeprefix(stage.config.names.stack("")) for name in named}

    network = {"network"} & stage.templates.keys()
    assert needs("storage") == set()
    assert needs("network") == {"storage"} if network else True
    assert needs("database") == {"storage"} | network
    assert needs("ingest") == needs("observability") == {"storage"} | network
    assert needs("transform") == {"storage", "database"} | network
    if "governance" in stage.templates:
        assert needs("governance") == {"storage", "database", "observability", *stage.elsewhere}


def test_nothing_is_looked_up(stage: Synthesised):
    manifest = json.loads((Path(stage.assembly.directory) / "manifest.json").read_text())
    assert "missing" not in manifest


def test_a_production_stage_cannot_lose_its_data_by_a_slip(aws_stage: Synthesised):
    stacks = {name: aws_stage.assembly.get_stack_by_name(aws_stage.config.names.stack(name)) for name in _STACKS}
    protected = {name for name, stack in stacks.items() if stack.termination_protection}
    assert protected == {"storage", "network", "database", "ingest", "governance"}
    # Those that a teardown unlocks.
    (told,) = re.findall(r"for stack in (.*); do", (REPOSITORY / "docs" / "deploy.md").read_text(encoding="utf-8"))
    assert set(told.split()) == protected
    kinds = ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::RDS::DBInstance")
    kept = [aws_stage.resources(kind) for kind in kinds]
    for resource in (resource for resources in kept for resource in resources.values()):
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate"


def test_the_local_stage_leaves_no_name_taken(local: Synthesised):
    kept = local.resources("AWS::S3::Bucket")
    assert {bucket["DeletionPolicy"] for bucket in kept.values()} == {"Delete"}


@pytest.fixture(scope="module")
def synthesised_apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``prod-eu-south-2`` by a process of its own, which has neither credentials nor network."""
    folder = tmp_path_factory.mktemp("apart")
    # Another seed than ours is another order of every set.
    bare = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONHASHSEED": "1"}
    # What jsii has unpacked for others: to unpack the CDK anew is most of the time, minutes on a busy machine.
    bare["JSII_RUNTIME_PACKAGE_CACHE_ROOT"] = os.environ.get("JSII_RUNTIME_PACKAGE_CACHE_ROOT") or str(
        Path.home() / ".cache" / "aws" / "jsii" / "package-cache"
    )
    command = [sys.executable, "-c", _SYNTHESISE, str(folder / "cdk.out"), "prod-eu-south-2"]
    subprocess.run([*_offline(), *command], check=True, cwd=REPOSITORY, env=bare)
    return folder / "cdk.out"


def test_a_stage_synthesises_without_credentials_and_without_network(synthesised_apart: Path):
    manifest = json.loads((synthesised_apart / "manifest.json").read_text())
    assert "assembly-prod-eu-south-2" in manifest["artifacts"]


def test_two_syntheses_are_equal_to_the_byte_so_that_a_diff_shows_what_was_changed(
    synthesised_apart: Path, every_stage: dict[str, Synthesised]
):
    ours = Path(every_stage["prod-eu-south-2"].assembly.directory)
    templates = {path.name: path.read_bytes() for path in ours.glob("*.template.json")}
    apart = synthesised_apart / ours.name
    assert len(templates) >= 3
    assert {path.name: path.read_bytes() for path in apart.glob("*.template.json")} == templates


def _offline() -> list[str]:
    """A network namespace with nothing in it, where the kernel lets us have one."""
    isolated = ["unshare", "--net", "--map-root-user"]
    if shutil.which(isolated[0]) is None:
        return []
    possible = subprocess.run([*isolated, "true"], capture_output=True, check=False)
    return isolated if possible.returncode == 0 else []
