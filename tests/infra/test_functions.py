"""The functions: what they are given, and what they are made of."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import aws_cdk as cdk
import msgspec
import pytest
from aws_cdk import aws_lambda as lambda_

from infra.capabilities import function as function_module
from infra.capabilities.function import code_of
from shared.settings import EnvironmentModel
from tests.infra.templates import REPOSITORY, Resource, Synthesised

pytestmark = pytest.mark.infra

FUNCTIONS = ("apply", "audit", "dispatcher", "etl", "manifest", "migrate", "poller", "rotate", "watch", "webhook")
MORE_CODE = {"etl": ("glue_jobs",)}


def test_every_folder_is_a_function_and_every_function_a_folder(stage: Synthesised):
    folders = sorted(init.parent.name for init in (REPOSITORY / "lambdas").glob("*/__init__.py"))
    assert tuple(folders) == FUNCTIONS
    handlers = {f["FunctionName"]: f["Handler"] for f in stage.properties("AWS::Lambda::Function").values()}
    assert handlers == {stage.config.names.function(name): f"lambdas.{name}.handler.handle" for name in FUNCTIONS}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_given_every_variable_that_it_reads_and_no_other(stage: Synthesised, name: str):
    given = stage.named("AWS::Lambda::Function", stage.config.names.function(name))["Environment"]["Variables"]
    read = {field.encode_name for model in _settings(name) for field in msgspec.structs.fields(model)}
    powertools = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
    assert given.keys() == read | powertools | {"STAGE"}


def test_every_function_keeps_its_own_log_for_the_configured_time(stage: Synthesised):
    kept = {name: log["RetentionInDays"] for name, log in stage.log_groups().items()}
    for name in FUNCTIONS:
        assert kept[f"/aws/lambda/{stage.config.names.function(name)}"] == stage.config.log_retention_days


def test_every_log_group_has_a_retention(stage: Synthesised):
    for log in stage.properties("AWS::Logs::LogGroup").values():
        assert log["RetentionInDays"] == stage.config.log_retention_days


def test_every_function_is_traced_and_runs_on_arm(stage: Synthesised):
    for function in stage.properties("AWS::Lambda::Function").values():
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert function["Architectures"] == ["arm64"]
        assert function["Runtime"] == "python3.13"


def test_only_the_batches_are_never_done_twice_at_once(stage: Synthesised):
    functions = stage.properties("AWS::Lambda::Function").values()
    reserved = {f["FunctionName"]: f.get("ReservedConcurrentExecutions") for f in functions}
    etl = stage.config.names.function("etl")
    assert reserved.pop(etl) == 1
    assert set(reserved.values()) == {None}


def test_who_sends_to_the_queue_that_it_reads_is_not_stopped_as_a_loop(stage: Synthesised):
    functions = stage.properties("AWS::Lambda::Function").values()
    allowed = {function["FunctionName"] for function in functions if function.get("RecursiveLoop") == "Allow"}
    assert allowed == {stage.config.names.function(name) for name in ("audit", "poller", "rotate")}


@pytest.mark.parametrize(
    ("name", "seconds"), [("webhook", 10), ("poller", 300), ("rotate", 120), ("etl", 900), ("watch", 240)]
)
def test_a_function_has_the_time_that_its_work_takes(stage: Synthesised, name: str, seconds: int):
    assert stage.named("AWS::Lambda::Function", stage.config.names.function(name))["Timeout"] == seconds


def test_on_aws_every_function_has_the_layer_and_two_have_packages_of_their_own_besides(aws_stage: Synthesised):
    described = {id.partition("/")[2]: p["Description"] for id, p in _layers(aws_stage).items()}
    common = "lambdas/requirements.txt"
    own = {name: f"lambdas/{name}/requirements.txt" for name in ("etl", "migrate")}
    assert set(described.values()) == {common, *own.values()}
    for function in aws_stage.properties("AWS::Lambda::Function").values():
        layers = {described[layer["Ref"]] for layer in function["Layers"]}
        assert layers - {common} == {file for name, file in own.items() if f"lambdas.{name}." in function["Handler"]}
        assert common in layers


def _layers(stage: Synthesised) -> dict[str, Resource]:
    return stage.properties("AWS::Lambda::LayerVersion")


def test_etl_is_deployed_with_the_jobs_code_and_the_others_without(stage: Synthesised):
    for function in stage.properties("AWS::Lambda::Function").values():
        asset = Path(stage.assembly.directory).parent / f"asset.{function['Code']['S3Key'].removesuffix('.zip')}"
        assert (asset / "shared" / "settings.py").is_file()
        assert (asset / "glue_jobs" / "etl.py").is_file() == function["Handler"].startswith("lambdas.etl.")


class TestCode:
    """What a function's archive holds."""

    @pytest.fixture
    def repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A small one, with all that must stay out."""
        files = ["shared/__init__.py", "shared/core.py", "lambdas/__init__.py", "lambdas/requirements.txt", "README.md"]
        files += [f"lambdas/{name}/handler.py" for name in FUNCTIONS]
        files += ["glue_jobs/__init__.py", "glue_jobs/etl.py", "glue_jobs/requirements.txt"]
        files += ["tests/test_core.py", ".venv/lib/shared/x.py", "node_modules/shared/index.js"]
        files += ["shared/__pycache__/core.pyc", "lambdas/webhook/__pycache__/handler.pyc"]
        for file in files:
            (tmp_path / "repository" / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "repository" / file).write_text(file)
        monkeypatch.setattr(function_module, "ROOT", tmp_path / "repository")
        return tmp_path / "repository"

    def test_is_shared_and_its_own_folder_and_nothing_else(self, repository: Path, tmp_path: Path):
        assert _held(tmp_path, "webhook") == [
            "lambdas/__init__.py",
            "lambdas/webhook/handler.py",
            "shared/__init__.py",
            "shared/core.py",
        ]

    def test_of_etl_is_the_jobs_besides(self, repository: Path, tmp_path: Path):
        assert _held(tmp_path, "etl") == [
            "glue_jobs/__init__.py",
            "glue_jobs/etl.py",
            "lambdas/__init__.py",
            "lambdas/etl/handler.py",
            "shared/__init__.py",
            "shared/core.py",
        ]

    def test_a_change_in_the_job_redeploys_etl(self, repository: Path, tmp_path: Path):
        before = _asset_hashes(tmp_path)
        (repository / "glue_jobs/etl.py").write_text("changed")
        after = _asset_hashes(tmp_path)
        assert {name for name in FUNCTIONS if before[name] != after[name]} == {"etl"}

    def test_a_change_in_one_function_redeploys_that_one(self, repository: Path, tmp_path: Path):
        before = _asset_hashes(tmp_path)
        (repository / "lambdas/apply/handler.py").write_text("changed")
        after = _asset_hashes(tmp_path)
        assert {name for name in FUNCTIONS if before[name] != after[name]} == {"apply"}

    def test_a_change_in_shared_redeploys_all(self, repository: Path, tmp_path: Path):
        before = _asset_hashes(tmp_path)
        (repository / "shared/core.py").write_text("changed")
        after = _asset_hashes(tmp_path)
        assert {name for name in FUNCTIONS if before[name] != after[name]} == set(FUNCTIONS)

    def test_what_is_not_deployed_changes_nothing(self, repository: Path, tmp_path: Path):
        before = _asset_hashes(tmp_path)
        for file in (
            "tests/test_core.py",
            "glue_jobs/requirements.txt",
            "shared/__pycache__/core.pyc",
            "lambdas/requirements.txt",
        ):
            (repository / file).write_text("changed")
        assert _asset_hashes(tmp_path) == before


def _held(tmp_path: Path, name: str) -> list[str]:
    staged = tmp_path / "cdk.out" / f"asset.{_asset_hashes(tmp_path)[name]}"
    return sorted(p.relative_to(staged).as_posix() for p in staged.rglob("*") if p.is_file())


def _asset_hashes(tmp_path: Path) -> dict[str, str]:
    # Within one process CDK takes files for unchanged.
    cdk.AssetStaging.clear_asset_hash_cache()
    app = cdk.App(outdir=str(tmp_path / "cdk.out"))
    stack = cdk.Stack(app, "functions")
    for name in FUNCTIONS:
        lambda_.Function(
            stack,
            name,
            code=code_of(name, *MORE_CODE.get(name, ())),
            handler="x",
            runtime=function_module.RUNTIME,
            function_name=name,
        )
    template = app.synth().get_stack_by_name("functions").template
    functions = [r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::Lambda::Function"]
    return {f["FunctionName"]: f["Code"]["S3Key"].removesuffix(".zip") for f in functions}


def _settings(name: str) -> set[type[EnvironmentModel]]:
    """Every settings model in the function's folder."""
    package = importlib.import_module(f"lambdas.{name}")
    modules = [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]
    found = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    return {kind for kind in found if issubclass(kind, EnvironmentModel) and kind is not EnvironmentModel}
