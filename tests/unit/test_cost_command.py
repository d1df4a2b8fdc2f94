"""``scripts/pousada cost`` and where it gets a stage's templates from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from scripts.cli.app import app
from scripts.cost import templates
from scripts.cost.templates import of_assembly, synthesised
from shared.errors import Misconfigured

STAGE = "prod-eu-west-1"
TEMPLATE = {
    "Resources": {
        "Nat": {"Type": "AWS::EC2::NatGateway"},
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {}},
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Handler": "lambdas.webhook.handler.handle", "MemorySize": 1024},
        },
    }
}


def assembly(folder: Path, stage: str = STAGE, **resources: Any) -> Path:
    """As ``cdk synth`` leaves it, with one stack."""
    (folder / f"assembly-{stage}").mkdir(parents=True)
    template = {"Resources": {**TEMPLATE["Resources"], **resources}}
    (folder / f"assembly-{stage}" / "one.template.json").write_text(json.dumps(template))
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["cost", "--bookings-per-day", "12", *map(str, arguments)])


def test_it_prints_the_services_the_sums_and_what_the_prices_are(tmp_path: Path) -> None:
    done = run("--hotels", 100, "--from", assembly(tmp_path))

    assert done.exit_code == 0
    assert "NAT gateways" in done.stdout
    services = [line.split()[0] for line in done.stdout.splitlines() if line.strip()]
    assert {"VPC", "Lambda", "all"} <= set(services)
    assert "list prices of eu-west-1 as known on" in done.stderr


def test_as_json_its_lines_come_to_its_sum(tmp_path: Path) -> None:
    report = json.loads(run("--hotels", 100, "--from", assembly(tmp_path), "--json").stdout)

    assert report["hotels"] == 100
    assert report["usd"] == pytest.approx(sum(line["usd"] for line in report["lines"]))
    assert report["per_hotel"] == pytest.approx(report["usd"] / 100)
    assert report["prices_of"] == "eu-west-1"


def test_numbers_of_hotels_side_by_side(tmp_path: Path) -> None:
    done = run("--from", assembly(tmp_path), "--compare-hotels", "100,1000", "--json")

    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["hotels"] for report in reports] == [100, 1000]
    assert reports[0]["per_hotel"] > reports[1]["per_hotel"]


def test_another_region_s_prices_are_not_pretended(tmp_path: Path) -> None:
    elsewhere = "prod-eu-south-2"

    done = run("--hotels", 10, "--stage", elsewhere, "--from", assembly(tmp_path, elsewhere))

    assert "by how much they differ is not known" in done.stderr


@pytest.mark.parametrize("listed", ["ten", "10,-1", "0"])
def test_hotels_that_are_no_numbers_are_refused(tmp_path: Path, listed: str) -> None:
    assert run("--hotels", 1, "--from", assembly(tmp_path), "--compare-hotels", listed).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--compare-hotels"),
        (("--hotels", 100, "--stage", "local"), "costs nothing"),
        (("--hotels", 100, "--bookings-per-day", "inf"), "--bookings-per-day"),
        (("--hotels", 100, "--bookings-per-day", "nan"), "--bookings-per-day"),
    ],
)
def test_what_there_is_no_reckoning_with_is_refused(tmp_path: Path, arguments: tuple[object, ...], said: str) -> None:
    done = run("--from", assembly(tmp_path), *arguments)

    assert done.exit_code == 2
    assert said in done.stderr


def test_a_resource_without_a_price_is_an_error_that_names_it(tmp_path: Path) -> None:
    done = run("--hotels", 1, "--from", assembly(tmp_path, Lake={"Type": "AWS::Redshift::Cluster"}))

    assert done.exit_code == 1
    assert "no price for AWS::Redshift::Cluster (Lake)" in done.stderr


def test_a_folder_without_the_stage_is_told() -> None:
    with pytest.raises(Misconfigured, match="no templates of the stage nowhere"):
        of_assembly(Path("/nonexistent"), "nowhere")


# -- synthesising --------------------------------------------------------------------------------------

APP = """
import json, os, pathlib, sys
assert not [name for name in os.environ if name.startswith("AWS_")], "credentials"
own = str(pathlib.Path(sys.executable).parent)
assert os.environ["PATH"].split(os.pathsep)[0] == own, "the machine may have no Node"
context = json.loads(os.environ["CDK_CONTEXT_JSON"])
if context["stages"] == "broken":
    sys.exit("what went wrong")
folder = pathlib.Path(os.environ["CDK_OUTDIR"]) / f"assembly-{context['stages']}"
folder.mkdir()
template = {"Resources": {"It": {"Type": "AWS::EC2::VPC", "Properties": {"From": context["from"]}}}}
(folder / "one.template.json").write_text(json.dumps(template))
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With an app.py of a millisecond in place of the CDK's."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "cdk.json").write_text(json.dumps({"context": {"from": "cdk.json"}}))
    monkeypatch.setattr(templates, "ROOT", tmp_path)
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    return tmp_path


def test_a_stage_is_synthesised_alone_with_the_context_of_cdk_json_and_without_credentials(repository: Path) -> None:
    (found,) = synthesised(STAGE)

    assert (found.type, found.properties) == ("AWS::EC2::VPC", {"From": "cdk.json"})


def test_a_stage_that_cannot_be_synthesised_says_why(repository: Path) -> None:
    with pytest.raises(Misconfigured, match="the stage broken could not be synthesised: what went wrong"):
        synthesised("broken")
