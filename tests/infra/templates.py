"""The synthesised stages, read as CloudFormation would."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import cx_api

from infra.config import StageConfig, parse
from infra.stage import PousadaStage, add_stages

REPOSITORY = Path(__file__).resolve().parents[2]
CONTEXT: dict[str, Any] = json.loads((REPOSITORY / "cdk.json").read_text())["context"]
CONFIGURED = parse(CONTEXT["pousada"])
STAGES = tuple(config.name for config in CONFIGURED)
AWS_STAGES = tuple(config.name for config in CONFIGURED if config.target == "aws")

Resource = dict[str, Any]


@dataclass(frozen=True)
class Synthesised:
    """One stage: its construct tree, and its templates by the stack's short name (``storage``, ``ingest``…).

    ``elsewhere``: those of another region.
    """

    config: StageConfig
    stage: PousadaStage
    assembly: cx_api.CloudAssembly
    templates: dict[str, dict[str, Any]]
    elsewhere: dict[str, dict[str, Any]] = field(default_factory=dict)

    def resources(self, kind: str) -> dict[str, Resource]:
        """Every resource of a type, whole, by logical id; ids are told apart by their stack."""
        return {
            f"{stack}/{logical_id}": resource
            for stack, template in self.templates.items()
            for logical_id, resource in template["Resources"].items()
            if resource["Type"] == kind
        }

    def properties(self, kind: str) -> dict[str, Resource]:
        return {logical_id: resource["Properties"] for logical_id, resource in self.resources(kind).items()}

    def named(self, kind: str, name: str) -> Resource:
        """The properties of the one resource of ``kind`` whose name this is."""
        (found,) = (p for p in self.properties(kind).values() if name in p.values())
        return found

    def log_groups(self) -> dict[str, Resource]:
        """Their properties by name; what is known once it is there, an API's id, is ``*`` in one."""
        return {_named(p["LogGroupName"]): p for p in self.properties("AWS::Logs::LogGroup").values()}

    def statements(self) -> Iterator[tuple[str, Resource]]:
        """Every statement that allows something to a role, with its policy's logical id."""
        for policy, properties in self.properties("AWS::IAM::Policy").items():
            yield from ((policy, s) for s in properties["PolicyDocument"]["Statement"] if s["Effect"] == "Allow")

    def allowed(self, role: str) -> list[Resource]:
        """The statements of the role whose policy's id has ``role`` in it."""
        return [statement for policy, statement in self.statements() if role in policy]


def synthesise(
    outdir: Path, *, stages: str | None = None, context: Mapping[str, Any] = CONTEXT, **sections: Any
) -> dict[str, Synthesised]:
    """``stages``: names of ``context``, comma between. ``sections``: what they say in place of its words."""
    document = context["pousada"]
    wanted = stages.split(",") if stages else [*document["stages"]]
    changed = {name: {**document["stages"][name], **sections} for name in wanted}
    app = cdk.App(context={**context, "pousada": {**document, "stages": changed}}, outdir=str(outdir))
    built = add_stages(app)
    assembly = app.synth()
    return {stage.node.id: read_stage(stage, assembly) for stage in built}


def read_stage(stage: PousadaStage, assembly: cx_api.CloudAssembly) -> Synthesised:
    config = stage.config
    nested = assembly.get_nested_assembly(stage.artifact_id)
    templates, elsewhere = (
        {
            stack.stack_name.removeprefix(config.names.stack("")): stack.template
            for stack in nested.stacks
            if (stack.environment.region == config.region) is here
        }
        for here in (True, False)
    )
    return Synthesised(config, stage, nested, templates, elsewhere)


def _named(name: str | dict[str, Any]) -> str:
    if isinstance(name, str):
        return name
    return "".join(part if isinstance(part, str) else "*" for part in name["Fn::Join"][1])


def words(value: object) -> list[str]:
    """An action or resource, one or many, as a list of texts; references as their JSON."""
    many = value if isinstance(value, list) else [value]
    return [one if isinstance(one, str) else json.dumps(one) for one in many]
